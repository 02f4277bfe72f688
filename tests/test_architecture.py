"""Who may import whom, as the design says. Read from the source, so that a lazy import counts too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"components", "functions", "jobs", "omnipipe", "seed", "stacks"}

# Part -> what it may import of ours. Longer names are looked up first.
ALLOWED = {
    "omnipipe/contracts": {"omnipipe.contracts"},
    "omnipipe/runtime": {"omnipipe.contracts", "omnipipe.runtime"},
    "functions": {"omnipipe.contracts", "omnipipe.runtime"},
    "jobs": {"omnipipe.contracts", "omnipipe.runtime"},
    "components": {"components", "omnipipe.contracts"},
    "stacks": {"stacks", "components", "omnipipe.contracts"},
    "seed": {"seed", "omnipipe.contracts"},
    # It runs stacks/ as a program, from its path: it imports nothing of it.
    "omnipipe/laptop": {"omnipipe.laptop", "omnipipe.runtime", "omnipipe.contracts"},
    "omnipipe/cli": {"omnipipe.cli", "omnipipe.laptop", "omnipipe.contracts", "seed", "stacks"},
}
PULUMI_FREE = ("omnipipe/contracts", "omnipipe/runtime", "functions", "jobs", "seed")


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _files(part: str) -> list[Path]:
    return sorted((ROOT / part).rglob("*.py"))


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    files = _files(part)
    assert files
    siblings = {path.stem for path in files}  # a function's or job's own modules are imported by their bare name
    for file in files:
        for name in _imports(file):
            if name.split(".")[0] in OURS - (siblings if part in ("functions", "jobs") else set()):
                allowed = any(name == prefix or name.startswith(f"{prefix}.") for prefix in ALLOWED[part])
                assert allowed, f"{file.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("part", PULUMI_FREE)
def test_what_is_packaged_never_imports_pulumi(part: str) -> None:
    for file in _files(part):
        assert not {name for name in _imports(file) if name.split(".")[0].startswith("pulumi")}, file


def test_the_command_is_quick_because_it_imports_late() -> None:
    """`omnipipe --help` may load typer and rich only."""
    top_level = set()
    for file in _files("omnipipe/cli"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                top_level |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                top_level.add(".".join(node.module.split(".")[:2]))
    heavy = {
        name for name in top_level if name.split(".")[0] in {"pulumi", "google", "requests", "psycopg", "flask"}
    }
    assert not heavy
    assert not {name for name in top_level if name.startswith(("omnipipe.laptop", "seed"))}
