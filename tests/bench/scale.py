"""What 1.28 and 100 million photos would take, in proportion to what ``plan`` measures here.

Every cost grows with one thing that is known of any dataset (``estimate.scale``), so the rest is
arithmetic: the parts and bytes of heatmaps, and hours on workers each as fast as this process.
"""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests import tiny
from tests.bench import photos
from tests.bench.child import audit_command, shown
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.config.nodes import ComputeConfig, EvidenceConfig
from xai_audit.estimate.scale import (
    AVAILABLE,
    CLASSES,
    FILES,
    PAIRS,
    PHOTOS,
    SAMPLE,
    SURVEYED,
    Predicted,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# ImageNet's training photos, and a web-scale set of as many classes.
SETS = {"1.28 M photos": 1_281_167, "100 M photos": 100_000_000}
_CLASSES, _WORKERS = 1000, (8, 256)
_WHAT = "SqueezeNet at 224 px, Grad-CAM, a default audit"
_HOUR = 3600


@dataclass(frozen=True)
class Size:
    """Photos and classes, in equal shares."""

    photos: int
    classes: int

    def of(self, grows_with: str) -> float:
        """How many there are of what costs grow with."""
        evidence, each = EvidenceConfig(), self.photos / self.classes
        surveyed = self.classes * min(each, evidence.read_per_class)
        return {
            FILES: self.photos,
            PHOTOS: self.photos,
            SAMPLE: 1,
            SURVEYED: surveyed,
            AVAILABLE: surveyed * self.classes,
            PAIRS: self.classes * min(each, evidence.images_per_class),
            CLASSES: self.classes,
        }[grows_with]


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows for each set: parts and bytes of heatmaps, hours on so many workers."""
    del quick
    keys = [key for key in photos.overrides(shared, shared) if not key.startswith("output_dir")]
    command = [*audit_command([]), "plan", "--json", *keys]
    told = shown(command, SHARED=shared)
    if not photos.present(shared):
        yield skipped(_WHAT, NO_BOUND, photos.ABSENT, told)
        return
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tiny.REPO, timeout=3600
    )
    found = json.loads(done.stdout)
    rows = [Predicted(**row) for row in found["stages"]]
    here = Size(found["photos"], found["classes"])
    for name, count in SETS.items():
        scaled = [_scaled(row, here, Size(count, _CLASSES)) for row in rows]
        (maps,) = (row for row in scaled if row.stage == "attribute")
        hours = {workers: seconds(scaled, workers) / _HOUR for workers in _WORKERS}
        told_hours = ", ".join(f"{each:,.1f} h on {n}" for n, each in hours.items())
        size = f"{maps.parts:,} parts of heatmaps, {maps.bytes / 1e9:,.1f} GB"
        yield Row(f"{_WHAT} of {name}", NO_BOUND, f"{size}; {told_hours}", met=True, command=told)
        longest = sorted(scaled, key=lambda row: -row.work)[:4]
        shares = ", ".join(f"{row.stage} {row.work / _HOUR:,.0f} h" for row in longest)
        yield Row(f"... of one worker: {name}", NO_BOUND, shares, met=True, command=told)


def _scaled(row: Predicted, here: Size, there: Size) -> Predicted:
    times = there.of(row.grows_with) / here.of(row.grows_with)
    parts = math.ceil(row.parts * times)
    if row.grows_with == PHOTOS and row.parts:
        parts = math.ceil(there.photos / ComputeConfig().part_size)
    return replace(
        row,
        parts=max(parts, row.parts),
        bytes=round(row.bytes * times),
        work=row.work * times,
        serial=row.serial * times,
    )
