"""The provider in parts is the provider: the same classes and functions, and whole where it has to be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT

USED = sorted(
    {
        f"gcp.{node.value.attr}.{node.attr}"
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


LEAN = "import sys, pulumi_gcp as gcp; from omnipipe.laptop import lean_imports; lean_imports.install(); "
IS_WHOLE = "print('pulumi_gcp.compute.instance' in sys.modules)"


def test_what_the_program_uses_is_found_without_importing_the_rest() -> None:
    names = f"print([found.__module__ + '.' + found.__name__ for found in ({', '.join(USED)},)])"

    assert python(LEAN + names) == python(f"import pulumi_gcp as gcp; {names}")
    networks = [name for name in USED if name.startswith("gcp.compute.")]
    assert python(f"{LEAN} {'; '.join(networks)}; {IS_WHOLE}") == "False"


def test_a_lookup_is_a_function_and_not_the_module_of_its_name() -> None:
    asked = "gcp.compute.get_network, gcp.compute.get_network, gcp.compute.get_network_output"
    said = python(f"{LEAN} print(*(found.__name__ for found in ({asked},))); {IS_WHOLE}")
    assert said == "get_network get_network get_network_output\nTrue"  # the last one is named like no module
    assert python(f"{LEAN} print(gcp.compute.get_network.__name__); {IS_WHOLE}") == "get_network\nFalse"


def test_a_module_can_be_asked_for_by_its_name() -> None:
    assert python(f"{LEAN} print(gcp.compute.outputs.__name__); {IS_WHOLE}") == "pulumi_gcp.compute.outputs\nFalse"


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
    code += "from omnipipe.laptop import lean_imports; lean_imports.install(); print(gcp.storage is whole)"
    assert python(code) == "True"


def test_a_program_on_this_machine_has_it_in_parts(tmp_path: Path) -> None:
    """Whichever program it is, and without a word of it in the program."""
    source = f"import sys, pulumi_gcp as gcp\ngcp.compute.Network('network')\n{IS_WHOLE}\n"
    (tmp_path / "__main__.py").write_text(source)
    code = "from omnipipe.laptop.program import run; from omnipipe.laptop.project import Project\n"
    code += "from pathlib import Path; from tests.laptop.test_program import Remembering\n"
    code += f"run(Project('shop', Path({str(tmp_path)!r}), 'dev', {{}}), Remembering())"
    assert python(code) == "False"
