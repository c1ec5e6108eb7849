"""What the evidence of a run costs: forwards a class and cue, and its share of the time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from tests.bench.rows import NO_BOUND, Row
from xai_audit.config.nodes import STAGES
from xai_audit.schema import PULL, RELIANCE, SCRAMBLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from xai_audit.run.paths import RunPaths

# A budget of 32 images, each seen with the cue and without it.
_FORWARDS = 2 * 32
_FIRST = (RELIANCE, PULL, SCRAMBLED)
_CHECKS = 0.25


def share(paths: RunPaths, *stages: str) -> float:
    """Of the seconds of all stages, those of ``stages``; their parts are theirs."""
    timings = json.loads(paths.run_json.read_text(encoding="utf-8"))["timings"]
    seconds = {stage: float(timings.get(f"{stage}_seconds", 0)) for stage in STAGES}
    return sum(map(seconds.__getitem__, stages)) / max(sum(seconds.values()), 1e-9)


def checks_row(paths: RunPaths, command: str) -> Row:
    """The row of what checks the methods and attacks decisions, which no verdict needs."""
    found = share(paths, "trust", "adversarial")
    what = "share of trust and adversarial in a run"
    return Row(what, f"<= {_CHECKS}", f"{found:.2f}", found <= _CHECKS, command)


def apart(paths: RunPaths) -> int:
    """Forwards of the pairs with another cue's content put back."""
    pairs = pq.read_table(paths.transplants, columns=["given"])
    return 2 * (len(pairs) - pairs.column("given").null_count)


def forwards(paths: RunPaths) -> tuple[int, int]:
    """Forwards of the whole evidence, and those of what was asked before carriers were looked for.

    These are the pairs of a class's own photos, of other classes', and those that tell overlapping
    cues apart, two forwards each.
    """
    spent = json.loads(paths.run_json.read_text(encoding="utf-8"))["evidence"]["forwards"]
    table = pq.read_table(paths.transplants, columns=["question", "given"]).to_pandas()
    first = table["question"].isin(_FIRST) | table["given"].notna()
    return int(spent), 2 * int(first.sum())


def decided_row(spent: Sequence[tuple[int, int]], decided: int, command: str) -> Row:
    """The row of :func:`forwards` of several runs for each of their ``decided`` cells."""
    every, first = (sum(each) / max(decided, 1) for each in zip(*spent, strict=True))
    ratio = f" ({every / first:.2f}x)" if first else ""
    what = f"forwards per decidable cell ({decided}): all; without carriers, victims, whole photos"
    return Row(what, NO_BOUND, f"{every:.1f}; {first:.1f}{ratio}", True, command)


def rows(forwards: pd.Series, told_apart: int, evidence: float, command: str) -> list[Row]:
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
        Row("share of the evidence stage in a run", NO_BOUND, f"{evidence:.2f}", True, command),
    ]  # fmt: skip
