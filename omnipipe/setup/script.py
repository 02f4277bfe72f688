"""The steps as a script for a shell, which looks before it makes anything, so that it can be run again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from omnipipe.setup.steps import Command, Step

_VALUE = re.compile(r"\$[a-z_]+")
_BEGIN = r"""set -eu

# Whether a command succeeds and prints each of the lines that stand before the `--`.
there() {
  wanted=
  while [ "$1" != -- ]; do wanted="$wanted$1
"; shift; done
  shift
  printed=$("$@" 2>/dev/null) || return 1
  [ -z "$(printf %s "$wanted" | while IFS= read -r line; do
    printf '%s\n' "$printed" | grep -qxF -e "$line" || echo missing
  done)" ]
}
"""


def script(steps: Sequence[Step], lookups: Mapping[str, Command], environment: Mapping[str, str]) -> str:
    """What `sh` runs in the project's folder."""
    lines = [_BEGIN]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    lines += [f"{name}=$({_written(command)})" for name, command in lookups.items()]
    for step in steps:
        lines += ["", f"# {step.what}", *_lines(step)]
    return "\n".join(lines) + "\n"


def _lines(step: Step) -> Iterator[str]:
    yield f"there {_written((*step.shows, '--', *step.look))} ||"
    yield f"  {_written(step.make)}"


def _written(command: Command) -> str:
    return " ".join(map(_word, command))


def _word(text: str) -> str:
    """An argument as a shell takes it; in one that has a value in it, only that is replaced."""
    if not _VALUE.search(text):
        return shlex.quote(text)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    return f'"{quoted}"'
