"""The program's files are read as Pulumi reads them, and its errors reach the user."""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.program import run
from omnipipe.laptop.project import Project

PULUMI_YAML = """
name: shop
main: program
runtime: python
config:
  size: {type: string, default: small}
  open: {type: boolean, default: true}
  address: {type: string}
"""


class Remembering:
    """A cloud that gives back what it was asked for, fails on one name, and takes its time for another."""

    def __init__(self, failing: str = "", slow: str = "") -> None:
        self.names: list[str] = []
        self.options: dict[str, tuple[Any, ...]] = {}
        self.go_on = threading.Event()
        self._failing, self._slow = failing, slow
        self._lock = threading.Lock()

    def register(
        self,
        type_: str,
        name: str,
        inputs: dict[str, Any],
        protect: bool,
        replace_on_changes: Sequence[str],
        ignore_changes: Sequence[str],
    ) -> tuple[str, dict[str, Any]]:
        """Remember a name, or fail."""
        self.options[name] = (protect, replace_on_changes, ignore_changes)
        if name == self._failing:
            raise LaptopError(f"{name} cannot be made")
        if name == self._slow:
            self.go_on.wait(30)
        with self._lock:
            self.names.append(name)
        return name, inputs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PULUMI_YAML)
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {'shop:address': here, 'gcp:project': p}")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {'gcp:project': p}")
    (tmp_path / "program").mkdir()
    return tmp_path


def program(root: Path, source: str) -> Project:
    (root / "program" / "__main__.py").write_text("import pulumi\nimport pulumi_random as random\n" + source)
    return Project.load(root, "dev")


def test_settings_of_the_stack_come_over_the_projects_defaults(root: Path) -> None:
    assert Project.load(root, "dev").config == {
        "shop:size": "small",
        "shop:open": "true",
        "shop:address": "here",
        "gcp:project": "p",
    }


def test_a_setting_without_a_default_must_be_set(root: Path) -> None:
    with pytest.raises(LaptopError, match=r"Pulumi\.prod\.yaml does not set shop:address"):
        Project.load(root, "prod")


def test_an_unknown_stack_is_told_with_those_that_there_are(root: Path) -> None:
    with pytest.raises(LaptopError, match="no stack 'test': choose one of dev, prod"):
        Project.load(root, "test")


@pytest.mark.parametrize("when", ["while the program runs", "while it waits for a resource"])
def test_ctrl_c_ends_it_at_once_whatever_is_being_made(root: Path, when: str) -> None:
    ctrl_c = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    waits = f"first.length.apply(lambda _: exec({ctrl_c!r}))\n"
    cloud = Remembering(slow="second")
    source = f"""
first = random.RandomPassword("first", length=8)
second = random.RandomPassword("second", length=8)
{ctrl_c if when == "while the program runs" else waits}
"""
    with pytest.raises(KeyboardInterrupt):
        run(program(root, source), cloud)
    assert "second" not in cloud.names
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    cloud.go_on.set()


def test_resources_are_made_in_the_order_of_their_dependencies_with_resolved_inputs(root: Path) -> None:
    cloud = Remembering()
    source = """
first = random.RandomPassword("first", length=8)
second = random.RandomPassword("second", length=first.length, opts=pulumi.ResourceOptions(depends_on=[first]))
pulumi.export("length", second.length)
pulumi.export("size", pulumi.Config().require("size"))
"""
    assert run(program(root, source), cloud) == {"length": 8, "size": "small"}
    assert cloud.names == ["first", "second"]


def test_the_first_failure_is_the_one_that_is_told_and_nothing_follows_it(root: Path) -> None:
    cloud = Remembering(failing="first")
    source = """
first = random.RandomPassword("first", length=8)
random.RandomPassword("second", length=8, opts=pulumi.ResourceOptions(depends_on=[first]))
"""
    with pytest.raises(LaptopError, match=r"^first cannot be made$"):
        run(program(root, source), cloud)
    assert cloud.names == []


def test_an_error_of_the_program_itself_is_told_as_such(root: Path) -> None:
    with pytest.raises(LaptopError, match="the program failed: KeyError: 'nothing'"):
        run(program(root, "{}['nothing']"), Remembering())


def test_what_the_program_refuses_is_told_in_its_own_words(root: Path) -> None:
    source = "pulumi.Output.from_input(1).apply(lambda _: (_ for _ in ()).throw(pulumi.RunError('set it back')))"
    with pytest.raises(LaptopError, match=r"^set it back$"):
        run(program(root, source), Remembering())


def test_a_lookup_that_the_laptop_cannot_answer_is_named(root: Path) -> None:
    source = "import pulumi_gcp as gcp\npulumi.export('n', gcp.storage.get_bucket_output(name='b').location)"
    with pytest.raises(
        LaptopError, match="gcp:storage/getBucket:getBucket, which the laptop cloud does not answer"
    ):
        run(program(root, source), Remembering())


def test_a_lookup_that_the_laptop_knows_is_answered_for_the_project_that_is_asked_about(root: Path) -> None:
    source = """
import pulumi_gcp as gcp
pulumi.export("number", gcp.organizations.get_project_output(project_id="shop-prod").number)
pulumi.export("bigquery", gcp.bigquery.get_default_service_account_output(project="shop-prod").member)
pulumi.export("storage", gcp.storage.get_project_service_account_output(project="shop-prod").email_address)
"""
    assert run(program(root, source), Remembering()) == {
        "number": "100000000001",
        "bigquery": "serviceAccount:bq-100000000001@bigquery-encryption.iam.gserviceaccount.com",
        "storage": "service-100000000001@gs-project-accounts.iam.gserviceaccount.com",
    }


def test_a_lookup_that_does_not_say_of_which_project_is_told_so(root: Path) -> None:
    source = "import pulumi_gcp as gcp\npulumi.export('n', gcp.organizations.get_project_output().number)"
    with pytest.raises(LaptopError, match=r"getProject:getProject without 'projectId': say of which project"):
        run(program(root, source), Remembering())


def test_the_options_that_count_reach_the_deployment(root: Path) -> None:
    cloud = Remembering()
    source = """
random.RandomPassword("plain", length=8)
options = pulumi.ResourceOptions(protect=True, replace_on_changes=["length"], ignore_changes=["min_lower"])
random.RandomPassword("special", length=8, opts=options)
"""
    run(program(root, source), cloud)

    assert cloud.options == {"plain": (False, (), ()), "special": (True, ("length",), ("minLower",))}


def test_a_package_that_it_imports_and_is_not_here_is_told_with_the_way_to_it(root: Path) -> None:
    with pytest.raises(
        LaptopError, match=r"imports pulumi_moon, which is not installed .* -m pip install PACKAGE"
    ):
        run(program(root, "import pulumi_moon\n"), Remembering())


def test_a_program_without_a_main_is_beside_its_pulumi_yaml(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("{name: shop, runtime: python}")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}")
    (tmp_path / "__main__.py").write_text("import pulumi\npulumi.export('read', open('there.txt').read())\n")
    (tmp_path / "there.txt").write_text("yes")  # its folder is the working directory

    assert run(Project.load(tmp_path, "dev"), Remembering()) == {"read": "yes"}


def test_a_main_may_be_a_file(root: Path) -> None:
    (root / "Pulumi.yaml").write_text(PULUMI_YAML.replace("main: program", "main: program/shop.py"))
    (root / "program" / "shop.py").write_text("import pulumi\npulumi.export('it', 'is shop.py')\n")

    assert run(Project.load(root, "dev"), Remembering()) == {"it": "is shop.py"}


def test_files_texts_and_archives_reach_the_deployment_as_plain_values(root: Path) -> None:
    source = """
from pulumi_gcp import storage
parts = {"a.py": pulumi.StringAsset("a"), "lib": pulumi.FileArchive("lib"), "b.py": pulumi.FileAsset("b.py")}
storage.BucketObject("folder", bucket="b", source=pulumi.FileArchive("code"))
storage.BucketObject("parts", bucket="b", source=pulumi.AssetArchive(parts))
"""
    made = Keeping()
    run(program(root, source), made)

    assert made.inputs["folder"]["source"] == "code"
    assert made.inputs["parts"]["source"] == {"a.py": {"text": "a"}, "lib": "lib", "b.py": "b.py"}


def test_a_file_from_elsewhere_is_refused(root: Path) -> None:
    source = """
from pulumi_gcp import storage
storage.BucketObject("far", bucket="b", source=pulumi.RemoteArchive("https://example.com/code.zip"))
"""
    with pytest.raises(
        LaptopError, match=r"https://example.com/code.zip: the laptop takes files of the program's own"
    ):
        run(program(root, source), Keeping())


@pytest.mark.parametrize(
    ("declared", "value"),
    [("size: {value: small}", "small"), ("size: small", "small"), ("gcp:zone: {value: a}", "a")],
)
def test_a_project_may_give_values_in_each_form_that_pulumi_takes(root: Path, declared: str, value: str) -> None:
    (root / "Pulumi.yaml").write_text(f"{{name: shop, runtime: python, config: {{{declared}}}}}")
    (root / "Pulumi.dev.yaml").write_text("config: {}")

    assert list(Project.load(root, "dev").config.values()) == [value]


def test_an_encrypted_value_is_told_with_its_line(root: Path) -> None:
    (root / "Pulumi.dev.yaml").write_text("config:\n  shop:address:\n    secure: v1:abc\n")
    with pytest.raises(
        LaptopError, match=r"Pulumi.dev.yaml:2: shop:address is encrypted with a key that the laptop"
    ):
        Project.load(root, "dev")


class Keeping(Remembering):
    """A cloud that keeps the inputs, too."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: dict[str, dict[str, Any]] = {}

    def register(
        self,
        type_: str,
        name: str,
        inputs: dict[str, Any],
        protect: bool,
        replace_on_changes: Sequence[str],
        ignore_changes: Sequence[str],
    ) -> tuple[str, dict[str, Any]]:
        """Remember a resource."""
        self.inputs[name] = inputs
        return super().register(type_, name, inputs, protect, replace_on_changes, ignore_changes)
