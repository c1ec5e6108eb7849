"""What the evidence of a run costs: forwards a class and cue, and its share of the time."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from tests.bench.rows import NO_BOUND, Row
from xai_audit.schema import PULL, RELIANCE, SCRAMBLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from xai_audit.run.paths import RunPaths

# A budget of 32 images, each seen with the cue and without it.
_FORWARDS = 2 * 32
_APART = "apart"
_FIRST = (RELIANCE, PULL, SCRAMBLED, _APART)
_WALL, _CPU = "_seconds", "_cpu_seconds"


def evidence_share(paths: RunPaths) -> float:
    """Of the seconds of all stages, those of the evidence."""
    timings = json.loads(paths.run_json.read_text(encoding="utf-8"))["timings"]
    seconds = {
        name: float(value)
        for name, value in timings.items()
        if name.endswith(_WALL) and not name.endswith(_CPU)
    }
    return seconds.get(f"evidence{_WALL}", 0.0) / max(sum(seconds.values()), 1e-9)


def apart(paths: RunPaths) -> int:
    """Forwards of the pairs with another cue's content put back."""
    pairs = pq.read_table(paths.transplants, columns=["given"])
    return 2 * (len(pairs) - pairs.column("given").null_count)


def pairs(paths: RunPaths) -> dict[str, int]:
    """Question -> how many pairs were measured for it; those of :func:`apart` are a further one."""
    table = pq.read_table(paths.transplants, columns=["question", "given"])
    questions = table.filter(table["given"].is_null())["question"].to_pylist()
    return {**Counter(questions), _APART: len(table) - len(questions)}


def decided_rows(pairs: Mapping[str, int], decided: int, command: str) -> list[Row]:
    """The row of forwards for each of the ``decided`` cells, by what they were for.

    Before carriers were looked for there were the pairs of a class's own photos, of other classes'
    and those that told overlapping cues apart: what these cost today is beside.
    """
    if not decided or not pairs:
        return []
    every = 2 * sum(pairs.values()) / decided
    first = 2 * sum(pairs.get(question, 0) for question in _FIRST) / decided
    measured = f"{every:.1f}; {first:.1f} ({every / first:.2f}x)" if first else f"{every:.1f}"
    what = f"forwards per decidable cell ({decided}): all; without carriers, victims, whole photos"
    return [Row(what, NO_BOUND, measured, True, command)]


def rows(forwards: pd.Series, told_apart: int, share: float, command: str) -> list[Row]:
    """Rows for the ``forwards`` column of evidence tables, those of :func:`apart`, the share."""
    known = forwards.dropna()
    most, mean = int(known.max()), float(known.mean())
    whole = int(known.sum()) + told_apart
    return [
        Row(
            "forwards per class and cue, most (mean)",
            f"<= {_FORWARDS}", f"{most} ({mean:.1f})", most <= _FORWARDS, command,
        ),
        Row(
            "of all forwards, those that tell overlapping confirmed cues apart",
            NO_BOUND, f"{told_apart / max(whole, 1):.3f} ({told_apart} of {whole})", True, command,
        ),
        Row("share of the evidence stage in a run", NO_BOUND, f"{share:.2f}", True, command),
    ]  # fmt: skip
