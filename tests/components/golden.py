"""What a pull request shows: the inventory of a stack, every resource with what it is made with, and the workflow of
each pipeline.

`everything` is prod with all that a stack may leave out.

    .venv/bin/python -m tests.components.golden

writes the files anew; with `--check` it only tells how they differ, and fails if they do. What has a test of its own
stands in them as `[text]` (anything longer than a line); hashes of packages and images are left out, because every edit
of a source changes them.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from components.platform.workflow_source import workflow_source
from omnipipe.contracts.pipelines import DAILY, Pipeline
from omnipipe.laptop.home import PROJECT_ROOT
from tests.components.conftest import deployed
from tests.components.mocks import Recorder, Registration

STACKS = ("dev", "prod", "everything")
PIPELINES = (DAILY,)
REWRITE = ".venv/bin/python -m tests.components.golden"
_FOLDER = Path(__file__).with_name("golden")
_LONGEST = 320
# Inputs that are hashes and nothing else.
_HASHES = ("runExecutionToken",)


def path(stack: str) -> Path:
    """The file of a stack."""
    return _FOLDER / f"{stack}.yaml"


def source_path(pipeline: Pipeline) -> Path:
    """The file of a pipeline's workflow."""
    return _FOLDER / "pipelines" / f"{pipeline.name}.yaml"


def inventory(program: Recorder) -> str:
    """What a program registers, as text: by kind and name, with parent, options and inputs."""
    entries = {f"{r.kind} {r.name}": _entry(r, program) for r in program.registrations}
    assert len(entries) == len(program.registrations), "two resources of one kind have one name"
    return yaml.safe_dump(dict(sorted(entries.items())), width=110, allow_unicode=True)


def _entry(registration: Registration, program: Recorder) -> dict[str, Any]:
    by_inputs = frozenset().union(*registration.property_dependencies.values())
    shown = {
        "parent": registration.parent,
        "protect": registration.protect,
        "after": _whole_components(registration.dependencies - by_inputs, program),
        "ignore changes of": list(registration.ignore_changes),
        "delete before replace": registration.delete_before_replace,
        "replace on changes of": list(registration.replace_on_changes),
        "replace for another": registration.replacement_trigger,
        "hooks after creation": list(registration.after_create),
        "hooks on errors": list(registration.on_error),
        "provider": registration.provider,
        "retain on delete": registration.retain_on_delete,
        "timeouts": registration.custom_timeouts,
        "inputs": _shown(registration.inputs, "", registration.secrets),
    }
    return {key: value for key, value in shown.items() if value}


def _whole_components(names: frozenset[str], program: Recorder) -> list[str]:
    """Names of resources; a component stands for all of its children."""
    shown = set(names)
    for component in program.components:
        children = {child.name for child in program.registrations if child.parent == component.name}
        if children and children <= shown:
            shown = shown - children | {component.name}
    return sorted(shown)


def _shown(value: Any, path: str, secrets: frozenset[str]) -> Any:
    key = path.rpartition(".")[2]
    if path in secrets:
        return "[secret]"
    if key in _HASHES:
        return "[hash]"
    if isinstance(value, dict):
        return {key: _shown(item, f"{path}.{key}" if path else key, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item, f"{path}.{index}", secrets) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    if key == "schema" and value.startswith("["):  # of a BigQuery table; Datastream has schemas of Postgres
        return [_column(column) for column in json.loads(value)]
    # Nothing else is cut off: what depends on the machine or the folder has to be seen here.
    text = re.sub(r"\b[0-9a-f]{16,64}\b", "[hash]", value)
    return "[text]" if "\n" in text or len(text) > _LONGEST else text


def _column(column: dict[str, Any]) -> str:
    nested = f" ({', '.join(map(_column, column['fields']))})" if "fields" in column else ""
    tagged = "".join(f" tagged {tag}" for tag in column.get("policyTags", {}).get("names", ()))
    return f"{column['name']} {column['type']}{nested} {column['mode']}{tagged}"


def _files() -> Iterator[tuple[Path, str]]:
    """Each file, and what belongs into it."""
    for pipeline in PIPELINES:
        yield source_path(pipeline), workflow_source(pipeline)
    for stack in STACKS:
        yield path(stack), inventory(deployed(stack))


def write() -> None:
    """Write the file of each stack and of each pipeline."""
    source_path(DAILY).parent.mkdir(parents=True, exist_ok=True)
    for file, text in _files():
        file.write_text(text)
        print(f"wrote {file.relative_to(PROJECT_ROOT)}")  # noqa: T201 - a command's answer


def difference(file: Path, text: str) -> str:
    """How a file differs from what belongs into it, as a diff; "" if it does not."""
    known = file.read_text() if file.is_file() else ""
    name = str(file.relative_to(PROJECT_ROOT))
    return "".join(difflib.unified_diff(known.splitlines(True), text.splitlines(True), name, "the program", n=4))


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        write()
    elif found := "".join(difference(file, text) for file, text in _files()):
        sys.exit(f"{found}\nThe golden files are not what the program says; this writes them anew: {REWRITE}")
    else:
        print("The golden files are what the program says.")  # noqa: T201 - a command's answer
