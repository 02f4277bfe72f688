"""An environment for each requirements.txt: made once, whole or not at all."""

import subprocess
from pathlib import Path

import pytest

from omnipipe.laptop import environments
from omnipipe.laptop.environments import environment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "CACHE", tmp_path / "cache")


def requirements(tmp_path: Path, text: str = "") -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    return file


def line_of(package: str) -> str:
    """A package with its hashes, as a lock of this project has it."""
    lines = (PROJECT_ROOT / "functions" / "weather" / "requirements.txt").read_text().split("\n")
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next(index for index in range(start, len(lines)) if not lines[index].endswith("\\"))
    return "\n".join(lines[start : end + 1]) + "\n"


def imports(folder: Path, module: str) -> bool:
    command = [str(folder / "bin" / "python"), "-c", f"import {module}"]
    # Elsewhere: `python -c` finds what is in the working folder.
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_it_has_the_packages_of_its_file_and_no_others(tmp_path: Path) -> None:
    made = environment(requirements(tmp_path, line_of("certifi")))

    assert imports(made, "certifi")
    assert not imports(made, "requests")
    assert not imports(made, "omnipipe")


def test_the_same_file_gives_the_same_environment_and_another_file_another_one(tmp_path: Path) -> None:
    first = environment(requirements(tmp_path))
    made_at = (first / "pyvenv.cfg").stat().st_mtime_ns

    assert environment(requirements(tmp_path)) == first
    assert (first / "pyvenv.cfg").stat().st_mtime_ns == made_at
    assert environment(requirements(tmp_path, "# none\n")) != first


def test_one_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    file = requirements(tmp_path)
    made = environment(file)
    (made / ".complete").unlink()
    (made / "bin" / "python").unlink()

    assert environment(file) == made
    assert imports(made, "sys")


def test_packages_that_are_only_named_come_with_what_they_need(tmp_path: Path) -> None:
    made = environment(requirements(tmp_path, "packaging\njinja2\n"))

    assert imports(made, "jinja2")
    assert imports(made, "markupsafe")


def test_a_command_that_the_build_adds_is_added_where_it_is_missing(tmp_path: Path) -> None:
    file = requirements(tmp_path)
    without = environment(file)
    assert not (without / "bin" / "wheel").exists()

    assert environment(file, needs="wheel") == without
    assert (without / "bin" / "wheel").exists()


def test_what_cannot_be_installed_is_told_and_not_taken_for_made(tmp_path: Path) -> None:
    wrong_hash = line_of("certifi").split(" \\")[0] + " --hash=sha256:" + "0" * 64 + "\n"
    file = requirements(tmp_path, wrong_hash)
    for _ in range(2):
        with pytest.raises(
            LaptopError, match=r"the packages of .*requirements\.txt cannot be installed: .*certifi"
        ):
            environment(file)
