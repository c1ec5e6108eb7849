"""What is object in a mask image: by the values that the user gave, else by its obvious reading.

A mask says it in one of few ways: 255 on 0, 1 on 0, the largest 16-bit number on 0, one colour on
black, or one colour with the object's alpha. What else it may be is not guessed: void, or a problem
that names what was found. Where 255 lies beside small labels it may be the border of objects.
"""

from __future__ import annotations

import logging
import multiprocessing
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.errors import MaskProblem
from xai_audit.masks._coverage import AMBIGUOUS, CORRUPT, EMPTY, FULL, found
from xai_audit.masks._image_file import INTEGER_MODES, read_picture, read_values
from xai_audit.masks._sources import shown

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    from xai_audit.masks._coverage import ValueRule
    from xai_audit.types import ImageRecord

log = logging.getLogger(__name__)

_ONES = (1, 65535)  # values that are object where every other pixel is 0
# Labels end at 20 in Pascal VOC, at 33 in Cityscapes; an antialiased edge has larger values, too.
_LARGEST_LABEL = 33
_SHOWN_COLOURS = 6
_COLOUR = ("RGB", "RGBA", "LA")

_logged: set[str] = set()


def coverage_of(path: Path, image: ImageRecord, rule: ValueRule) -> NDArray[np.uint8]:
    """The coverage (2, H, W) uint8 of the mask image at ``path``.

    Raises:
        MaskProblem: as :func:`~xai_audit.masks._image_file.read_values` and ``rule.coverage``.
    """
    if rule.soft or rule.object is not None:
        return rule.coverage(read_values(path, image, grey=rule.soft))
    values, reading = _obvious(read_picture(path, image), shown(path))
    coverage = rule.coverage(values)
    _log_once(path, reading)
    return coverage


def _obvious(picture: Image.Image, name: str) -> tuple[NDArray[Any], str]:
    """Values (H, W), 255 for object and 0 for background, and how they were read ("" as stored)."""
    pixels = np.asarray(picture)
    if picture.mode == "P":
        return _of_palette(pixels, picture.getpalette() or [], name)
    if picture.mode in _COLOUR:
        return _of_colour(pixels, alpha=picture.mode.endswith("A"), name=name)
    if picture.mode == "1":
        return pixels.astype(np.uint8) * np.uint8(FULL), ""
    if picture.mode in INTEGER_MODES:
        return _ones(pixels, name)
    raise MaskProblem(
        CORRUPT, f"{name} has mode {picture.mode}: expected palette, grey, colour or 1-bit"
    )


def _of_palette(indices: NDArray[Any], palette: list[int], name: str) -> tuple[NDArray[Any], str]:
    """The reading of ``indices`` (H, W) by their colours, of which ``palette`` is the list.

    A problem names the indices, since ``masks.object`` lists indices.
    """
    table = np.zeros((256, 3), dtype=np.uint8)
    table.ravel()[: len(palette)] = palette
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    # A palette that gives two indices one colour does not say what they mean.
    distinct = len(np.unique(table[used], axis=0)) == len(used)
    if distinct and _is_grey(table[used]):
        read = _ones(table[indices, 0], name, indices)
    elif len(used) > 2:
        raise _unclear(AMBIGUOUS, f"{name} has several colours", indices)
    else:
        read = (_on_black(table[indices]) if distinct else None) or _ones(indices, name)
    if not (read[0] == FULL).any():
        raise _unclear(EMPTY, f"{name} has no colour that is an object's", indices)
    return read


def _of_colour(pixels: NDArray[Any], *, alpha: bool, name: str) -> tuple[NDArray[Any], str]:
    """The reading of (H, W, C), whose last channel may be ``alpha``."""
    colours = pixels[..., :-1] if alpha else pixels
    if alpha and np.ptp(pixels[..., -1]):
        visible = colours[pixels[..., -1] > 0]
        if (visible == visible[0]).all():
            return pixels[..., -1], "alpha is the object"
        if (pixels[..., -1] != colours[..., 0]).any():
            raise MaskProblem(CORRUPT, f"{name} has colours and transparency: store it as grey")
    if _is_grey(colours):
        return _ones(colours[..., 0], name)
    read = _on_black(colours)
    if read is None:
        raise MaskProblem(
            CORRUPT,
            f"{name} is in colour: expected one colour on black, found {_named(colours)}; store "
            "the mask as grey or palette, and masks.object=[...] says which values are object",
        )
    return read


def _on_black(colours: NDArray[Any]) -> tuple[NDArray[Any], str] | None:
    """The reading of one colour on black (H, W, 3); None where there are others."""
    is_object = colours.any(axis=2)
    lit = colours[is_object]
    if not len(lit) or _is_grey(lit[:1]) or (lit != lit[0]).any():
        return None
    return np.where(is_object, FULL, 0), "the colour on black is object"


def _is_grey(colours: NDArray[Any]) -> bool:
    return bool((colours == colours[..., :1]).all())


def _ones(
    values: NDArray[Any], name: str, indices: NDArray[Any] | None = None
) -> tuple[NDArray[Any], str]:
    """``values``, or 255 for the ones of a mask of zeros and ones.

    Args:
        values: (H, W).
        name: of the mask.
        indices: (H, W) of the palette that gives ``values``, where there is one.
    """
    high = int(values.max())
    others = values[(values != 0) & (values != high)]
    if high == FULL and len(others) and others.max() <= _LARGEST_LABEL:
        what = f"{name} has labels beside 255, which is object or border"
        raise _unclear(AMBIGUOUS, what, values if indices is None else indices)
    if high not in _ONES or len(others):
        return values, ""
    return np.where(values == high, FULL, 0), f"{high} is object, 0 background"


def _unclear(status: str, what: str, values: NDArray[Any]) -> MaskProblem:
    """The problem of a mask of unclear ``values`` (H, W), which ``masks.object`` may list."""
    remedy = "masks.object=[...] says which are object"
    if FULL in values:
        remedy += ", masks=voc that 255 is a border"
    return MaskProblem(status, f"{what}; {found(values)}; {remedy}")


def _named(colours: NDArray[Any]) -> str:
    """The colours (H, W, 3) of a mask, for a message."""
    listed = np.unique(colours.reshape(-1, colours.shape[-1]), axis=0)
    some = ", ".join("#" + bytes(colour.tolist()).hex() for colour in listed[:_SHOWN_COLOURS])
    return some if len(listed) <= _SHOWN_COLOURS else f"{some}, ... ({len(listed)} colours)"


def _log_once(path: Path, reading: str) -> None:
    """Log how masks are read, unless this or the process that started it has done so."""
    if reading and reading not in _logged and multiprocessing.parent_process() is None:
        _logged.add(reading)
        log.info(
            "masks: in %s and its like %s; masks.object=[...] says otherwise", shown(path), reading
        )
