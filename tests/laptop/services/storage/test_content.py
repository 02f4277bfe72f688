"""What an object of the program is made of."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.storage.content import content_of


def files(inputs: dict[str, Any]) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content_of(inputs))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function's folder, as an editor and Python leave it."""
    (tmp_path / "parts" / "__pycache__").mkdir(parents=True)
    (tmp_path / "parts" / "__pycache__" / "one.pyc").write_text("compiled")
    (tmp_path / "parts" / "one.py").write_text("1")
    (tmp_path / "main.py").write_text("main")
    return tmp_path


def test_a_file_is_taken_as_it_is_and_a_text_too(folder: Path) -> None:
    assert content_of({"source": str(folder / "main.py")}) == b"main"
    assert content_of({"content": "said"}) == b"said"
    assert content_of({"source": {"text": "said"}}) == b"said"


def test_a_folder_becomes_a_zip_of_its_files(folder: Path) -> None:
    assert files({"source": str(folder)}) == {"main.py": "main", "parts/one.py": "1"}


def test_the_same_files_make_the_same_bytes(folder: Path) -> None:
    before = content_of({"source": str(folder)})
    (folder / "main.py").touch()
    (folder / "parts" / "__pycache__" / "two.pyc").write_text("compiled")
    assert content_of({"source": str(folder)}) == before


def test_an_archive_is_put_together_of_files_folders_and_texts(folder: Path) -> None:
    source = {"main.py": str(folder / "main.py"), "lib": str(folder / "parts"), "VERSION": {"text": "7"}}
    assert files({"source": source}) == {"main.py": "main", "lib/one.py": "1", "VERSION": "7"}


def test_what_is_not_there_is_told_with_its_place(folder: Path) -> None:
    with pytest.raises(LaptopError, match=f"there is no file or folder {folder}/absent"):
        content_of({"source": str(folder / "absent")})
