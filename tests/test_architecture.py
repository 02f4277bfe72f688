"""Who may import whom, as the design says. Read from the source, so that a lazy import counts too."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"bench", "components", "functions", "jobs", "omnipipe", "policy", "seed", "stacks", "tests"}

# Part -> what it may import of ours. What is below a part, and has a line of its own, goes by that.
ALLOWED = {
    "omnipipe/contracts": {"omnipipe.contracts"},
    "omnipipe/runtime": {"omnipipe.contracts", "omnipipe.runtime"},
    "functions": {"omnipipe.contracts", "omnipipe.runtime"},
    "jobs": {"omnipipe.contracts", "omnipipe.runtime"},
    "jobs/business": {"omnipipe.contracts", "omnipipe.runtime", "seed"},  # it plays what the laptop plays
    "components": {"components", "omnipipe.contracts"},
    "stacks": {"stacks", "components", "omnipipe.contracts"},
    # It judges any program: it shares the rules of the components' arguments, and makes nothing.
    "policy": {"policy", "components.checks", "components.place", "components.schedule", "omnipipe.contracts"},
    "seed": {"seed", "omnipipe.contracts"},
    # It runs stacks/ as a program and policy/ as a pack, from their paths: it imports nothing of them.
    "omnipipe/laptop": {"omnipipe.laptop", "omnipipe.runtime", "omnipipe.contracts.datastream"},
    "omnipipe/rehearsal": {"omnipipe.rehearsal"},  # it knows no stack
    "omnipipe/review": {"omnipipe.review", "omnipipe.rehearsal"},
    "omnipipe/google": {"omnipipe.google", "omnipipe.laptop"},
    "omnipipe/setup": {
        "omnipipe.setup",
        "omnipipe.google",
        "omnipipe.laptop",
        "omnipipe.rehearsal.engine.installed",
        "stacks",
    },
    "omnipipe/cli": {
        "omnipipe.cli",
        "omnipipe.google",
        "omnipipe.review",
        "omnipipe.setup",
        "omnipipe.laptop",
        "omnipipe.rehearsal",
        "omnipipe.contracts",
        "seed",
        "stacks",
    },
    "bench": {"bench", "omnipipe", "seed"},  # what it shares with the tests, they have from it
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


def _below(part: str) -> list[str]:
    """The folders of a part that have a line of their own."""
    return [f"/{other}/" for other in ALLOWED if other.startswith(f"{part}/")]


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    files = _files(part)
    assert files
    files = [file for file in files if not any(other in file.as_posix() for other in _below(part))]
    siblings = {path.stem for path in files}  # a function's or job's own modules are imported by their bare name
    for file in files:
        for name in _imports(file):
            if name.split(".")[0] in OURS - (siblings if part.startswith(("functions", "jobs")) else set()):
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


def test_a_brick_knows_nothing_of_this_platform() -> None:
    """Neither what composes the bricks nor what is declared for it; only the language of these declarations."""
    bricks = [file for file in _files("components") if "platform" not in file.relative_to(ROOT).parts]
    known = ("components.platform", "omnipipe.contracts")
    knowing = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in bricks
        for name in _imports(file)
        if name.startswith(known) and not name.startswith("omnipipe.contracts.schema.")
    }
    assert len(bricks) > 20
    assert not knowing


# --- the laptop: cloud, home, iam and the like; on them a room for each service; above them what knows all services

LAPTOP = "omnipipe/laptop"
ABOVE = {
    "access",
    "debugging",
    "deployment",
    "kinds",
    "lifecycle",
    "logins",
    "logs",
    "outside_world",
    "plan",
    "report",
    "server",
    "shells",
    "supported",
    "workloads",
}
# Service -> another that it asks, as Google's does at a deployment: for a secret, an object, an image.
ACROSS = {
    ("functions", "secretmanager"),
    ("functions", "storage"),
    ("pubsub", "storage"),
    ("run", "artifacts"),
    ("run", "secretmanager"),
}


def _arrows() -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Which module of the laptop imports which, each as its path below it."""
    return {
        (file.relative_to(ROOT / LAPTOP).with_suffix("").parts, tuple(name.split(".")[2:]))
        for file in _files(LAPTOP)
        for name in _imports(file)
        if name.startswith("omnipipe.laptop.")
    }


def test_no_arrow_of_the_laptop_runs_upward() -> None:
    upward = {
        (user, used)
        for user, used in _arrows()
        if user[0] not in ABOVE and (used[0] in ABOVE or (used[0] == "services" and user[0] != "services"))
    }
    assert not upward


def test_the_laptop_names_nothing_of_a_platform() -> None:
    """What it is told of one stands in laptop.yaml: neither our settings, nor our tables, nor what is simulated."""
    ours = (
        "weather",
        "webhook",
        "mobility",
        "customers",
        "kpi",
        "reverse.sync",
        r"['\"]omnipipe:",
        r"\bops\.",
        r"\bdaily\b",
    )
    words = re.compile("|".join(ours), re.IGNORECASE)
    named = {
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in _files(LAPTOP)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if words.search(line)
    }
    assert not named


def test_a_service_asks_another_only_where_google_does() -> None:
    across = {
        (user[1], used[1])
        for user, used in _arrows()
        if user[0] == used[0] == "services" and len(user) > 1 and user[1] != used[1]
    }
    assert across == ACROSS


def test_each_service_is_registered_by_one_line() -> None:
    services = {path.stem for path in (ROOT / LAPTOP / "services").iterdir() if not path.name.startswith("__")}
    registered = {used[1] for user, used in _arrows() if user == ("kinds",) and used[0] == "services"}
    assert registered == services


def test_the_rest_of_the_laptop_knows_no_apis_of_services() -> None:
    """The process that answers for them finds each by its name: see omnipipe/laptop/api.py."""
    assert not {user for user, used in _arrows() if used[0] == "services" and used[2:3] == ("api",)}
