"""The data beside the explore page: columns to filter and sort by, and rows with all numbers.

Why scripts and not JSON: a page that was opened from the disk may not fetch a file beside it
(Chromium gives each such file an origin of its own), but may load it as a classic script. So every
file of data calls ``xaiAudit(name, value)``, and the page loads a column when it is first filtered
or sorted by (the ids, when they are first searched), and a slice of rows when one of its photos
comes into view. Why columns as well as rows: a filter over 100,000 photos needs one number or name
of each, a photo in view all numbers of one.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.flags.outliers import REASONS
from xai_audit.report.explore.listed import MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from xai_audit.report.explore.beside import Beside
    from xai_audit.report.explore.listed import Listed

# Photos of a slice of rows: a screen of photos in any order loads few megabytes.
SLICE = 200
_DIGITS = 4


def script(name: str, value: object) -> str:
    """A file of data: ``value`` handed to the page under ``name``; ASCII, and safe in HTML."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"xaiAudit({json.dumps(name)},{text});\n"


def packed(values: NDArray[Any]) -> str:
    """The bytes of an array, little-endian, as base64."""
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def columns(listed: Listed, beside: Beside, kinds: dict[str, str]) -> dict[str, NDArray[Any]]:
    """Name -> a value a photo: ``class``, ``right``, ``reasons``, and what can be sorted by.

    ``reasons`` has a bit for each of REASONS. A score is called ``method/score``, of the target
    kind in ``kinds``; one that is undefined everywhere is left out.
    """
    bits, one = np.zeros(len(listed.ids), np.uint16), {r: 1 << n for n, r in enumerate(REASONS)}
    rows = listed.rows_of(beside.flags["image_id"], beside.flags["class_name"])
    reasons = beside.flags["reason"].map(one)
    np.bitwise_or.at(bits, rows[rows >= 0], reasons.to_numpy(np.uint16)[rows >= 0])
    found: dict[str, NDArray[Any]] = {
        "class": listed.class_of.astype(np.uint16 if listed.n_classes < 1 << 16 else np.uint32),
        "right": listed.right,
        "reasons": bits,
        "confidence": listed.confidence,
    }
    for number, (method, kind) in enumerate(listed.sets):
        if kinds.get(method) == kind:
            for score, values in zip(MEASURED, listed.scores[number], strict=True):
                if not np.isnan(values).all():
                    found[f"{method}/{score}"] = values
    return found


def carried(listed: Listed, beside: Beside) -> dict[str, list[int]]:
    """Cue -> the rows of the photos that carry it, ascending."""
    rows = listed.rows_of(beside.carriers["image_id"], beside.carriers["class_name"])
    known = beside.carriers.assign(row=rows)[rows >= 0]
    return {str(cue): sorted({*map(int, of["row"])}) for cue, of in known.groupby("cue")}


def slices(listed: Listed, beside: Beside) -> Iterator[dict[str, Any]]:
    """Slice by slice the photos' ids and all that the tables say of them.

    Each has ``ids``, ``class``, ``label``, ``pred`` (numbers of names), ``confidence``, ``values``
    (set x score x photo, four significant digits), and by the photo's place in the slice ``flags``,
    ``carries`` and ``pairs``; a donor is its row, or its id where it has none.
    """
    flags = _by_row(listed, beside.flags, ["reason", "method", "value", "class_median", "distance"])
    carries = _by_row(listed, beside.carriers, ["cue", "sure", "effect"])
    pairs = beside.pairs
    for donor in ("donor_with", "donor_without"):
        places = listed.rows_of(pairs[donor])
        named = [
            int(row) if row >= 0 else one for row, one in zip(places, pairs[donor], strict=True)
        ]
        pairs = pairs.assign(**{donor: np.array([*named, None], object)[:-1]})
    columns = [
        "cue",
        "class_name",
        "question",
        "p_with",
        "p_without",
        "donor_with",
        "donor_without",
    ]
    strongest = _by_row(listed, pairs, columns)
    for start in range(0, len(listed.ids), SLICE):
        part = slice(start, min(start + SLICE, len(listed.ids)))
        rows = range(part.start, part.stop)
        yield {
            "ids": [*listed.ids[part]],
            "class": listed.class_of[part].tolist(),
            "label": listed.label_of[part].tolist(),
            "pred": listed.pred_of[part].tolist(),
            "confidence": plain(listed.confidence[part]),
            "values": plain(listed.scores[:, :, part]),
            **{
                name: {row - start: by[row] for row in rows if row in by}
                for name, by in (("flags", flags), ("carries", carries), ("pairs", strongest))
            },
        }


def _by_row(listed: Listed, frame: pd.DataFrame, names: list[str]) -> dict[int, list[list[Any]]]:
    """Photo -> the rows about it, ``names`` only, in their order."""
    found: dict[int, list[list[Any]]] = {}
    places = listed.rows_of(frame["image_id"], frame["class_name"])
    for row, values in zip(places, frame[names].itertuples(index=False, name=None), strict=True):
        if row >= 0:
            found.setdefault(int(row), []).append([_one(value) for value in values])
    return found


def _one(value: Any) -> Any:  # noqa: ANN401 - a cell of a table
    if isinstance(value, float):
        return None if value != value else float(f"{value:.{_DIGITS}g}")
    return value


def plain(values: NDArray[np.floating]) -> Any:  # noqa: ANN401 - nested lists
    """Lists of numbers of four significant digits, None where undefined."""
    exact = values.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.floor(np.log10(np.abs(exact)))
    factor = 10.0 ** (_DIGITS - 1 - np.where(np.isfinite(size), size, 0))
    short = np.round(exact * factor) / factor
    found = short.astype(object)
    found[~np.isfinite(exact)] = None
    return found.tolist()
