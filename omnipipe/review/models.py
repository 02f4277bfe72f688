"""Which dbt models a change touches, and which are made from them. dbt itself says so: a macro counts, too."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# What a project asks the environment for; no model is another for the value.
_VARIABLE = re.compile(r"""env_var\(\s*['"](\w+)""")
# In one process, because importing dbt takes longer than what it is asked for.
_COMPARE = """
import json, sys
from dbt.cli.main import dbtRunner
before, after, was, now, answer = sys.argv[1:]
def ask(project, target, manifest, *arguments):
    folders = ["--project-dir", project, "--profiles-dir", project, "--target-path", target]
    outcome = dbtRunner(manifest=manifest).invoke(["--quiet", "--log-level-file", "none", *arguments, *folders])
    if not outcome.success:
        sys.exit(str(outcome.exception or "dbt " + arguments[0] + " failed"))
    return outcome.result
def names(selection):
    asked = ["ls", "--select", selection, "--state", was, "--resource-type", "model", "--output", "name"]
    return ask(after, now, manifest, *asked)
def models(parsed):
    return {node.name for node in parsed.nodes.values() if node.resource_type == "model"}
known = models(ask(before, was, None, "parse"))
manifest = ask(after, now, None, "parse")
own, all_ = set(names("state:modified")), set(names("state:modified+"))
with open(answer, "w") as file:
    json.dump([sorted(own), sorted(all_ - own), sorted(known - models(manifest))], file)
"""


class DbtFailed(Exception):
    """What dbt could not read of a project, in its words."""


@dataclass(frozen=True)
class Models:
    """Names: those whose own definition differs, those that are made from them, and those that went."""

    changed: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def changed(before: Path, after: Path, python: Path) -> Models:
    """Compare two folders of a dbt project; ``python`` is one that has dbt.

    Both are parsed, and no warehouse is asked. Raises DbtFailed for a project that cannot be parsed.
    """
    with TemporaryDirectory(prefix="omnipipe-dbt-") as folder:
        scratch = Path(folder)
        answer = scratch / "answer.json"
        done = subprocess.run(
            [python, "-c", _COMPARE, before, after, scratch / "was", scratch / "now", answer],
            cwd=after,
            env=dict.fromkeys(_variables(before) | _variables(after), "none") | os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DbtFailed("\n".join(filter(None, (done.stdout.strip(), done.stderr.strip()))))
        return Models(*map(tuple, json.loads(answer.read_text())))


def _variables(project: Path) -> set[str]:
    files = (file for kind in ("*.yml", "*.sql") for file in project.rglob(kind))
    return {name for file in files for name in _VARIABLE.findall(file.read_text())}
