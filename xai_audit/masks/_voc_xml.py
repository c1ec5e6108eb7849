"""The boxes of a Pascal VOC annotation in XML."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import numpy as np
from defusedxml.common import DTDForbidden
from defusedxml.ElementTree import fromstring

from xai_audit.errors import MaskProblem
from xai_audit.masks._coverage import CORRUPT, EMPTY, MISSING, same_size
from xai_audit.masks._sources import reason, shown
from xai_audit.store.address import is_remote
from xai_audit.store.files import fetched

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree import ElementTree as ET

    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

# A box takes some 300 bytes: enough for thousands of them.
_MAX_BYTES = 4 << 20


def read_boxes(
    path: Path, image: ImageRecord, *, names: frozenset[str] | None
) -> NDArray[np.float64]:
    """Boxes (N, 4) of the photo's objects: x_min, y_min, x_max, y_max, half-open, from 0.

    Args:
        path: of the annotation.
        image: its photo.
        names: the classes that count, None for all.

    Raises:
        MaskProblem: ``missing``, ``corrupt``, ``empty`` where no object counts, or
            ``size_mismatch`` with the ``size`` element.
    """
    try:
        tree = _parsed(path)
        size = [_number(tree, f"size/{side}") for side in ("height", "width")]
        same_size(int(size[0]), int(size[1]), image, what=shown(path))
        boxes = [
            _box(element)
            for element in tree.iterfind("object")
            if names is None or (element.findtext("name") or "").strip() in names
        ]
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise MaskProblem(MISSING, f"there is no {shown(path)}") from exc
    # ParseError is a SyntaxError; LookupError: an encoding nobody knows.
    except (OSError, SyntaxError, ValueError, LookupError, OverflowError) as exc:
        raise MaskProblem(CORRUPT, f"{shown(path)} cannot be read: {reason(exc)}") from exc
    if not boxes:
        counted = "" if names is None else f" of {', '.join(sorted(names))}"
        raise MaskProblem(EMPTY, f"{shown(path)} has no object{counted}")
    return np.array(boxes, dtype=np.float64)


def _parsed(path: Path) -> ET.Element:
    """The root element; ValueError for a DOCTYPE, without which no entity can grow."""
    try:
        tree: ET.Element = fromstring(_content(path), forbid_dtd=True)
    except DTDForbidden as exc:
        raise ValueError(f"a DOCTYPE is not allowed ({exc.name})") from exc
    return tree


def _content(path: Path) -> bytes:
    if is_remote(path):
        content = fetched(os.fspath(path)).read()
        size = len(content)
    else:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        size = status.st_size
        content = path.read_bytes() if size <= _MAX_BYTES else b""
    if size > _MAX_BYTES:
        raise ValueError(f"{size} bytes, expected at most {_MAX_BYTES}")
    return content


def _box(element: ET.Element) -> tuple[float, float, float, float]:
    """One object's box; VOC counts pixels from 1 and includes the last one."""
    x_min, y_min, x_max, y_max = (
        _number(element, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")
    )
    if not (x_max >= x_min and y_max >= y_min):
        raise ValueError(
            f"box ({x_min:g}, {y_min:g}, {x_max:g}, {y_max:g}): expected xmin <= xmax, ymin <= ymax"
        )
    return x_min - 1, y_min - 1, x_max, y_max


def _number(element: ET.Element, name: str) -> float:
    text = element.findtext(name)
    if text is None:
        raise ValueError(f"no {name} in <{element.tag}>")
    try:
        return float(text)
    except ValueError as exc:
        raise ValueError(f"{name} is {text!r}, expected a number") from exc
