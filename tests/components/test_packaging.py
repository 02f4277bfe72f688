"""Zips of functions: the same content, the same bytes."""

import zipfile
import zlib
from pathlib import Path

import pytest

from components.packaging import Sources, package_function


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A project with one function, away from the real one."""
    root = tmp_path / "project"
    for name, text in {
        "functions/hello/main.py": "def hello(request): return 'hello'",
        "functions/hello/requirements.txt": "flask",
        "functions/hello/__pycache__/main.pyc": "compiled",
        "omnipipe/__init__.py": "",
        "omnipipe/contracts/tables.py": "X = 1",
        "omnipipe/runtime/log.py": "Y = 1",
        "omnipipe/laptop/cloud.py": "not for Google",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shared = ("omnipipe/__init__.py", "omnipipe/contracts", "omnipipe/runtime")
    return Sources(root=root, shared=shared, packages=root / "packages")


@pytest.fixture
def folder(sources: Sources) -> Path:
    """The function's."""
    return sources.root / "functions" / "hello"


def test_a_zip_holds_the_function_and_the_shared_code_and_nothing_else(folder: Path, sources: Sources) -> None:
    with zipfile.ZipFile(package_function(folder, sources).path) as archive:
        assert archive.namelist() == [
            "main.py",
            "omnipipe/__init__.py",
            "omnipipe/contracts/tables.py",
            "omnipipe/runtime/log.py",
            "requirements.txt",
        ]


def test_the_bytes_depend_on_the_content_alone(folder: Path, sources: Sources) -> None:
    first = package_function(folder, sources)
    content = first.path.read_bytes()
    first.path.unlink()
    (folder / "main.py").touch()

    again = package_function(folder, sources)
    assert (again.digest, again.path.read_bytes()) == (first.digest, content)

    (folder / "main.py").write_text("def hello(request): return 'goodbye'")
    assert package_function(folder, sources).digest != first.digest


def test_another_zlib_makes_the_same_bytes(
    folder: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text("def hello(request): return 'hello'\n" * 1000)
    first = package_function(folder, sources)
    content = first.path.read_bytes()
    first.path.unlink()
    compress = zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", lambda _level, *more: compress(1, *more))

    again = package_function(folder, sources)
    assert (again.digest, again.path.read_bytes()) == (first.digest, content)


def test_a_change_of_the_shared_code_is_a_change_of_the_function(folder: Path, sources: Sources) -> None:
    first = package_function(folder, sources)
    (sources.root / "omnipipe" / "contracts" / "tables.py").write_text("X = 2")

    assert package_function(folder, sources).digest != first.digest


def test_a_function_without_requirements_is_refused(folder: Path, sources: Sources) -> None:
    (folder / "requirements.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no requirements\.txt"):
        package_function(folder, sources)
