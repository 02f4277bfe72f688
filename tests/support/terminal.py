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
from itertools import pairwise

import pyte

# The first line of a command that is about a stack on this machine, on stderr.
HERE = re.compile(r"\AOn this machine: the stack [\w-]+\n")
_LINES, _HISTORY = 50, 5000


def in_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int,
    typed: Sequence[str] = (),
    timeout_s: float = 120,
) -> tuple[int, str]:
    """Run a command in a terminal; returns its exit code, and the lines as they stand there at the end.

    ``typed`` is what the person types: each part when the line ends with ``> ``, a prompt. Lines that were written
    over, such as those of progress, are gone.
    """
    code, parts = _written(command, environment, columns, typed, timeout_s)
    return code, _as_it_stands(b"".join(part for _, part in parts), columns)


def longest_silence_s(command: Sequence[str], environment: Mapping[str, str], timeout_s: float = 300) -> float:
    """Run a command in a terminal, where it must succeed; how long nothing was written at most, in seconds."""
    began = time.monotonic()
    code, parts = _written(command, environment, 80, (), timeout_s)
    assert code == 0, b"".join(part for _, part in parts).decode()
    moments = [began, *(moment for moment, _ in parts), time.monotonic()]
    return max(after - before for before, after in pairwise(moments))


def _written(
    command: Sequence[str], environment: Mapping[str, str], columns: int, typed: Sequence[str], timeout_s: float
) -> tuple[int, list[tuple[float, bytes]]]:
    """A command's exit code, and what it wrote in a terminal, each part with its moment."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
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
    parts: list[tuple[float, bytes]] = []
    waiting = list(typed)
    deadline = time.monotonic() + timeout_s
    ready = select.poll()  # not select(), which takes no numbers above 1023
    ready.register(controller, select.POLLIN | select.POLLHUP)
    while time.monotonic() < deadline:
        if ready.poll(100):
            try:
                chunk = os.read(controller, 65536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            parts.append((time.monotonic(), chunk))
            if waiting and chunk.endswith(b"> "):
                os.write(controller, waiting.pop(0).encode())
    os.close(controller)
    return process.wait(10), parts


def _as_it_stands(written: bytes, columns: int) -> str:
    """The lines on the screen, those that went by above it too; colours and what was erased are gone."""
    screen = pyte.HistoryScreen(columns, _LINES, history=_HISTORY)
    pyte.ByteStream(screen).feed(written)
    above = ["".join(line[column].data for column in range(columns)) for line in screen.history.top]
    return "\n".join(line.rstrip() for line in (*above, *screen.display)).rstrip()
