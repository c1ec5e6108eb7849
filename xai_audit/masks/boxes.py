"""Boxes from a table: inside is object, outside background."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks._coverage import MISSING, rectangles
from xai_audit.masks._sources import (
    annotation_file,
    as_image_id,
    file_stamp,
    mask_file,
    reason,
    shown,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

log = logging.getLogger(__name__)

_SIDES = ["x_min", "y_min", "x_max", "y_max"]
_COLUMNS = ["path", *_SIDES]


class BoxMasks:
    """A CSV or Parquet table ``path,x_min,y_min,x_max,y_max``, one row a box.

    ``path`` is the photo's image_id; coordinates are continuous px of the photo after EXIF
    orientation, from 0 at the top left corner, half-open: a whole photo is 0, 0, width, height.

    Args:
        file: the table.
    """

    def __init__(self, *, file: str) -> None:
        path = mask_file(file)
        self._file = shown(path)
        self._stamp = file_stamp(path)
        frame = _table(annotation_file(path))
        codes, names = pd.factorize(frame["path"])
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(codes, minlength=len(names))
        ends = np.cumsum(counts)
        # One array and two numbers an image: light to send to worker processes.
        self._boxes: NDArray[np.float64] = frame[_SIDES].to_numpy(np.float64)[order]
        self._rows = dict(zip(names, zip(ends - counts, ends, strict=True), strict=True))

    def load(self, image: ImageRecord) -> NDArray[np.uint8]:
        """The photo's coverage (2, height, width) uint8; MaskProblem where it has none."""
        if image.image_id not in self._rows:
            known = next(iter(self._rows), None)
            hint = "it has no rows" if known is None else f"its paths look like {known}"
            raise MaskProblem(MISSING, f"{self._file} has no row for {image.image_id}; {hint}")
        start, stop = self._rows[image.image_id]
        return rectangles(self._boxes[start:stop], image.height, image.width)

    def fingerprint(self) -> str:
        """The table's path, size and mtime when it was read."""
        return f"boxes {self._stamp}"


def _table(path: Path) -> pd.DataFrame:
    """The rows with a path; a coordinate that is no number is NaN and its image ``corrupt``."""
    try:
        parquet = path.suffix.lower() in (".parquet", ".pq")
        frame = pd.read_parquet(path) if parquet else _csv(path)
    # Pandas' parser errors are ValueErrors, pyarrow's errors one of these each.
    except (OSError, ValueError, TypeError, LookupError, NotImplementedError, Warning) as exc:
        raise ConfigError(
            "cannot read the table of boxes",
            where=f"masks.file={shown(path)}",
            expected="a CSV in UTF-8 or a Parquet file",
            got=reason(exc),
        ) from exc
    if not set(_COLUMNS) <= set(frame.columns):
        raise ConfigError(
            "the table of boxes lacks a column",
            where=f"masks.file={shown(path)}",
            expected=", ".join(_COLUMNS),
            got=f"columns {', '.join(map(str, frame.columns))}",
            remedy="rename the table's columns",
        )
    return _cleaned(frame[_COLUMNS], path)


def _csv(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # A row longer than the header (a comma in a path, unquoted) must not shift the columns.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # Without default NAs a folder named NA keeps its name.
        return pd.read_csv(
            path,
            index_col=False,
            dtype={"path": str},
            keep_default_na=False,
            low_memory=False,
        )


def _cleaned(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    named = frame["path"].notna() & (frame["path"] != "")
    if not named.all():
        log.warning("%d rows of %s have no path and are left out", (~named).sum(), shown(path))
    frame = frame[named]
    columns = {side: _numbers(frame[side]) for side in _SIDES}
    return pd.DataFrame({"path": [as_image_id(str(name)) for name in frame["path"]], **columns})


def _numbers(cells: pd.Series[Any]) -> pd.Series[float]:
    """``cells`` as numbers, NaN for what is none."""
    try:
        return pd.to_numeric(cells, errors="coerce").astype(np.float64)
    except (OverflowError, TypeError):  # an integer that no float can hold; an object of Parquet's
        return cells.map(_number)


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        return float("nan")
