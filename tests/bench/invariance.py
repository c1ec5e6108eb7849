"""The same rows and the same masses whatever the batch size and the number of workers."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from tests.bench import photos
from tests.bench.child import audit_command, finished, shown
from tests.bench.rows import Row, skipped
from xai_audit.run.paths import RunPaths
from xai_audit.schema import REGIONS

BOUND = 1e-4
MASSES = [f"mass_{region}" for region in REGIONS]
KEYS = ["image_id", "class_name", "label", "pred", "method", "target_kind", "target", "against"]


def run(shared: Path, quick: bool) -> list[Row]:
    """One row: the worst difference of any mass between any two runs."""
    batches, workers, limit = ((1, 32), (0, 2), 34) if quick else ((1, 7, 32), (0, 2), 96)
    bound = f"same rows, difference <= {BOUND:.0e}"
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        tmp = Path(folder)
        commands = {
            (size, count): _command(shared, RunPaths(tmp / f"{size}-{count}"), limit, size, count)
            for size, count in product(batches, workers)
        }
        told = shown(next(iter(commands.values())), TMP=tmp, SHARED=shared)
        what = f"masses of {limit} photos, batch {batches} x workers {workers}"
        if not photos.present(shared):
            return [skipped(what, bound, photos.ABSENT, told)]
        tables = [_scores(RunPaths(tmp / f"{s}-{n}"), commands[s, n]) for s, n in commands]
    same = all(table[KEYS].equals(tables[0][KEYS]) for table in tables)
    worst = _spread([table[MASSES].to_numpy(np.float64) for table in tables]) if same else np.inf
    measured = f"{len(tables)} runs, {len(tables[0])} rows: worst difference {worst:.1e}"
    return [
        Row(
            what=what,
            bound=bound,
            measured=measured if same else "the rows differ",
            met=worst <= BOUND,
            command=told,
        )
    ]


def _command(shared: Path, paths: RunPaths, limit: int, size: int, workers: int) -> list[str]:
    more = (
        f"limit={limit}",
        "stages=[index,attribute,score]",
        f"compute.batch_size={size}",
        f"compute.num_workers={workers}",
    )
    return audit_command(photos.overrides(shared, paths.root, *more))


def _scores(paths: RunPaths, command: list[str]) -> pd.DataFrame:
    finished(command)
    scores = pd.read_parquet(paths.scores)
    return scores.sort_values(["image_id", "method", "target_kind"]).reset_index(drop=True)


def _spread(masses: list[np.ndarray]) -> float:
    """Largest minus smallest of any cell over the runs; inf where only some are null."""
    stacked = np.stack(masses)
    null = np.isnan(stacked)
    if not (null.all(axis=0) == null.any(axis=0)).all():
        return np.inf
    known = stacked[:, ~null.any(axis=0)]
    return float((known.max(axis=0) - known.min(axis=0)).max())
