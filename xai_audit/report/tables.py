"""The numbers of the report's page, added up part by part."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.run.score_rows import of_kinds
from xai_audit.schema import BANDS, FLAGS, MANIFEST, OK, REGIONS, SCORES
from xai_audit.vision.geometry import border_seen, view

if TYPE_CHECKING:
    from xai_audit.types import Preprocess

CORNERS = tuple(band for band in BANDS if band.startswith("corner_"))
# What the table tells -> the regions of the score table that it adds up.
_PARTS = {**{region: (region,) for region in REGIONS}, "corners": CORNERS}

_SCORE = [
    *("method", "class_name", "label", "pred", "pointing_hit"),
    *(f"{what}_{region}" for region in REGIONS for what in ("mass", "area")),
]
# Failed images told by name, per status.
_EXAMPLES = 5


def class_table(paths: RunPaths, kinds: dict[str, str]) -> pd.DataFrame:
    """Means per method and class (the index); NaN where undefined.

    Columns: ``n``, ``accuracy``, ``hit`` (share of peaks on the object), and for each region and
    ``corners`` together the mean ``mass_<region>`` and ``area_<region>`` and their ratio
    ``lift_<region>``. The pseudo-class ``""`` holds all classes together.
    """
    sums: pd.DataFrame | None = None
    for frame in scan(RunPaths.parts(paths.scores), SCORES, _SCORE, of_kinds(kinds)):
        part = _summands(frame).groupby([frame["method"], frame["class_name"].fillna("?")]).sum()
        sums = part if sums is None else sums.add(part, fill_value=0)
    if sums is None:
        sums = _summands(SCORES.empty_table().select(_SCORE).to_pandas())
        sums.index = pd.MultiIndex.from_tuples([], names=["method", "class_name"])
    everything = sums.groupby(level="method").sum()
    everything.index = pd.MultiIndex.from_product(
        [everything.index, [""]], names=["method", "class_name"]
    )
    return _means(pd.concat([sums, everything]) if len(sums) else sums)


def _summands(frame: pd.DataFrame) -> pd.DataFrame:
    """What each row adds to its class; a null adds nothing and is not counted."""
    known = frame["label"].notna() & (frame["label"] >= 0) & frame["pred"].notna()
    hit = frame["pointing_hit"]
    columns = {
        "n": np.ones(len(frame)),
        "known": known,
        "correct": known & (frame["pred"] == frame["label"]),
        "judged": hit.notna(),
        "hits": hit.eq(True),
    }
    for region, parts in _PARTS.items():
        # One null part (a corner that the crop cuts away) leaves the others their say.
        mass = frame[[f"mass_{part}" for part in parts]].astype("float64")
        area = frame[[f"area_{part}" for part in parts]].astype("float64")
        seen = mass.notna().to_numpy()
        columns[f"seen_{region}"] = seen.any(axis=1)
        columns[f"mass_{region}"] = mass.sum(axis=1)
        columns[f"area_{region}"] = area.where(seen).sum(axis=1)
    return pd.DataFrame(columns, index=frame.index).astype("float64")


def _means(sums: pd.DataFrame) -> pd.DataFrame:
    """The table's columns from sums and counts; x/0 is NaN."""
    columns = {
        "n": sums["n"].astype("int64"),
        "accuracy": _ratio(sums["correct"], sums["known"]),
        "hit": _ratio(sums["hits"], sums["judged"]),
    }
    for region in _PARTS:
        mass, area, seen = (sums[f"{what}_{region}"] for what in ("mass", "area", "seen"))
        columns[f"mass_{region}"] = _ratio(mass, seen)
        columns[f"area_{region}"] = _ratio(area, seen)
        columns[f"lift_{region}"] = _ratio(mass, area)
    return pd.DataFrame(columns)


def _ratio(above: pd.Series, below: pd.Series) -> pd.Series:
    return above / below.where(below > 0)


def flag_counts(paths: RunPaths) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Class -> images flagged for any reason, and (class, reason) -> images flagged for it."""
    images: set[tuple[str, str]] = set()
    reasons: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str]] = set()
    for frame in scan([paths.flags], FLAGS, ["image_id", "class_name", "reason"]):
        for image_id, class_name, reason in frame.itertuples(index=False):
            # Several methods may flag an image for one reason.
            if (image_id, reason) not in seen:
                seen.add((image_id, reason))
                reasons[class_name, reason] += 1
            images.add((class_name, image_id))
    return dict(Counter(class_name for class_name, _ in images)), dict(reasons)


def score_problems(paths: RunPaths, kinds: dict[str, str]) -> dict[str, int]:
    """Why cells of the score table are undefined -> rows, of the rows that the page tells."""
    problems: Counter[str] = Counter()
    for frame in scan(RunPaths.parts(paths.scores), SCORES, ["score_status"], of_kinds(kinds)):
        for status, rows in frame["score_status"].dropna().value_counts().items():
            for problem in str(status).split(";"):
                if problem and problem != OK:
                    problems[problem] += int(rows)
    return dict(problems.most_common())


def failures(paths: RunPaths) -> tuple[Counter[str], dict[str, list[tuple[str, str]]]]:
    """Images by status (``ok`` and left out by ``limit`` included), and examples with messages."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[tuple[str, str]]] = {}
    for frame in scan([paths.manifest], MANIFEST, ["image_id", "status", "error", "selected"]):
        left_out = (frame["status"] == OK) & ~frame["selected"]
        counts["left out"] += int(left_out.sum())
        counts[OK] += int(((frame["status"] == OK) & frame["selected"]).sum())
        for name, rows in frame[frame["status"] != OK].groupby("status"):
            status = str(name)
            counts[status] += len(rows)
            told = examples.setdefault(status, [])
            head = rows.head(_EXAMPLES - len(told))
            told += list(zip(head["image_id"], head["error"].fillna(""), strict=True))
    return +counts, examples


def border_never_seen(paths: RunPaths, preprocess: Preprocess, border: float) -> float:
    """Mean share (0..1) of a photo's border band outside the model's view; NaN without photos."""
    sizes: Counter[tuple[int, int]] = Counter()
    for frame in scan([paths.manifest], MANIFEST, ["width", "height", "status"]):
        usable = frame[(frame["status"] == OK) & frame["width"].notna() & frame["height"].notna()]
        sizes.update(zip(usable["height"].astype(int), usable["width"].astype(int), strict=True))
    if not sizes:
        return float("nan")
    seen = sum(n * border_seen(view(size, preprocess), border) for size, n in sizes.items())
    return 1 - seen / sizes.total()
