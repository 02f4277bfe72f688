"""The provider in parts is the provider: the same classes, and whole where it has to be."""

import ast
import subprocess
import sys

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from stacks.lean_imports import PACKAGES

USED = sorted(
    {
        (node.value.attr, node.attr)
        for file in (PROJECT_ROOT / "components").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and isinstance(node.value.value, ast.Name)
        and node.value.value.id == "gcp"
    }
)


def python(code: str) -> str:
    """What a fresh process prints: in this one the provider may be there already."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LEAN = "import sys, pulumi_gcp as gcp; from stacks import lean_imports; lean_imports.install(); "


def test_what_the_program_uses_is_found_without_importing_the_rest() -> None:
    used = [f"gcp.{package}.{name}" for package, name in USED if package in PACKAGES]
    assert {name.split(".")[1] for name in used} == set(PACKAGES), "a package that nothing uses: take it out"
    names = f"print([found.__module__ + '.' + found.__name__ for found in ({', '.join(used)},)])"

    assert python(LEAN + names) == python(f"import pulumi_gcp as gcp; {names}")
    networks = [name for name in used if name.startswith("gcp.compute.")]
    assert python(f"{LEAN} {'; '.join(networks)}; print('pulumi_gcp.compute.instance' in sys.modules)") == "False"


@pytest.mark.parametrize("name", ["get_default_service_account_output", "DatasetAccessArgs"])
def test_what_is_in_no_module_of_its_name_brings_the_whole_package(name: str) -> None:
    code = f"{LEAN} before = gcp.bigquery.Dataset; found = gcp.bigquery.{name}; "
    assert python(code + "print(found.__name__, gcp.bigquery.Dataset is before)") == f"{name} True"


def test_what_is_nowhere_is_an_attribute_error() -> None:
    assert "AttributeError" in python(
        f"{LEAN} import traceback\ntry:\n gcp.storage.Buckett\nexcept Exception: print(traceback.format_exc())"
    )


def test_what_is_imported_already_stays() -> None:
    code = "import pulumi_gcp as gcp; before = gcp.storage.Bucket; whole = gcp.storage; "
    code += "from stacks import lean_imports; lean_imports.install(); print(gcp.storage is whole)"
    assert python(code) == "True"
