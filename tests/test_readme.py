"""README and docs are true: their tables say what the files say, links lead somewhere, commands work."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from omnipipe.cli import app, demo
from tests.e2e.conftest import PORTS_OF_A_CLOUD, Laptop
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
COMMANDS_PAGE = (DOCS / "commands.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
SHELL_LINES = [
    line
    for page in (COMMANDS_PAGE, README, (DOCS / "recipes.md").read_text())  # the README ends with `down`
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
ALL_COMMANDS = [
    words[1:] for line in SHELL_LINES if (words := shlex.split(line, comments=True))[:1] == ["omnipipe"]
]
# These ask Google: tests/google runs them against one that is simulated.
AT_GOOGLE = [
    words for words in ALL_COMMANDS if words[0] in ("status", "seed", "run", "logs") and "--stack" in words
]
COMMANDS = [words for words in ALL_COMMANDS if words not in AT_GOOGLE]


def test_the_settings_are_those_of_the_project_with_its_words() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    expected = []
    for name, setting in declared.items():
        default = setting.get("default")
        written = default if default and isinstance(default, str) else json.dumps(default)
        shown = "none: set it" if default is None else f"`{written}`"
        expected.append(f"| `{name}` | {shown} | {setting['description']} |")

    table = (DOCS / "settings.md").read_text()
    assert [line for line in table.splitlines() if line.startswith("| `")] == expected


LINK = re.compile(r"\]\((?!http)([^)\s]+)\)")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_every_page_of_the_docs_is_led_to() -> None:
    links = [(page.parent, target) for page in PAGES for target in LINK.findall(page.read_text())]
    led_to = {(folder / target.partition("#")[0]).resolve() for folder, target in links}
    assert set(DOCS.glob("*.md")) <= led_to


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in anchors, target


def test_every_command_is_on_its_page() -> None:
    import typer

    names = set(typer.main.get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue] - a group
    told = set(re.findall(r"`omnipipe ([a-z]+)", COMMANDS_PAGE))
    assert names == told


def test_the_sample_of_the_demo_ends_as_the_demo_does() -> None:
    sample = COMMANDS_PAGE.partition("What to do next:\n")[2].partition("```")[0].splitlines()
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
