"""The demo's network before and after training on with mixed surroundings: what is left of it.

The control is the same training without the mixing, so that what goes is due to the mixing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.child import audit_command, finished
from tests.bench.rows import NO_BOUND, Row
from xai_audit.compare.answer import moved
from xai_audit.compare.comparison import compare
from xai_audit.compare.measures import ACCURACY, CORE
from xai_audit.compare.words import APPEARED, VANISHED, WORSE, signed
from xai_audit.demo.truth import read_table
from xai_audit.run.files import rows_of
from xai_audit.run.reader import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.compare.comparison import Comparison

COMMAND = "make bench ARGS=cure"
# The cues that are planted somewhere, for every class; half of the demo's photos.
_AUDIT = (
    "dataset=flowers", "stages=[index,attribute,score,evidence]", "limit=300",
    "cues=[border,corner_bottom_right,background]",
)  # fmt: skip
_SECONDS = 300
_WORDS = {ACCURACY: "accuracy", CORE: "accuracy by the object alone"}


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows of the training's cost, of both accuracies and of the three planted cells."""
    del shared
    few = ["limit=60"] if quick else []
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        place = Path(folder)
        audits, seconds = {"before": _audited(place / "before", few)}, {}
        for name, share in (("control", "0"), ("cured", "1")):  # the first renders the photos
            weights = place / f"{name}.pt"
            seconds[name] = _trained(weights, place / "photos", share, quick=quick)
            audits[name] = _audited(place / name, [*few, f"model.checkpoint={weights}"])
        yield Row(
            "the cure of the demo's network: CPU time of the training", f"<= {_SECONDS} s",
            f"{seconds['cured']:.0f} s", seconds["cured"] <= _SECONDS, COMMAND,
        )  # fmt: skip
        before, control, cured = (Run(audits[n]) for n in ("before", "control", "cured"))
        yield from _rows(compare([before, cured]), quick=quick)
        yield _control(compare([before, control]))


def _trained(weights: Path, cache: Path, share: str, *, quick: bool) -> float:
    """CPU seconds of the command that writes ``weights``; photos that are missing are rendered."""
    command = [audit_command([])[0], "-m", "xai_audit.demo.cure", "--out", str(weights)]
    command += ["--cache", str(cache), "--share", share, *(["--photos", "6"] if quick else [])]
    return finished(command).cpu_seconds


def _audited(output: Path, more: list[str]) -> Path:
    finished(audit_command([*_AUDIT, f"output_dir={output}", *more]))
    return output


def _rows(found: Comparison, *, quick: bool) -> Iterator[Row]:
    cells = {(row["class_name"], row["cue"]): row for row in rows_of(found.table)}
    for truth in read_table():
        if not truth.region:
            continue
        row = cells[truth.class_name, truth.region]
        ends = " to ".join(signed(row[f"difference_{end}"]) for end in ("low", "high"))
        effects = f"{row['effect_reference']:.2f}, then {row['effect']:.2f}"
        verdicts = f"{row['verdict_reference']}, then {row['verdict']}"
        yield Row(
            f"cured: {truth.class_name} by its {truth.region}", VANISHED,
            f"{row['word']} ({verdicts}; {row['question']} {effects}; difference {ends})",
            quick or row["word"] == VANISHED, COMMAND,
        )  # fmt: skip
    worse = sorted(key for key, row in cells.items() if row["word"] in (APPEARED, WORSE))
    yield Row(
        f"cured: of {len(cells)} cells, appeared or worse", "0", f"{len(worse)} {worse[:3]}",
        quick or not worse, COMMAND,
    )  # fmt: skip
    for measure, row in _whole(found).items():
        held = row["value"] >= row["reference"] - 0.02
        yield Row(
            f"cured: {_WORDS[measure]}", "at most 2 points lower", moved(row), quick or held,
            COMMAND,
        )  # fmt: skip


def _control(found: Comparison) -> Row:
    """What the training does by itself."""
    words = {(row["class_name"], row["cue"]): row["word"] for row in rows_of(found.table)}
    planted = [(truth.class_name, truth.region) for truth in read_table() if truth.region]
    gone = sum(words[cell] == VANISHED for cell in planted)
    core = _whole(found)[CORE]
    return Row(
        "the same training without mixing: shortcuts gone, of 3; accuracy by the object alone",
        NO_BOUND, f"{gone}; {moved(core)}", True, COMMAND,
    )  # fmt: skip


def _whole(found: Comparison) -> dict[str, dict]:
    rows = rows_of(found.measures[found.measures["class_name"] == ""])
    return {row["measure"]: row for row in rows if row["measure"] in _WORDS}
