"""What a failure is called in one line: where it is, too, when nobody wrote its text to be read."""

import sys
import traceback
from pathlib import Path

# The project, or the part of it that is in a function or in an image.
_ROOT = Path(__file__).resolve().parents[2]


def words(error: BaseException) -> str:
    """The text of an exception. Of a defect also its type, and the file and line of the project's own code.

    A defect is an exception of Python's own, such as a KeyError, that no `raise` of the project's is behind.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(Path(frame.filename))]
    if not frames or not _is_defect(error):
        return str(error).strip() or type(error).__name__
    place = f"{Path(frames[-1].filename).resolve().relative_to(_ROOT)}, line {frames[-1].lineno}"
    return f"{': '.join(filter(None, (type(error).__name__, str(error).strip())))} ({place})"


def _is_defect(error: BaseException) -> bool:
    if not isinstance(error, Exception) or type(error).__module__.partition(".")[0] not in sys.stdlib_module_names:
        return False
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    on_purpose = _is_own(Path(innermost.filename)) and (innermost.line or "").startswith("raise ")
    return not on_purpose or isinstance(error, KeyError)  # whose text is a key


def _is_own(file: Path) -> bool:
    return file.resolve().is_relative_to(_ROOT) and "site-packages" not in file.parts
