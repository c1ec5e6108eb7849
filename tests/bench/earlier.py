"""The main pass and the evidence of an earlier revision and of this checkout, in turn."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import photos
from tests.bench.child import REPO
from tests.bench.frozen import BASE, base_tree
from tests.bench.rows import Row, skipped

COMMAND = "make bench ARGS=earlier"
_BOUND = ">= 1.0x"
_MAIN_PASS = "stages=[index,attribute,score]"
_EVIDENCE = "stages=[index,attribute,score,evidence]"


def run(shared: Path, quick: bool) -> list[Row]:
    """A row for the main pass over all photos, one for the evidence on some of them."""
    if not photos.present(shared):
        return [skipped("earlier revision", _BOUND, photos.ABSENT, COMMAND)]
    few = ["limit=34"] if quick else []
    some = "limit=34" if quick else "limit=340"
    rounds = 1 if quick else 3
    return [
        _compared("main pass", ("attribute", "score"), [_MAIN_PASS, *few], shared, rounds),
        _compared("evidence", ("evidence",), [_EVIDENCE, some], shared, rounds),
    ]


def _compared(
    what: str, stages: tuple[str, ...], overrides: list[str], shared: Path, rounds: int
) -> Row:
    """The row of ``stages``: the median over ``rounds`` of the ratio within a round."""
    trees = [base_tree(), REPO]
    ratios, seconds = [], []
    for number in range(rounds):
        spent = {}
        for tree in trees if number % 2 == 0 else trees[::-1]:
            spent[tree] = _seconds(tree, stages, overrides, shared)
        ratios.append(spent[trees[0]] / spent[trees[1]])
        seconds.append([spent[tree] for tree in trees])
    ratio = statistics.median(ratios)
    told = ", ".join(f"{old:.1f} against {new:.1f} s" for old, new in seconds)
    return Row(
        what=f"{what} ({', '.join(overrides)}), {BASE} against this checkout",
        bound=_BOUND,
        measured=f"{ratio:.2f}x ({told})",
        met=ratio >= 1,
        command=COMMAND,
    )


def _seconds(tree: Path, stages: tuple[str, ...], overrides: list[str], shared: Path) -> float:
    """How long ``stages`` of a new audit by the code of ``tree`` took."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "xai_audit", *photos.overrides(shared, out, *overrides)]
        subprocess.run(command, cwd=tree, check=True, capture_output=True)
        timings = json.loads((out / "run.json").read_text())["timings"]
    return sum(float(timings[f"{stage}_seconds"]) for stage in stages)
