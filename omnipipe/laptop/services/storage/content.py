"""What an object is made of: a file, a text, or an archive that is packed here, as Pulumi packs it for Google."""

import io
import zipfile
from pathlib import Path
from typing import Any

from omnipipe.laptop.errors import LaptopError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold: the same files make the same bytes


def content_of(inputs: dict[str, Any]) -> bytes:
    """What is in an object: its ``content``, the file of its ``source``, or a zip of that folder or those files.

    ``inputs`` are as ``omnipipe.laptop.program`` registers them: an archive is a path, or a mapping of what is in it.

    Raises LaptopError for a file that is not there.
    """
    source = {"text": inputs["content"]} if "content" in inputs else inputs["source"]
    if isinstance(source, dict) and source.keys() == {"text"}:
        return source["text"].encode()
    if isinstance(source, str) and Path(source).is_file():
        return Path(source).read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(_files(source).items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def _files(source: Any) -> dict[str, bytes]:
    """The files of an archive, by their place in it."""
    if isinstance(source, dict):
        if source.keys() == {"text"}:
            return {"": source["text"].encode()}
        within = {name: _files(part) for name, part in source.items()}
        return {
            f"{name}/{file}".rstrip("/"): content
            for name, files in within.items()
            for file, content in files.items()
        }
    path = Path(source)
    if path.is_dir():
        # Python's own: left out, it would make another zip of the same code.
        files = (each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
        return {each.relative_to(path).as_posix(): each.read_bytes() for each in files}
    if not path.is_file():
        raise LaptopError(f"there is no file or folder {path.resolve()}")
    return {"": path.read_bytes()}
