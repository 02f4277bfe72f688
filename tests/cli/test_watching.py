"""What counts as saved in a program's folder."""

import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from omnipipe.cli.watching import saved

_LONG_S, _SHORT_S = 20, 2


class Seen:
    """What the watching tells, as it comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._batches: SimpleQueue[list[Path]] = SimpleQueue()
        threading.Thread(target=self._follow, daemon=True).start()
        self._begin()

    def _follow(self) -> None:
        for files in saved(self.folder):
            self._batches.put(files)

    def _begin(self) -> None:
        deadline, told = time.monotonic() + _LONG_S, set[Path]()
        places = {self.folder, self.folder / "code"}
        for number in range(1000):  # until the watching has begun, nothing is told
            assert time.monotonic() < deadline
            for place in places:
                (place / f"begin-{number}").touch()
            time.sleep(0.3)
            while files := self.next(0.2):  # on a busy machine one place is told before the other
                told |= {file.parent for file in files}
            if places <= told:
                break
        while self.next(1):
            pass

    def next(self, timeout_s: float = _LONG_S) -> list[Path]:
        """The next files, or none within the time."""
        try:
            return self._batches.get(timeout=timeout_s)
        except Empty:
            return []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "program"
    for name in ("code/deep", ".git", "env/bin", "state", "code/__pycache__"):
        (folder / name).mkdir(parents=True)
    (folder / "env/pyvenv.cfg").touch()
    (folder / "Pulumi.yaml").write_text("name: x\n")
    monkeypatch.setenv("OMNIPIPE_HOME", str(folder / "state"))
    return folder


def test_what_a_person_saves_is_told_and_what_tools_write_is_not(program: Path) -> None:
    seen = Seen(program)
    for name in (
        ".git/index",
        "env/bin/python",
        "state/log",
        "code/__pycache__/a.pyc",
        "code/.a.swp",
        ".coverage",
    ):
        (program / name).write_text("x")
    assert seen.next(_SHORT_S) == []

    (program / "code/deep/new.py").write_text("x")
    assert seen.next() == [program / "code/deep/new.py"]

    draft = program / ".Pulumi.yaml.draft"  # as editors save: another file takes the name
    for text in ("name: y\n", "name: z\n"):
        draft.write_text(text)
        draft.replace(program / "Pulumi.yaml")
        assert seen.next() == [program / "Pulumi.yaml"]


def test_what_is_saved_at_once_is_one_change(program: Path) -> None:
    seen = Seen(program)
    names = [program / f"code/{number}.py" for number in range(20)]
    for name in names:
        name.write_text("x")
    (program / "Pulumi.yaml").write_text("name: y\n")
    told = set(seen.next())
    told |= set(seen.next(_SHORT_S))  # the folder itself is watched by itself
    assert told == {*names, program / "Pulumi.yaml"}
