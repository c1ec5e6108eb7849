"""Finished runs of which only the tables are written: verdicts, scores, accuracy by cue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.run.paths import RunPaths
from xai_audit.schema import EVIDENCE, MANIFEST, SCORES, SUMMARY

CLASSES = ("daisy", "tulip", "rose")


def cell(name: str, cue: str = "border", verdict: str = "clear", **more: Any) -> dict[str, Any]:
    """A row of EVIDENCE without an effect to speak of."""
    row = {"class_name": name, "cue": cue, "method": "gradcam", "verdict": verdict}
    row |= {"because": f"Said of {name} and {cue}.", "n_images": 24} | effect(0.0, 0.05)
    row |= {"question": "reliance" if verdict == "confirmed" else None}
    return row | more


def effect(value: float, reach: float, question: str = "reliance") -> dict[str, float]:
    """An estimate and an interval that reaches as far on either side."""
    ends = {"_low": value - reach, "_high": value + reach, "": value}
    return {f"{question}{end}": each for end, each in ends.items()}


def made(
    root: Path,
    cells: list[dict[str, Any]] | None = None,
    *,
    right: int = 90,
    wrong: int = 0,
    core: tuple[float, int] | None = (0.95, 100),
    labelled: bool = True,
) -> RunPaths:
    """A run in ``root``.

    Args:
        root: its folder.
        cells: rows of EVIDENCE; None: the evidence has not been measured.
        right: photos that are predicted right.
        wrong: photos that are not.
        core: accuracy by the object alone, and of how many photos; None: not measured.
        labelled: whether labels are known.
    """
    paths = RunPaths(root)
    root.mkdir(parents=True, exist_ok=True)
    rows = [_photo(n, n < right, labelled=labelled) for n in range(right + wrong)]
    _write(paths.manifest, rows, MANIFEST)
    _write(paths.part(paths.scores, 0), rows, SCORES)
    if cells is not None:
        _write(paths.evidence, cells, EVIDENCE)
        summary = [{"cue": "all", "accuracy_with": 0.9, "accuracy_without": 0.4, "n_images": 90}]
        if core is not None:
            object_alone = {"accuracy_with": 1.0, "accuracy_without": core[0], "n_images": core[1]}
            summary.append({"cue": "background"} | object_alone)
        _write(paths.summary, summary, SUMMARY)
    record = {
        "schema_version": 2,
        "classes": dict(enumerate(CLASSES)),
        "dataset_root": str(root / "photos"),
        "counts": {"ok": len(rows)},
        "config": {"evidence": {"stop_below": 0.2}, "dataset": {"name": "flowers"}},
        "limits": {"reliance": 0.2, "q": 0.05},
        "identity": {"methods": ["gradcam"]},
        "model": {"name": "net"},
        "seed": 0,
        "arguments": ["dataset=flowers"],
        "finished": {"index": "2026-01-01T00:00:00+00:00", "verdict": "2026-01-02T00:00:00+00:00"},
        "versions": {"xai_audit": "0.1.0"},
    }
    paths.run_json.write_text(json.dumps(record))
    paths.model_json.write_text(json.dumps({"key": None, "facts": {"weights": "ab" * 32}}))
    return paths


def _photo(number: int, right: bool, *, labelled: bool) -> dict[str, Any]:
    label = number % len(CLASSES)
    name = CLASSES[label]
    row = {"image_id": f"{name}/{number:03d}.jpg", "class_name": name, "status": "ok"}
    row |= {"selected": True, "file_bytes": 1000 + number, "method": "gradcam"}
    row |= {"target_kind": "label", "pred": label if right else (label + 1) % len(CLASSES)}
    return row | {"label": label if labelled else None}


def _write(file: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    full = [{name: row.get(name) for name in schema.names} for row in rows]
    pq.write_table(pa.Table.from_pylist(full, schema), file)
