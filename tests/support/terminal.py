"""What stands in a terminal of some width after a command, as a person would see it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def in_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int,
    typed: str = "",
    timeout_s: float = 120,
) -> tuple[int, str]:
    """Run a command in a terminal; returns its exit code, and the lines as they stand there at the end.

    ``typed`` is what the person types, all at once. Lines that were written over, such as those of progress, are gone.
    """
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    clean = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**clean, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(terminal)
    os.write(controller, typed.encode())
    written = b""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if select.select([controller], [], [], 0.1)[0]:
            try:
                chunk = os.read(controller, 65536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            written += chunk
    os.close(controller)
    return process.wait(10), _as_it_stands(written.decode(errors="replace"))


def _as_it_stands(text: str) -> str:
    """The text without colours, and without what was erased: a line up to its last carriage return."""
    lines = []
    for line in _ESCAPE.sub("", text.replace("\r\n", "\n")).split("\n"):
        lines.append(line.rpartition("\r")[2].rstrip())
    return "\n".join(lines)
