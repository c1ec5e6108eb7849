"""Classes in which a method's heatmaps have no relevance at all, so that they say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.language import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# Of fewer photos it may be chance.
_FEWEST = 3
# Classes named in a sentence.
_NAMED = 5
_CELL = ["method", "target_kind", "class_name"]


def silent_lines(files: Iterable[Path]) -> list[str]:
    """A sentence for each method and target kind whose heatmaps are empty in whole classes.

    Args:
        files: the parts of SCORES.
    """
    empty: dict[tuple[str, str], dict[str, int]] = {}
    counts = _counted(files)
    for row in counts:
        if row["n"] >= _FEWEST and row["seen"] == 0:
            classes = empty.setdefault((row["method"], row["target_kind"]), {})
            classes[row["class_name"]] = row["n"]
    seen = {(row["method"], row["target_kind"], row["class_name"]) for row in counts if row["seen"]}
    others = sorted({(method, kind) for method, kind, _ in seen})
    lines = []
    for (method, kind), classes in sorted(empty.items()):
        able = [other for other in others if all((*other, name) in seen for name in classes)]
        lines.append(_sentence(method, kind, classes, able))
    return lines


def _counted(files: Iterable[Path]) -> list[dict[str, Any]]:
    """``n`` photos and those ``seen`` with relevance of each method, target kind and class."""
    parts: list[pa.Table] = []
    for file in files:
        rows = pq.read_table(file, columns=[*_CELL, "relevance_total"])
        total = rows.column("relevance_total")
        rows = rows.append_column(
            "seen", pc.cast(pc.greater(pc.fill_null(total, 0), 0), pa.int64())
        )
        rows = rows.append_column("n", pa.array([1] * len(rows), pa.int64()))
        parts.append(_summed(rows))
    if not parts:
        return []
    whole = _summed(pa.concat_tables(parts)).sort_by([(name, "ascending") for name in _CELL])
    return whole.to_pylist()  # type: ignore[no-any-return]


def _summed(rows: pa.Table) -> pa.Table:
    found = rows.group_by(_CELL).aggregate([("seen", "sum"), ("n", "sum")])
    return found.rename_columns([*_CELL, "seen", "n"])


def _sentence(
    method: str, kind: str, classes: Mapping[str, int], able: Sequence[tuple[str, str]]
) -> str:
    """The sentence; ``able`` are the (method, target kind) of this run that do say something."""
    some, *rest = (
        tell("{name}, {n:d} of {total:d} photos", name=name, n=n, total=n)
        for name, n in [*classes.items()][:_NAMED]
    )
    for each in rest:
        some = tell("{SOME}; {OTHER}", SOME=some, OTHER=each)
    if len(classes) > _NAMED:
        some = tell("{SOME}; ...", SOME=some)
    if len(classes) == 1:
        where = tell("1 class ({SOME})", SOME=some)
    else:
        where = tell("{n:d} classes ({SOME})", n=len(classes), SOME=some)
    text = tell(
        "{method} gives no relevance at all for the target {kind} in {WHERE}: it does not say "
        "where the model looks there.",
        method=method, kind=kind, WHERE=where,
    )  # fmt: skip
    return f"{text} {_remedy(kind, able)}"


def _remedy(kind: str, able: Sequence[tuple[str, str]]) -> str:
    if able:
        named = [tell("{method} for the target {kind}", method=m, kind=k) for m, k in able[:2]]
        some = named[0]
        if len(named) > 1:
            some = tell("{SOME} and {LAST}", SOME=some, LAST=named[1])
        return tell("In this run there is some of {MAPS}.", MAPS=some)
    if kind == "contrast":
        return tell("hirescam, integrated_gradients or occlusion may.")
    return tell("targets=[contrast], or hirescam, integrated_gradients or occlusion may.")
