"""How a path names one frame of a file: the file's path, a NUL, which no file's name has, a number.

``image_id`` shows it as ``scan.dcm#3``, of which there may be a file.
"""

from __future__ import annotations

_BEFORE = "\0"


def frame_path(path: str, number: int) -> str:
    """The path of frame ``number``, from 1 on, of the file at ``path``."""
    return f"{path}{_BEFORE}{number}"


def file_and_frame(path: str) -> tuple[str, int | None]:
    """The file of a photo's path, and the number of its frame; None: the photo is the file."""
    file, _, number = path.rpartition(_BEFORE)
    return (file, int(number)) if file and number.isdecimal() else (path, None)
