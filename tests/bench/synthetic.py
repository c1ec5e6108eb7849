"""``python -m tests.bench.synthetic RUN``: the parts that a run waits for, with made-up numbers.

What ``shard=0/1`` would make, in the product's own columns and under the planned fingerprints, but
no photo is read and no model run: that takes days for a million photos. Effects are those that the
product's own arithmetic finds in the made-up pairs.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.synthetic_evidence import evidence_makers
from xai_audit import schema
from xai_audit.pipeline import STAGES
from xai_audit.run.paths import RunPaths
from xai_audit.work.audit import Audit
from xai_audit.work.parts import commit, missing, read_current, read_parts, read_spec
from xai_audit.work.stage import Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xai_audit.work.stage import Part, Stage

# Photos that decoding finds broken, and that the model takes for another class: one in so many.
_BROKEN, _WRONG = 997, 7
_RIVALS = 10  # classes that a class is ever taken for
_GRID = 7
_THREADS = 4


class Writer:
    """Makes up the parts of one stage.

    Args:
        audit: whose plan is there.
    """

    def __init__(self, audit: Audit) -> None:
        self.audit = audit

    def index(self, part: Part) -> Finished:
        """The headers of photos of one size."""
        some = self._listing.slice(part.args["start"], part.size)
        paths = some.column("path").cast(pa.string())
        known = {"image_id": paths, "class_name": some.column("class_name")}
        known |= {name: some.column(name) for name in ("file_bytes", "mtime_ns")}
        same = {"status": "ok", "selected": False, "format": "JPEG", "mode": "RGB"}
        same |= {"width": 500, "height": 375, "orientation": 1, "frames": 1}
        return Finished(part, table(schema.MANIFEST, some.num_rows, known, same))

    def attribute(self, part: Part) -> Finished:
        """Predictions, flat heatmaps and scores of all but the broken photos."""
        rows = self._selected.slice(part.args["start"], part.size)
        place = np.arange(part.args["start"], part.args["stop"])
        broken = place % _BROKEN == 0
        ids = rows.column("image_id").filter(pa.array(broken)).to_pylist()
        shared = self._row(rows.filter(pa.array(~broken)), place[~broken], part)
        notes = {
            "problems": json.dumps(dict.fromkeys(ids, ("unreadable", "made up"))),
            "counts": json.dumps({"oom_retries": 0, "nonfinite_retries": 0}),
            "batch_size": "32",
        }
        also = []
        if (mark := part.args["scores"]) is not None:
            file = RunPaths.part(self.audit.paths.scores, part.number)
            also.append((file, mark, self._scores(shared, part)))
        return Finished(part, self._attributions(shared, part), notes, also)

    def gallery(self, part: Part) -> Finished:
        """The pictures of a class, empty: the page only names them."""
        files = self._pictures[part.args["class_name"]]
        for file in files:
            path = self.audit.paths.report / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return Finished(part, pa.table({"file": files}))

    def explore(self, part: Part) -> Finished:
        """No pictures: the page shows the numbers alone."""
        return Finished(part, pa.table({"sheet": [part.args["sheet"]]}))

    @cached_property
    def _listing(self) -> pa.Table:
        return pq.read_table(self.audit.paths.listing)

    @cached_property
    def _selected(self) -> pa.Table:
        columns = ["image_id", "class_name", "label", "selected"]
        rows = pq.read_table(self.audit.paths.manifest, columns=columns)
        return rows.filter(rows.column("selected")).combine_chunks()

    @cached_property
    def _pictures(self) -> dict[str, list[str]]:
        from xai_audit.report.sections import plan_pictures
        from xai_audit.report.stages.gallery import settings_of
        from xai_audit.run.reader import Run

        planned = plan_pictures(Run(self.audit.paths.root), settings_of(self.audit))
        return {name: [one.file for one in pictures] for name, pictures in planned.items()}

    def _row(self, rows: pa.Table, place: np.ndarray, part: Part) -> dict[str, Any]:
        """What attributions and scores start with: two rows a photo, label and contrast."""
        rng, count = np.random.default_rng(part.number), len(self.audit.labels)
        label = rows.column("label").to_numpy()
        rival = (label + rng.integers(1, min(_RIVALS, count - 1) + 1, len(label))) % count
        wrong = place % _WRONG == 0
        pred, against = np.where(wrong, rival, label), np.where(wrong, label, rival)
        twice = np.repeat(np.arange(len(label)), 2)
        contrast = twice.size and np.tile([False, True], len(label))
        repeated = rows.select(["image_id", "class_name", "label"]).take(pa.array(twice))
        return {
            **dict(zip(repeated.column_names, repeated.columns, strict=True)),
            "pred": pred[twice].astype(np.int32),
            "confidence": rng.random(len(label), np.float32)[twice],
            "target_kind": pa.array(np.where(contrast, "contrast", "label")),
            "target": label[twice],
            "against": pa.array(against[twice].astype(np.int32), mask=~contrast),
        }

    def _attributions(self, shared: Mapping[str, Any], part: Part) -> pa.Table:
        rng, count = np.random.default_rng([part.number, 1]), len(shared["pred"])
        maps = rng.random((count, _GRID * _GRID), np.float32).astype(np.float16)
        known = {**shared, "heatmap": lists(maps), "target_score": rng.normal(size=count)}
        same = {"method": "gradcam", "heatmap_scale": 1.0}
        same |= {"heatmap_height": _GRID, "heatmap_width": _GRID}
        return table(schema.ATTRIBUTIONS, count, known, same)

    def _scores(self, shared: Mapping[str, Any], part: Part) -> pa.Table:
        rng, count = np.random.default_rng([part.number, 2]), len(shared["pred"])
        known = dict(shared)
        for region in schema.BANDS:
            known[f"mass_{region}"] = rng.beta(2, 8, count)
            known[f"area_{region}"] = np.full(count, 0.2)
            known[f"lift_{region}"] = known[f"mass_{region}"] / 0.2
        known |= {name: rng.random(count) for name in ("entropy", "peak_y", "peak_x")}
        same = {"method": "gradcam", "relevance_total": 1.0, "mask_status": "no_mask"}
        return table(schema.SCORES, count, known, same | {"score_status": "object=no_mask"})


def table(
    columns: pa.Schema, count: int, known: Mapping[str, Any], same: Mapping[str, Any]
) -> pa.Table:
    """``count`` rows in ``columns``: arrays, values that all rows share, and else nulls."""
    found = []
    for field in columns:
        if field.name in known:
            value = known[field.name]
            arrow = value if isinstance(value, (pa.Array, pa.ChunkedArray)) else pa.array(value)
            found.append(arrow.cast(field.type))
        else:
            found.append(pa.repeat(pa.scalar(same.get(field.name), field.type), count))
    return pa.table(found, schema=columns)


def lists(values: np.ndarray) -> pa.Array:
    """The rows of (n, m) as a column of lists."""
    ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values.ravel()))


def makers(audit: Audit) -> dict[str, Callable[[Part], Finished]]:
    """Stage -> what makes up a part of it; the stages that are left out here have empty tables."""
    writer, found = Writer(audit), evidence_makers(audit)
    own = {name: getattr(writer, name) for name in ("index", "attribute", "gallery", "explore")}
    none = {
        "trust": schema.TRUST,
        "discover": schema.CLUSTERS,
        "boundary": schema.BOUNDARIES,
        "adversarial": schema.ADVERSARIAL,
        "augmentation": schema.AUGMENTATION,
    }
    spent = {"forwards": "0", "oom_retries": "0"}
    empty = {
        name: lambda part, columns=columns: Finished(part, columns.empty_table(), spent)
        for name, columns in none.items()
    }
    return own | empty | found


def waiting(audit: Audit) -> tuple[Stage, list[Part]] | None:
    """The stage that waits for parts, and these."""
    current = read_current(audit.paths)
    for stage in STAGES:
        planned = read_parts(audit.paths, stage.name)
        if stage.work is not None and stage.name not in current and planned:
            return stage, missing(audit.paths, stage, planned)
    return None


def main() -> None:
    """Make up what is missing."""
    paths = RunPaths(Path(sys.argv[1]))
    audit = Audit(paths, read_spec(paths), read_current(paths).__contains__, planned=True)
    if (found := waiting(audit)) is None:
        return
    stage, parts = found
    made = makers(audit)[stage.name]
    for path in (paths.root / stage.folder, *(paths.root / folder for folder in stage.beside)):
        path.mkdir(parents=True, exist_ok=True)
    if parts:
        commit(paths, stage, made(parts[0]))  # what is read once is read here
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda part: commit(paths, stage, made(part)), parts[1:]))


if __name__ == "__main__":
    os.fsync = lambda _handle: None  # nobody needs these parts after a power cut
    main()
