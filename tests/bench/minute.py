"""What ``budget=60s`` has after a minute, of the demo with its three plants and of real photos."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tests import tiny
from tests.bench import photos
from tests.bench.child import audit_command, finished
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND = "make bench ARGS=minute"
_SECONDS = 60
# What tests/demo measures of the shipped network.
_PLANTED = {
    ("marguerite", "border"),
    ("hollyhock", "background"),
    ("marsh_marigold", "corner_bottom_right"),
}


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows of the time to the report, of what it names, and of the same command once more."""
    seconds = 5 if quick else _SECONDS
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        yield from _minutes("the demo", tiny.DEMO, Path(folder) / "demo", seconds, _PLANTED)
        if not photos.present(shared):
            yield skipped("budget=60s of Flowers-17", NO_BOUND, photos.ABSENT, COMMAND)
            return
        out = Path(folder) / "flowers17"
        yield from _minutes("Flowers-17", photos.overrides(shared, out), out, seconds, set())


def _minutes(
    what: str, keys: Sequence[str], out: Path, seconds: int, planted: set[tuple[str, str]]
) -> Iterator[Row]:
    """Rows of the first command and of the second."""
    for time in ("first", "second"):
        done = finished(audit_command([*keys, f"output_dir={out}", f"budget={seconds}s"]))
        paths = RunPaths(out)
        named = paths.index_html.is_file()
        yield Row(
            f"budget={seconds}s of {what}, {time} command: from its start to the report",
            f"<= {seconds} s",
            f"{done.seconds:.0f} s",
            met=named and done.seconds <= seconds,
            command=COMMAND,
        )
        told = f", {_found(paths, planted)} of {len(planted)} planted" if planted else ""
        yield Row(
            f"... what it rests on and says{', beside its plants' if planted else ''}",
            NO_BOUND,
            _rests_on(paths) + told,
            met=True,
            command=COMMAND,
        )


def _rests_on(paths: RunPaths) -> str:
    record = json.loads(paths.run_json.read_text(encoding="utf-8"))
    counts, config = record["counts"], record["config"]
    verdicts = pd.read_parquet(paths.evidence, columns=["verdict"])["verdict"].value_counts()
    return (
        f"{counts['ok']} of {counts['ok'] + counts['left_out']} photos, at most "
        f"{config['evidence']['max_forwards']} forwards: "
        + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    )


def _found(paths: RunPaths, planted: set[tuple[str, str]]) -> int:
    rows = pd.read_parquet(paths.evidence, columns=["class_name", "cue", "verdict"])
    rows = rows[rows["verdict"] == "confirmed"]
    return len(planted & {*zip(rows["class_name"], rows["cue"], strict=True)})
