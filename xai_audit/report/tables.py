"""The numbers of the report's page, added up part by part."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_audit.flags.outliers import MISTAKE
from xai_audit.run.verdicts import of_kinds
from xai_audit.schema import BANDS, OK, REGIONS, SCORES
from xai_audit.vision.geometry import border_seen, view

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from xai_audit.report.facts import RunFacts
    from xai_audit.run.reader import Run
    from xai_audit.types import Preprocess

# A reason for which more of a class's photos are flagged is a habit of the class.
_HABIT = 0.5
CORNERS = tuple(band for band in BANDS if band.startswith("corner_"))
# Column of the table -> the regions of the score table that it adds up.
_PARTS = {**{region: (region,) for region in REGIONS}, "corners": CORNERS}

_SCORE = [
    *("method", "class_name", "label", "pred", "pointing_hit"),
    *(f"{what}_{region}" for region in REGIONS for what in ("mass", "area")),
]
# Columns of the page's table of classes; corners take part only together.
_SHOWN = ("object", "background", "border", "corners")
# Failed images named, per status.
_EXAMPLES = 5


def class_table(run: Run, kinds: dict[str, str]) -> pd.DataFrame:
    """Means per method and class (the index); NaN where undefined.

    Columns: ``n``, ``accuracy``, ``hit`` (share of peaks on the object), and for each region and
    ``corners`` together the mean ``mass_<region>`` and ``area_<region>`` and their ratio
    ``lift_<region>``. The pseudo-class ``""`` holds all classes together.
    """
    sums: pd.DataFrame | None = None
    for frame in run.scan("scores", _SCORE, of_kinds(kinds)):
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
    """Each row's terms of its class's sums; a null adds nothing and is not counted."""
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


def method_tables(
    table: pd.DataFrame, kinds: dict[str, str], facts: RunFacts, flagged: dict[str, int]
) -> list[dict[str, Any]]:
    """Per method its name, target kind, a row for all classes and a row a class."""
    methods = []
    for method, kind in kinds.items():
        rows = {
            str(name): _row(str(name), values, flagged)
            for name, values in table.loc[method].iterrows()
        }
        everything = rows.pop("")
        everything["flagged"] = sum(flagged.values())
        shown = [c for c in _SHOWN if everything["regions"][c]["mass"] is not None]
        methods.append(
            {
                "name": method,
                "kind": kind,
                "all": everything,
                "rows": [rows[name] for name in facts.classes_first(rows)],
                "columns": shown,
                "scale": {column: _widest(column, rows.values()) for column in shown},
                "hit": everything["hit"] is not None,
            }
        )
    return methods


def _widest(column: str, rows: Iterable[dict[str, Any]]) -> float:
    """The value of a bar of full length in a column: its largest mass or area."""
    regions = [row["regions"][column] for row in rows]
    return max((region[what] or 0.0 for region in regions for what in ("mass", "area")), default=1)


def _row(name: str, row: pd.Series, flagged: dict[str, int]) -> dict[str, Any]:
    """One line of the class table; None where undefined."""
    values = {key: None if value != value else float(value) for key, value in row.items()}
    return {
        "class_name": name,
        "n": int(row["n"]),
        "accuracy": values["accuracy"],
        "hit": values["hit"],
        "regions": {
            region: {what: values[f"{what}_{region}"] for what in ("mass", "area", "lift")}
            for region in (*_SHOWN, *CORNERS)
        },
        "flagged": flagged.get(name, 0),
    }


def flag_counts(run: Run) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Class -> images flagged for any reason, and (class, reason) -> images flagged for it."""
    images: set[tuple[str, str]] = set()
    reasons: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str, str]] = set()
    for frame in run.scan("flags", ["image_id", "class_name", "reason"]):
        for image_id, class_name, reason in frame.itertuples(index=False):
            # Several methods may flag an image for one reason.
            if (image_id, class_name, reason) not in seen:
                seen.add((image_id, class_name, reason))
                reasons[class_name, reason] += 1
            images.add((class_name, image_id))
    return dict(Counter(class_name for class_name, _ in images)), dict(reasons)


def habits(
    by_reason: Mapping[tuple[str, str], int], sizes: Mapping[str, int]
) -> dict[tuple[str, str], int]:
    """(class, reason) -> photos, of the reasons that most photos of a class are flagged for.

    They say something about the class, not about a photo. A wrong prediction always does.

    Args:
        by_reason: (class, reason) -> photos flagged for it.
        sizes: class -> its photos.
    """
    return {
        (name, reason): count
        for (name, reason), count in by_reason.items()
        if reason != MISTAKE and count > sizes.get(name, count) * _HABIT
    }


def unusual(run: Run, habitual: Collection[tuple[str, str]]) -> int:
    """Photos flagged for a reason that is no habit of their class."""
    found: set[str] = set()
    for frame in run.scan("flags", ["image_id", "class_name", "reason"]):
        for image_id, class_name, reason in frame.itertuples(index=False):
            if (class_name, reason) not in habitual:
                found.add(image_id)
    return len(found)


def score_problems(run: Run, kinds: dict[str, str]) -> dict[str, int]:
    """Why cells of the score table are undefined -> rows, of the rows that the page is about."""
    problems: Counter[str] = Counter()
    for frame in run.scan("scores", ["score_status"], of_kinds(kinds)):
        for status, rows in frame["score_status"].dropna().value_counts().items():
            for problem in str(status).split(";"):
                if problem and problem != OK:
                    problems[problem] += int(rows)
    return dict(problems.most_common())


def failures(run: Run) -> tuple[Counter[str], dict[str, list[tuple[str, str]]]]:
    """Images by status (``ok`` and left out by ``limit`` included), and examples with messages."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[tuple[str, str]]] = {}
    for frame in run.scan("manifest", ["image_id", "status", "error", "selected"]):
        left_out = (frame["status"] == OK) & ~frame["selected"]
        counts["left out"] += int(left_out.sum())
        counts[OK] += int(((frame["status"] == OK) & frame["selected"]).sum())
        for name, rows in frame[frame["status"] != OK].groupby("status"):
            status = str(name)
            counts[status] += len(rows)
            named = examples.setdefault(status, [])
            head = rows.head(_EXAMPLES - len(named))
            named += list(zip(head["image_id"], head["error"].fillna(""), strict=True))
    return +counts, examples


def border_never_seen(run: Run, preprocess: Preprocess, border: float) -> float:
    """Mean share (0..1) of a photo's border band outside the model's view; NaN without photos."""
    sizes: Counter[tuple[int, int]] = Counter()
    for frame in run.scan("manifest", ["width", "height", "status"]):
        usable = frame[(frame["status"] == OK) & frame["width"].notna() & frame["height"].notna()]
        sizes.update(zip(usable["height"].astype(int), usable["width"].astype(int), strict=True))
    if not sizes:
        return float("nan")
    seen = sum(n * border_seen(view(size, preprocess), border) for size, n in sizes.items())
    return 1 - seen / sizes.total()
