"""A command that goes on, and what it writes meanwhile."""

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class Following:
    """A running command, and the lines that it has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._told = 0
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.append(line)

    def until(self, words: str, timeout_s: float = 300) -> str:
        """What it wrote since the last time, up to the line with these words, which must come."""
        deadline = time.monotonic() + timeout_s
        while True:
            for number in range(self._told, len(self._lines)):
                if words in self._lines[number]:
                    written = "".join(self._lines[self._told : number + 1])
                    self._told = number + 1
                    return written
            written = "".join(self._lines[self._told :])
            assert time.monotonic() < deadline, f"no {words!r} in: {written}"
            assert self._reading.is_alive() or words in written, f"it ended without {words!r}: {written}"
            time.sleep(0.05)


@contextmanager
def following(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[Following]:
    """Run a command and read along; it is killed at the end, if it still runs."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Following(process)
    finally:
        process.kill()
        process.wait()
