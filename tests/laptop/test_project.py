"""What is wrong in a stack's file is told with file and line, all of it at once."""

from pathlib import Path

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.project import Project

PULUMI_YAML = """
name: shop
main: program
config:
  schedule: {type: string, default: small}
  address: {type: string}
"""


def load(root: Path, stack_file: str) -> Project:
    (root / "Pulumi.yaml").write_text(PULUMI_YAML)
    (root / "Pulumi.dev.yaml").write_text(stack_file)
    return Project.load(root, "dev")


def refused(root: Path, stack_file: str) -> list[str]:
    with pytest.raises(LaptopError) as caught:
        load(root, stack_file)
    return str(caught.value).splitlines()


def test_each_value_knows_its_line(tmp_path: Path) -> None:
    project = load(tmp_path, "config:\n  gcp:project: p\n\n  shop:address: here\n")
    assert project.lines == {"gcp:project": "Pulumi.dev.yaml:2", "shop:address": "Pulumi.dev.yaml:4"}
    assert project.config == {"shop:schedule": "small", "shop:address": "here", "gcp:project": "p"}


def test_broken_yaml_is_told_with_file_and_line(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, "config:\n  shop:address: here\n   gcp:project: p\n")
    assert line.startswith("Pulumi.dev.yaml:3: this is not YAML: ")


@pytest.mark.parametrize("content", ["", "# nothing\n", "- a list\n", "text\n"])
def test_a_file_without_settings_is_told(tmp_path: Path, content: str) -> None:
    (line,) = refused(tmp_path, content)
    assert line == "Pulumi.dev.yaml has no settings: it begins with `config:` and has KEY: VALUE lines below it"


def test_a_configuration_that_is_no_map_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path, "config: [a]\n") == ["Pulumi.dev.yaml: `config:` holds KEY: VALUE lines, not list"]


def test_an_empty_configuration_lacks_what_has_no_default(tmp_path: Path) -> None:
    assert refused(tmp_path, "config:\n") == [
        "Pulumi.dev.yaml does not set shop:address, which has no default: add it there"
    ]


def test_unknown_keys_are_told_with_the_nearest_known_one_and_all_at_once(tmp_path: Path) -> None:
    assert refused(tmp_path, "config:\n  shop:shedule: daily\n  shop:zzz: 1\n  gcp:anything: x\n") == [
        "Pulumi.dev.yaml:2: there is no setting shop:shedule: is it shop:schedule?",
        "Pulumi.dev.yaml:3: there is no setting shop:zzz: Pulumi.yaml declares none of that name",
        "Pulumi.dev.yaml does not set shop:address, which has no default: add it there",
    ]


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(PULUMI_YAML)
    (tmp_path / "Pulumi.dev.yaml").write_bytes(b"config: \xff\n")
    with pytest.raises(LaptopError, match=r"^Pulumi\.dev\.yaml is not UTF-8 text"):
        Project.load(tmp_path, "dev")
