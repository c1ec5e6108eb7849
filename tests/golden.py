"""What every stage's tables held when its VERSION was raised last: ``python -m tests.golden``.

A stage whose rows change must have its version raised, or users' finished runs keep the old rows.
Kernels round differently on processors with other instructions, and ranks and p-values of what is
hardly anything turn on that: each kind of processor has rows of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests import tiny
from xai_audit.pipeline import STAGES

FILE = Path(__file__).with_name("golden.json")
# What torch's kernels on this machine use: AVX2, AVX512, ...
PROCESSOR = torch.backends.cpu.get_cpu_capability()
# Stage -> the tables that hold its rows.
TABLES = {
    "index": ("manifest.parquet",),
    "mask": (),
    "attribute": ("attributions",),
    "score": ("scores",),
    "trust": ("trust", "methods.parquet"),
    "discover": ("clusters.parquet",),
    "survey": ("evidence/survey", "evidence/photos.parquet", "evidence/confusion.parquet"),
    "availability": ("evidence/availability",),
    "attention": ("evidence/attention",),
    "transplant": ("transplants", "evidence/effects", "summary.parquet"),
    "carriers": ("carriers.parquet", "pulls.parquet", "evidence/carried"),
    "joint": (),
    "verdict": ("evidence.parquet",),
    "agreement": ("agreement", "agreement.parquet"),
    "boundary": ("boundaries.parquet",),
    "adversarial": ("adversarial.parquet",),
    "augmentation": ("augmentation.parquet",),
    "flag": ("flags.parquet",),
    "gallery": (),
    "explore": (),
    "page": (),
}
# Of the machine or of the day.
_PASSING = ("mtime_ns", "mask", "raw_path")


def audited(folder: Path, out: Path) -> Path:
    """A small audit of every stage."""
    done = tiny.audit(
        tiny.overrides(
            folder,
            out,
            tiny.WHOLE,
            "methods=[gradcam,saliency]",
            "cues=[border,background,colour]",
            "discover.min_images=5",
            "discover.min_clustered=5",
            "adversarial.images=6",
            "adversarial.steps=2",
            "augmentation.images=6",
            "trust.images=4",
            "dataset.name=golden",
        )  # fmt: skip
    )
    assert done.returncode == 0, done.stderr
    return out


def summary(path: Path) -> dict[str, Any]:
    """Rows of a table, the mean of each number and the values of each word."""
    frame = pd.read_parquet(path)
    found: dict[str, Any] = {"rows": len(frame)}
    for name in frame.columns.difference(_PASSING):
        column = frame[name].dropna()
        if pd.api.types.is_numeric_dtype(column):
            found[name] = float(column.astype(np.float64).mean()) if len(column) else None
        elif len(column) and isinstance(column.iloc[0], str):
            found[name] = [column.nunique(), min(column), max(column)]
        elif len(column):
            flat = np.concatenate([np.ravel(np.asarray(cell, object)) for cell in column])
            numbers = [float(v) for v in flat if not isinstance(v, str) and v is not None]
            found[name] = [len(flat), float(np.nanmean(numbers)) if numbers else None]
    return found


def golden(out: Path) -> dict[str, Any]:
    """Stage -> its version and what its tables hold."""
    return {
        stage.name: {
            "version": stage.version,
            **{table: summary(out / table) for table in TABLES[stage.name]},
        }
        for stage in STAGES
    }


def main() -> None:
    """Note what the tables hold on this kind of processor."""
    with tempfile.TemporaryDirectory() as place:
        folder = tiny.make_folder(Path(place) / "photos")
        content = golden(audited(folder, Path(place) / "out"))
    noted = json.loads(FILE.read_text(encoding="utf-8")) | {PROCESSOR: content}
    FILE.write_text(json.dumps(noted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
