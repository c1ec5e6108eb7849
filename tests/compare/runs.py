"""Finished runs made up of tables alone, with effects that are known."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit import schema
from xai_audit.evidence.columns import PHOTOS, SURVEY
from xai_audit.run.paths import RunPaths
from xai_audit.run.reader import Run
from xai_audit.statistics.estimate import paired
from xai_audit.statistics.intervals import effect_interval

LIMIT = 0.2
GRID = 4


@dataclass
class MadeUp:
    """A run of ``per_class`` photos a class, whose cells are added with their pairs' effects."""

    root: Path
    classes: tuple[str, ...] = ("rose", "tulip")
    per_class: int = 24
    seed: int = 0
    bytes_of: int = 1000
    record: dict[str, Any] = field(default_factory=dict)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    heat_shift: int = 0
    first: int = 0

    def ids(self, name: str) -> list[str]:
        return [f"{name}/{n}.jpg" for n in range(self.first, self.first + self.per_class)]

    def cell(
        self,
        name: str,
        cue: str,
        effects: np.ndarray,
        *,
        donors: int = 0,
        verdict: str = "",
        places: np.ndarray | None = None,
    ) -> MadeUp:
        """Reliance of one cell: the photo at place i (of ``places``) has ``effects[i]``.

        ``donors`` shifts who gives the cue.
        """
        ids = self.ids(name)
        other = self.ids(next(one for one in self.classes if one != name))
        where = range(len(effects)) if places is None else places.tolist()
        for place, effect in zip(where, effects.tolist(), strict=True):
            self.pairs.append(
                {
                    **{"class_name": name, "cue": cue, "question": "reliance"},
                    **{"image_id": ids[place], "image_class": name},
                    "donor_with": ids[(place + 1 + donors) % len(ids)],
                    "donor_without": other[(place + donors) % len(other)],
                    **{"p_with": 0.5 + effect / 2, "p_without": 0.5 - effect / 2},
                    **{"correct_with": True, "correct_without": bool(effect < 0.5)},
                }
            )
        found = paired(effects, seed=0, interval=effect_interval)
        decided = "undetermined"
        if found.low >= LIMIT:
            decided = "confirmed"
        elif found.high < LIMIT:
            decided = "clear"
        decided = verdict or decided
        self.evidence.append(
            {
                **{"class_name": name, "cue": cue, "method": "gradcam", "n_images": len(effects)},
                **{"reliance": found.value, "reliance_low": found.low, "reliance_high": found.high},
                **{"reliance_p": found.p, "verdict": decided, "because": "made up"},
                "question": "reliance" if decided == "confirmed" else None,
                "measured_on": "own",
            }
        )
        return self

    def write(self) -> Run:
        paths = RunPaths(self.root)
        paths.root.mkdir(parents=True)
        ids = [one for name in self.classes for one in self.ids(name)]
        named = {one: one.rpartition("/")[0] for one in ids}
        labels = {name: number for number, name in enumerate(self.classes)}
        manifest, scores, maps, photos, survey = [], [], [], [], []
        for number, one in enumerate(ids):
            name = named[one]
            pred = self.wrong.get(one, name)
            row = {"image_id": one, "class_name": name, "label": labels[name]}
            manifest.append(
                row | {"status": "ok", "selected": True, "file_bytes": self.bytes_of + number}
            )
            row |= {"pred": labels[pred], "confidence": 0.9, "method": "gradcam"}
            row |= {"target_kind": "label"}
            border = 0.1 + 0.01 * (number % 7) + 0.05 * self.heat_shift
            scores.append(row | {"mass_border": border, "score_status": "ok"})
            rng = np.random.default_rng(zlib.crc32(one.encode()))
            heat = np.roll(rng.permutation(GRID * GRID), self.heat_shift).astype(np.float16)
            maps.append(
                row
                | {"heatmap": heat, "heatmap_scale": 1.0}
                | {"heatmap_height": GRID, "heatmap_width": GRID}
            )
            photos.append(
                {"image_id": one, "class_name": name, "near_group": number, "cluster": number}
                | {"correct": pred == name}
            )
            survey.append({"image_id": one, "cue": "border", "hash": zlib.crc32(one.encode())})
        for place, rows, columns in (
            (paths.manifest, manifest, schema.MANIFEST),
            (paths.part(paths.scores, 0), scores, schema.SCORES),
            (paths.part(paths.attributions, 0), maps, schema.ATTRIBUTIONS),
            (paths.surveyed, photos, PHOTOS),
            (paths.part(paths.survey, 0), survey, SURVEY),
            (paths.part(paths.transplants, 0), self.pairs, schema.TRANSPLANTS),
            (paths.evidence, self.evidence, schema.EVIDENCE),
        ):
            place.parent.mkdir(parents=True, exist_ok=True)
            whole = [{name: row.get(name) for name in columns.names} for row in rows]
            pq.write_table(pa.Table.from_pylist(whole, schema=columns), place)
        record = {
            "seed": self.seed,
            "classes": dict(enumerate(self.classes)),
            "limits": {"q": 0.05, "reliance": LIMIT},
        }
        paths.run_json.write_text(json.dumps(record | self.record), encoding="utf-8")
        return Run(self.root)


def around(mean: float, count: int, seed: int, spread: float = 0.05) -> np.ndarray:
    """Effects of ``count`` photos around ``mean``."""
    return np.clip(mean + np.random.default_rng(seed).normal(0, spread, count), -1, 1)
