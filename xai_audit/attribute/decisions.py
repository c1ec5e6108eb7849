"""How right the decisions for each class are where photos have several labels."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.run.files import write_table
from xai_audit.run.labelling import labels_of
from xai_audit.schema import ABSENT, DECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)
_COLUMNS = ["image_id", "class_name", "label", "pred"]
Case = tuple[str, str, int]


def decisions(audit: Audit, files: Sequence[Path]) -> dict[str, Any]:
    """``several_labels`` of ``run.json``, and no warning; writes the table of decisions.

    Args:
        audit: with what decoding found.
        files: the parts of ATTRIBUTIONS, of each photo once.
    """
    thresholds = audit.thresholds or {}
    sets = audit.usable().column("class_name").to_pylist()
    table = decisions_table(sets, _wrong(files), thresholds)
    write_table(audit.paths.decisions, table)
    rows = table.to_pylist()
    right = sum(row["found"] + row["n_without"] - row["false_alarms"] for row in rows)
    log.info(
        "decisions: %d of %d are right (photo x class); by class: %s",
        right, len(sets) * len(rows), audit.paths.decisions.name,
    )  # fmt: skip
    return {"several_labels": audit.several_labels, "below_chance": None, "warnings": []}


def decisions_table(
    sets: Sequence[str], wrong: Mapping[str, Counter[bool]], thresholds: Mapping[str, float]
) -> pa.Table:
    """The rows of DECISIONS, a class each, in the order of the outputs.

    ``accuracy`` is the share of photos that are decided rightly for or not for the class;
    ``balanced_accuracy`` the mean of its shares among the photos that have the class and among
    those that lack it, which does not grow with how rare the class is. Null where there is no such
    photo.

    Args:
        sets: of the photos, each the text of its labels.
        wrong: class -> how many photos are wrongly decided: True, of those that have it.
        thresholds: class -> its threshold.
    """
    holds = Counter(name for text in sets for name in labels_of(text))
    rows = []
    for name, threshold in thresholds.items():
        counts = wrong.get(name, Counter())
        missed, false = counts[True], counts[False]
        found, without = holds[name] - missed, len(sets) - holds[name]
        recall, specificity = _share(found, holds[name]), _share(without - false, without)
        rows.append(
            {
                "class_name": name, "threshold": threshold,
                "n_with": holds[name], "n_without": without,
                "found": found, "missed": missed, "false_alarms": false,
                "accuracy": _share(len(sets) - missed - false, len(sets)),
                "balanced_accuracy": _mean(recall, specificity),
                "recall": recall, "specificity": specificity,
                "precision": _share(found, found + false),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=DECISIONS)


def _wrong(files: Iterable[Path]) -> dict[str, Counter[bool]]:
    """Class -> how many photos are wrongly decided: True, of those that have it.

    A photo with scores that are not finite is decided for nothing.
    """
    seen: set[tuple[str, str]] = set()
    found: dict[str, Counter[bool]] = {}
    for file in files:
        table = pq.read_table(file, columns=_COLUMNS)
        known = pc.fill_null(pc.equal(table.column("label"), table.column("pred")), False)
        for image_id, name, label, _ in zip(
            *table.filter(pc.invert(known)).to_pydict().values(), strict=True
        ):
            if (image_id, name) not in seen:
                seen.add((image_id, name))
                found.setdefault(name, Counter())[label != ABSENT] += 1
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else (one + other) / 2
