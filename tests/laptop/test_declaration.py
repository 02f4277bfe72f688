"""What a program's laptop.yaml says, and what is told of one that is wrong."""

from pathlib import Path

import pytest

from omnipipe.laptop.declaration import Declaration
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT


def declared(folder: Path, text: str) -> Declaration:
    (folder / "laptop.yaml").write_text(text)
    return Declaration.load(folder)


def test_this_projects_own_says_what_each_command_means() -> None:
    found = Declaration.load(PROJECT_ROOT)
    assert list(found.simulators) == ["weather-api", "webhook"]
    assert (found.dead_letters, found.policies) == ("ops.dead_letters", "policy")
    assert found.of_command("run", "workflow") == {"workflow": "daily"}
    assert found.of_command("seed", "job", "user", "password")["job"] == "migrate"


def test_a_program_without_one_declares_nothing(tmp_path: Path) -> None:
    found = Declaration.load(tmp_path)
    assert (found.simulators, found.commands, found.policies) == ({}, {}, None)
    with pytest.raises(
        LaptopError, match=r"what `omnipipe run` means: .*laptop.yaml, under commands, run: \{workflow: …\}"
    ):
        found.of_command("run", "workflow")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("simulators: [a]", r"laptop.yaml: simulators: write KEY: VALUE lines, not \['a'\]"),
        ("simulator: {}", "it has simulators, commands, deadLetters and policies, and no simulator"),
        ("simulators: {mail: {command: run}}", "simulators: mail: it has `command:`, a list, and `settings:`"),
        (
            "simulators: {mail: {command: [run], settings: {a: 1}}}",
            "mail: settings: a is 1: write a text, in quotes",
        ),
        ("commands: {run: daily}", "commands: run: write KEY: VALUE lines, not 'daily'"),
        ("policies: rules", "policies: there is no folder rules: name the one of PulumiPolicy.yaml"),
        ("commands: {", "laptop.yaml:1: this is not YAML"),
    ],
)
def test_what_is_wrong_in_one_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LaptopError, match=words):
        declared(tmp_path, text)
