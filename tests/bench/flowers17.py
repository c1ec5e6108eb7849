"""The whole command on 1360 real photos with their masks and a network fine-tuned on them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd

from tests.bench import cost, photos
from tests.bench.child import Finished, audit_command, finished, shown
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.run.paths import RunPaths

# What a sample of the test photos may score where not all are looked at.
QUICK_BOUND = 0.85


def run(shared: Path, quick: bool) -> list[Row]:
    """Rows for the accuracy, the speed, the verdicts and what they cost."""
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        paths = RunPaths(Path(folder) / "out")
        more = ("limit=102",) if quick else ()
        command = audit_command(photos.overrides(shared, paths.root, *more))
        told = shown(command, TMP=Path(folder), SHARED=shared)
        if not photos.present(shared):
            return [skipped("the whole command on Flowers-17", NO_BOUND, photos.ABSENT, told)]
        done = finished(command)
        rows = [_accuracy(shared, paths, told, quick=quick), _speed(paths, done, told)]
        forwards = pd.read_parquet(paths.evidence)["forwards"]
        spent = cost.rows(forwards, cost.apart(paths), cost.share(paths, "evidence"), told)
        return [*rows, _verdicts(paths, told), *spent, cost.checks_row(paths, told)]


def _accuracy(shared: Path, paths: RunPaths, command: str, *, quick: bool) -> Row:
    """Right predictions on the test split, as the scores say, against the checkpoint's own JSON."""
    noted = json.loads(photos.checkpoint(shared).with_suffix(".json").read_text(encoding="utf-8"))
    split = pd.read_csv(photos.images(shared).parent / "split.csv")
    scores = pd.read_parquet(paths.scores)
    test = set(split["file"][split["split"] == "test"])
    rows = scores[(scores.target_kind == "label") & scores.image_id.isin(test)]
    images, correct = len(rows), int((rows.pred == rows.label).sum())
    if quick:
        bound, met = f">= {QUICK_BOUND} of a sample", correct >= QUICK_BOUND * images
    else:
        bound = f"= {noted['correct']} of {noted['test_images']}"
        met = (correct, images) == (noted["correct"], noted["test_images"])
    return Row(
        what="right predictions on the test split of Flowers-17, from scores",
        bound=bound,
        measured=f"{correct} of {images} ({correct / max(images, 1):.4f})",
        met=met and images > 0,
        command=command,
    )


def _verdicts(paths: RunPaths, command: str) -> Row:
    """How many cells have which verdict, and the confirmed ones by name."""
    table = pd.read_parquet(paths.evidence)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in table["verdict"].value_counts().items())
    confirmed = table[table["verdict"] == "confirmed"].sort_values("reliance", ascending=False)
    named = ", ".join(
        f"{row.class_name}/{row.cue} {row.reliance:.2f} ({row.reliance_low:.2f} to "
        f"{row.reliance_high:.2f})"
        for row in confirmed.itertuples()
    )
    return Row(
        what="verdicts on classes x cues of Flowers-17; those confirmed, with their reliance",
        bound=NO_BOUND,
        measured=f"{counts}: {named or 'none'}",
        met=True,
        command=command,
    )


def _speed(paths: RunPaths, done: Finished, command: str) -> Row:
    content = json.loads(paths.run_json.read_text(encoding="utf-8"))
    counts = content["counts"]
    return Row(
        what=f"the whole command with its report, {counts['ok']} photos, SqueezeNet 224 px, masks",
        bound=NO_BOUND,
        measured=f"{content['images_per_second']:.1f} images/s, {done.seconds:.1f} s wall, "
        f"{done.peak_mib:.0f} MiB peak",
        met=paths.success.is_file() and counts["failed"] == 0,
        command=command,
    )
