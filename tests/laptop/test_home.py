"""The home: its folder, its lock, its files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omnipipe.laptop import home
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(LaptopError, match=r"cannot write to .*file/omnipipe/dev .*OMNIPIPE_HOME"):
        Home(tmp_path / "file", "omnipipe", "dev").prepare()


def test_too_little_disk_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "NEEDED_DISK_BYTES", 10**18)

    with pytest.raises(LaptopError, match=r"only .* GB are free .*free some"):
        Home(tmp_path, "omnipipe", "dev").prepare()


def test_a_second_command_at_the_same_time_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with home.lock(tmp_path), pytest.raises(LaptopError, match=f"pid {os.getpid()}"), home.lock(tmp_path):
        pass


def test_a_lock_does_not_outlive_its_holder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from pathlib import Path\n"
            "from omnipipe.laptop import home\n"
            "with home.lock(Path(sys.argv[1])):\n"
            "    print('held', flush=True)\n"
            "    time.sleep(60)\n",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LaptopError, match=f"pid {holder.pid}"), home.lock(tmp_path):
        pass
    holder.kill()
    holder.wait()

    with home.lock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    home.write_text(file, "old", mode=0o600)
    home.write_text(file, "new", mode=0o600)

    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_the_folder_of_sockets_is_stable_private_and_short(tmp_path: Path) -> None:
    one, other = Home(tmp_path, "omnipipe", "dev"), Home(tmp_path, "omnipipe", "prod")
    folder = one.sockets
    try:
        assert folder == one.sockets != other.sockets
        assert len(str(folder)) < 40
        assert folder.stat().st_mode & 0o077 == (0o011 if os.getuid() == 0 else 0)
        folder.rmdir()
        folder.symlink_to(tmp_path)
        with pytest.raises(LaptopError, match="not a folder of yours"):
            _ = one.sockets
    finally:
        folder.unlink()
        other.sockets.rmdir()
