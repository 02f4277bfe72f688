"""The README is true: its tables say what the files say, its links lead somewhere, its commands work."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from omnipipe.cli import demo
from tests.e2e.conftest import PORTS_OF_A_CLOUD, Laptop
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
SHELL_LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
COMMANDS = [words[1:] for line in SHELL_LINES if (words := shlex.split(line, comments=True))[:1] == ["omnipipe"]]


def test_the_settings_are_those_of_the_project_with_its_words() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    expected = []
    for name, setting in declared.items():
        default = setting.get("default")
        written = default if default and isinstance(default, str) else json.dumps(default)
        shown = "none: set it" if default is None else f"`{written}`"
        expected.append(f"| `{name}` | {shown} | {setting['description']} |")

    table = README.partition("## Settings of a stack")[2].partition("\n## ")[0]
    assert [line for line in table.splitlines() if line.startswith("| `")] == expected


def test_links_lead_to_files_that_are_there() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_sample_of_the_demo_ends_as_the_demo_does() -> None:
    sample = README.partition("What to do next:\n")[2].partition("```")[0].splitlines()
    assert [line.split("  ")[1] for line in sample] == [f"omnipipe {command}" for command, _ in demo.NEXT]
    assert [line.split("  ")[-1].strip() for line in sample] == [purpose for _, purpose in demo.NEXT]


def test_make_targets_are_there() -> None:
    named = {words[1] for line in SHELL_LINES if (words := shlex.split(line, comments=True))[0] == "make"}
    named |= set(re.findall(r"`make ([a-z]+)`", README))
    makefile = (ROOT / "Makefile").read_text()
    assert {"run", "test"} <= named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A laptop cloud with a little data, where a reader of the README stands after the first command."""
    laptop = Laptop(tmp_path_factory.mktemp("home"), free_ports(PORTS_OF_A_CLOUD))
    laptop.ok("up")
    laptop.ok("seed", "--trips", "1000")
    laptop.ok("run")
    yield laptop
    laptop.run("down", "--purge")


@pytest.mark.e2e
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_of_the_readme_works(
    seeded: Laptop, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    seeded.ok(*command)
