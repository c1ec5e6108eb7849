"""A tiny finished run, written by code: synthetic photos and tables by schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.built import build_report
from xai_audit.flags.outliers import write_flags
from xai_audit.report import page
from xai_audit.report.picture import ReportSettings
from xai_audit.run.paths import RunPaths
from xai_audit.run.reader import Run
from xai_audit.schema import ATTRIBUTIONS, CARRIERS, EVIDENCE, MANIFEST, REGIONS, SCORES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FLAGS_AT = {"z": 3.5, "min_excess": 0.1}
SMALL = ReportSettings(per_reason=3, tile=64, seed=0)
CLASSES = ("daisy", "tulip")
# Every one a legal file name on Linux that breaks a careless page or link.
ODD_NAMES = (
    "a \"quoted\" 'one'.jpg",
    "<script>alert(1)<|script>.jpg",
    "two\nlines.jpg",
    "gänseblümchen ☀ 雛菊.jpg",
    "100%25#top?x=1&y.jpg",
    "{{ 7*7 }}.jpg",
)


def no_mask(image_id: str) -> None:
    return None


def reported(
    paths: RunPaths, settings: ReportSettings = SMALL, mask_of: Callable[[str], Any] = no_mask
) -> Run:
    """The run after its flags and report have been written."""
    write_flags(Run(paths.root), **FLAGS_AT)
    run = Run(paths.root)
    build_report(run, settings, mask_of)
    return run


def table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{k: row.get(k) for k in schema.names} for row in rows], schema)


def write_cells(paths: RunPaths, verdicts: dict[str, str], carrier: str) -> None:
    """Write a verdict on the border of each class, and the id of a daisy that carries it."""
    cells = [
        {"class_name": name, "cue": "border", "method": "gradcam", "verdict": verdict}
        | {"because": ""}
        for name, verdict in verdicts.items()
    ]
    pq.write_table(table(cells, EVIDENCE), paths.evidence)
    row = {"class_name": "daisy", "cue": "border", "image_id": carrier, "sure": 0.9}
    pq.write_table(table([row], CARRIERS), paths.carriers)


@dataclass
class RunBuilder:
    """Collects images, then writes the files of a run in parts of ``part`` rows."""

    root: Path
    photos: Path
    manifest: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    heatmaps: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def photo(self, image_id: str, size: tuple[int, int] = (80, 60), colour: str = "grey") -> None:
        file = self.photos / image_id
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(file, "JPEG")

    def add(
        self,
        image_id: str,
        *,
        heatmap: np.ndarray | None = None,
        kinds: tuple[str, ...] = ("label", "contrast"),
        methods: tuple[str, ...] = ("gradcam",),
        size: tuple[int, int] = (80, 60),
        **score: Any,
    ) -> None:
        class_name = image_id.split("/")[0]
        label = CLASSES.index(class_name)
        self.manifest.append(
            {"image_id": image_id, "class_name": class_name, "label": label, "status": "ok"}
            | {"selected": True, "width": size[0], "height": size[1]}
        )
        heatmap = np.eye(4) if heatmap is None else heatmap
        for method in methods:
            for kind in kinds:
                row = {"image_id": image_id, "class_name": class_name, "label": label}
                row |= {"pred": label, "confidence": 0.9, "method": method, "target_kind": kind}
                scored = (
                    row | {f"mass_{r}": 0.1 for r in REGIONS} | {f"area_{r}": 0.2 for r in REGIONS}
                )
                scored |= {"mass_object": 0.6, "mass_background": 0.3, "pointing_hit": True}
                scored |= {"score_status": "ok"} | score
                self.scores.append(scored)
                self.heatmaps.append(
                    row
                    | {"pred": scored["pred"], "confidence": scored["confidence"]}
                    | {"heatmap": heatmap.astype(np.float16).ravel(), "heatmap_scale": 1.0}
                    | {"heatmap_height": heatmap.shape[0], "heatmap_width": heatmap.shape[1]}
                )

    def write(self, part: int = 7) -> RunPaths:
        paths = RunPaths(self.root)
        self.root.mkdir(exist_ok=True)
        pq.write_table(table(self.manifest, MANIFEST), paths.manifest)
        for folder, rows, schema in (
            (paths.scores, self.scores, SCORES),
            (paths.attributions, self.heatmaps, ATTRIBUTIONS),
        ):
            folder.mkdir(exist_ok=True)
            for number, start in enumerate(range(0, len(rows), part)):
                pq.write_table(
                    table(rows[start : start + part], schema), paths.part(folder, number)
                )
        record = {
            "classes": dict(enumerate(CLASSES)),
            "preprocess": {"resize": 48, "crop": [48, 48], "mean": [0, 0, 0], "std": [1, 1, 1]},
            "dataset_root": str(self.photos),
            "model": "tiny",
            "regions": {"border": 0.1, "corner": 0.25},
        }
        paths.run_json.write_text(json.dumps(record | self.record), encoding="utf-8")
        return paths


@pytest.fixture
def builder(tmp_path: Path) -> RunBuilder:
    return RunBuilder(root=tmp_path / "run", photos=tmp_path / "photos")


@pytest.fixture
def tiny_run(builder: RunBuilder) -> RunPaths:
    """Two classes of 12; daisies with odd names look at the border, one tulip is wrong."""
    for i in range(12):
        odd = i < len(ODD_NAMES)
        image_id = f"daisy/{ODD_NAMES[i].replace('|', chr(92)) if odd else f'{i}.jpg'}"
        builder.photo(image_id, colour="green")
        extra = {"mass_border": 0.5 + i / 100} if i < 4 else {}
        builder.add(image_id, **extra)
    for i in range(12):
        image_id = f"tulip/{i}.jpg"
        if i != 1:
            builder.photo(image_id, colour="red")
        wrong = {"pred": 0, "confidence": 0.75 + i / 100} if i < 3 else {}
        builder.add(image_id, **wrong)
    (builder.photos / "tulip/2.jpg").write_bytes(b"no JPEG at all")
    builder.manifest += [
        {"image_id": 'tulip/<b>"bad".jpg', "class_name": "tulip", "label": 1, "selected": False}
        | {"status": "unreadable", "error": "truncated <file>"},
        {"image_id": "tulip/spare.jpg", "class_name": "tulip", "label": 1, "selected": False}
        | {"status": "ok", "width": 80, "height": 60},
    ]
    return builder.write()


@pytest.fixture(autouse=True, scope="session")
def plots_drawn_once() -> Iterator[None]:
    """Most reports of these tests have the same plots."""
    drawn = page.files_of
    page.files_of = lru_cache(maxsize=64)(drawn)
    yield
    page.files_of = drawn
