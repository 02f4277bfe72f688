"""The processes of the laptop cloud: started in the background, found again, stopped.

No file records them. Each carries who it is in its own environment, so the process table is the only truth:
nothing is torn or stale after a crash, and whatever is left over is found.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from omnipipe.laptop.errors import LaptopError

_HOME = "OMNIPIPE_PROCESS_HOME"
_NAME = "OMNIPIPE_PROCESS_NAME"
_SPEC = "OMNIPIPE_PROCESS_SPEC"
_SIGNAL = "OMNIPIPE_PROCESS_STOP_SIGNAL"
_UNSEEN_S = 0.5

# Of the user's environment only what says how this machine reaches a network: a workload on Google sees no more.
_MACHINE = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_MACHINE += ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")

_LAST_WORDS = 500  # characters


@dataclass(frozen=True)
class Spec:
    """How a process is started. A running one with the same spec is kept, any other is replaced."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stop_signal: int = signal.SIGTERM
    version: str = ""  # anything beside the above that makes it another process, such as a hash of its code

    @property
    def digest(self) -> str:
        """Changes when the process must be started anew."""
        parts = [list(self.argv), sorted(self.env.items()), str(self.cwd), int(self.stop_signal), self.version]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def clean_environment(path: Sequence[Path] = ()) -> dict[str, str]:
    """The environment that every process starts from: nothing of the user's but how to reach the network."""
    machine = {name: os.environ[name] for name in _MACHINE if name in os.environ}
    search = [*map(str, path), "/usr/local/bin", "/usr/bin", "/bin"]
    return {"PATH": ":".join(search), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"} | machine


class Processes:
    """The processes of one home."""

    def __init__(self, home: Path, logs: Callable[[str], Path]) -> None:
        self._home = str(home)
        self._logs = logs
        self._starting = threading.Lock()
        self._closed = False
        self._begins: dict[str, int] = {}  # where in its log the process that was started here begins

    def marker(self, name: str, spec: str = "", stop_signal: int = signal.SIGTERM) -> dict[str, str]:
        """Environment that makes a process, and what it starts, findable here."""
        return {_HOME: self._home, _NAME: name, _SPEC: spec, _SIGNAL: str(int(stop_signal))}

    def running(self) -> dict[str, psutil.Process]:
        """The live processes by name, without what they started themselves."""
        return {name: process for name, process in self._all() if _leads_its_session(process)}

    def ensure(self, spec: Spec) -> bool:
        """Have this process running, and no other version of it. True if it had to be started."""
        process = self.running().get(spec.name)
        if process is not None:
            with contextlib.suppress(psutil.Error):
                if process.environ().get(_SPEC) == spec.digest:
                    return False
        self.stop([spec.name])
        log = self._logs(spec.name)
        with self._starting, log.open("ab") as output:
            if self._closed:
                raise LaptopError(f"{spec.name} is not started: everything is being ended")
            self._begins[spec.name] = output.tell()
            started = subprocess.Popen(
                list(spec.argv),
                env={**spec.env, **self.marker(spec.name, spec.digest, spec.stop_signal)},
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal is not for it
            )
            _wait_until_seen(started)
        return True

    def wait_ready(self, name: str, ready: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until ``ready()``; LaptopError with the end of its log if the process dies or takes too long."""
        deadline = time.monotonic() + timeout_s
        pause, seen = 0.02, time.monotonic()
        while not ready():
            now = time.monotonic()
            # One that becomes another program (exec) has no environment for a moment, and is not found by it.
            seen = now if name in self.running() else seen
            if now > deadline or now - seen > _UNSEEN_S:
                what = "ended as soon as it was started"
                if now - seen <= _UNSEEN_S:
                    what = f"did not become ready within {timeout_s:.0f} s"
                raise LaptopError(f"{name} {what}: {self.last_words(name)} (all of it: omnipipe logs {name})")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)

    def last_words(self, name: str) -> str:
        """The last line that a process wrote since it was started here; of a structured one, its message."""
        with contextlib.suppress(FileNotFoundError), self._logs(name).open("rb") as log:
            log.seek(self._begins.get(name, 0))
            lines = log.read().decode(errors="replace").strip().splitlines()
            if lines:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    return str(json.loads(lines[-1])["message"])[:_LAST_WORDS]
                return lines[-1][-_LAST_WORDS:]
        return "it wrote nothing"

    def stop(self, names: Sequence[str] | None = None, grace_s: float = 15) -> None:
        """Stop processes by name (all of this home without names), with whatever they started.

        Each is asked to end by the signal of its spec, and killed after ``grace_s`` seconds.
        """
        found = [(name, process) for name, process in self._all() if names is None or name in names]
        everything = {process for _, process in found}
        for _, process in found:
            with contextlib.suppress(psutil.Error):
                everything |= set(process.children(recursive=True))
        for _, process in found:
            # What a process started ends with it, in its own order; only what has lost it is asked directly.
            if _leads_its_session(process) or _lost_its_leader(process):
                with contextlib.suppress(psutil.Error):
                    process.send_signal(int(process.environ()[_SIGNAL]))
        _, stubborn = psutil.wait_procs(everything, timeout=grace_s)
        for process in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=5)

    def close(self) -> None:
        """End everything, and let no thread of this process start anything again."""
        with self._starting:
            self._closed = True
        self.stop(grace_s=5)

    def _all(self) -> list[tuple[str, psutil.Process]]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environment = process.environ()
                if environment.get(_HOME) == self._home and process.status() != psutil.STATUS_ZOMBIE:
                    found.append((environment[_NAME], process))
        return found


def _wait_until_seen(started: subprocess.Popen[bytes]) -> None:
    """Wait for the moment from which the kernel shows the environment of a process, by which it is found."""
    deadline = time.monotonic() + _UNSEEN_S
    while started.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psutil.Error, OSError):
            if _HOME in psutil.Process(started.pid).environ():
                return
        time.sleep(0.002)


def _leads_its_session(process: psutil.Process) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(process.pid) == process.pid
    return False


def _lost_its_leader(process: psutil.Process) -> bool:
    try:
        return psutil.Process(os.getsid(process.pid)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except ProcessLookupError:
        return False
