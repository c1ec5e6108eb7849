"""Twenty stamps put on two models' photos: does the verdict agree with pasting them by hand?"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.stats import t

from tests.bench.child import audit_command, finished
from tests.bench.planted import scenarios
from tests.bench.planted.audits import CACHE
from tests.bench.planted.build import built, overrides, weights_file
from tests.bench.planted.train import network, view
from tests.bench.rows import NO_BOUND, Row, skipped
from tests.bench.stamp_looks import STAMPS
from xai_audit.config.nodes import EvidenceConfig
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from torch import nn

    from tests.bench.planted.scenario import Scenario
    from tests.bench.stamp_looks import Stamp

log = logging.getLogger(__name__)

COMMAND = "python -m tests.bench stamps"
# One has learned a corner text of real photos, the other a sticker of rendered ones.
_MODELS = ("text_bottom_right", "drawn_sticker")
_WHAT = "verdict agrees with the effect measured by pasting"
_LIMIT = EvidenceConfig().min_reliance
_BATCH = 24


@dataclass(frozen=True)
class Effect:
    """Mean change of a class's probability over photos, with its 95 % interval."""

    value: float
    low: float
    high: float


def run(shared: Path, quick: bool) -> list[Row]:
    """Rows: whether verdicts agree, and how far the effects are from each other.

    Args:
        shared: where photos and weights are.
        quick: whether two stamps and one model are enough.
    """
    if not weights_file(shared).is_file():
        return [skipped(_WHAT, "all", "no real photos and weights", COMMAND)]
    stamps, models = (STAMPS[3:5], _MODELS[:1]) if quick else (STAMPS, _MODELS)
    chosen = [s for s in scenarios.twins() if s.name in models]
    frames = [compared(scenario, built(scenario, shared, CACHE), stamps) for scenario in chosen]
    return rows(pd.concat(frames, ignore_index=True))


def compared(scenario: Scenario, root: Path, stamps: Sequence[Stamp]) -> pd.DataFrame:
    """A row a stamp and class: verdict and effects of the audit, ``pasted``, ``pasted_own``."""
    table = audited(scenario, root, stamps).set_index(["cue", "class_name"])
    model = network(len(scenario.labels)).eval()
    model.load_state_dict(torch.load(root / "model.pth", weights_only=True))
    photos = {
        label: [Image.open(file) for file in sorted((root / "images" / label).iterdir())]
        for label in scenario.labels
    }
    plain = {label: probabilities(model, each) for label, each in photos.items()}
    found = []
    for stamp in stamps:
        image = stamp.look()
        changes = {
            label: probabilities(model, [pasted(p, image, stamp) for p in each]) - plain[label]
            for label, each in photos.items()
        }
        for number, label in enumerate(scenario.labels):
            others = [change[:, number] for of, change in changes.items() if of != label]
            truth, row = effect(np.concatenate(others)), table.loc[(stamp.name, label)]
            found.append(
                {
                    "cell": f"{scenario.name} {label}/{stamp.name}",
                    "verdict": row["verdict"],
                    "effect": row["reliance"],
                    "effect_low": row["reliance_low"],
                    "n_images": row["n_images"],
                    "own": row["own"],
                    "pasted": truth.value,
                    "pasted_low": truth.low,
                    "pasted_own": float(changes[label][:, number].mean()),
                    "agrees": agrees(truth, row["verdict"]),
                }
            )
        log.info("%s\n%s", stamp.name, pd.DataFrame(found[-len(scenario.labels) :]).to_string())
    return pd.DataFrame(found)


def audited(scenario: Scenario, root: Path, stamps: Sequence[Stamp]) -> pd.DataFrame:
    """evidence.parquet of the product's own command with each stamp a cue of the user's own."""
    folder = root / "stamps"
    conf = folder / "conf" / "cue"
    conf.mkdir(parents=True, exist_ok=True)
    for stamp in stamps:
        image = folder / f"{stamp.name}.png"
        stamp.look().save(image)
        node = {
            "_target_": "xai_audit.cues.stamp.Stamp", "name": stamp.name, "image": str(image),
            "where": stamp.where, "size": stamp.size, "opacity": stamp.opacity, "text": None,
        }  # fmt: skip
        # JSON is YAML.
        (conf / f"{stamp.name}.yaml").write_text(json.dumps(node), encoding="utf-8")
    output = folder / f"audit_{len(stamps)}"
    command = [
        *("--config-dir", str(folder / "conf")),
        *(key for key in overrides(scenario, root) if not key.startswith("output_dir=")),
        f"cues=[{','.join(stamp.name for stamp in stamps)}]",
        "stages=[index,attribute,score,evidence]",
        f"output_dir={output}",
    ]
    finished(audit_command(command))
    return pd.read_parquet(RunPaths(output).evidence)


def pasted(photo: Image.Image, image: Image.Image, stamp: Stamp) -> Image.Image:
    """``photo`` with ``image`` where the stamp has its place, by PIL alone."""
    scale = stamp.size * min(photo.size) / max(image.size)
    drawn = image.resize(
        (max(round(image.width * scale), 1), max(round(image.height * scale), 1)),
        Image.Resampling.BILINEAR,
    )
    top, left = (
        min(max(round(share * side - length / 2), 0), side - length)
        for share, side, length in zip(
            stamp.where, (photo.height, photo.width), (drawn.height, drawn.width), strict=True
        )
    )
    alpha = drawn.getchannel("A").point(lambda value: value * stamp.opacity)
    out = photo.copy()
    out.paste(drawn.convert("RGB"), (left, top), alpha)
    return out


def probabilities(model: nn.Module, photos: Sequence[Image.Image]) -> np.ndarray:
    """(B, K) float32 of photos as the model sees them."""
    arrays = [np.asarray(photo) for photo in photos]
    with torch.no_grad():
        found = [
            model(view(arrays[start : start + _BATCH])).softmax(1)
            for start in range(0, len(arrays), _BATCH)
        ]
    return torch.cat(found).numpy()


def effect(changes: np.ndarray) -> Effect:
    """The mean of ``changes`` (n,) with Student's interval."""
    mean = float(changes.mean())
    half = float(t.ppf(0.975, len(changes) - 1) * changes.std(ddof=1) / len(changes) ** 0.5)
    return Effect(mean, mean - half, mean + half)


def agrees(truth: Effect, verdict: str) -> bool:
    """Whether the verdict is right: confirmed where all of the interval is above the limit.

    And not confirmed where the effect is below it; what lies between may be either.
    """
    if truth.low > _LIMIT:
        return verdict == "confirmed"
    return truth.value >= _LIMIT or verdict != "confirmed"


def rows(cells: pd.DataFrame) -> list[Row]:
    """The rows of the table of :func:`compared`."""
    wrong = cells[~cells["agrees"].astype(bool)]
    above = int((cells["pasted_low"] > _LIMIT).sum())
    below = int((cells["pasted"] < _LIMIT).sum())
    of = f"{above} cells with an effect, {below} without, {len(cells) - above - below} between"
    return [
        Row(
            f"{_WHAT}, {of}", "all",
            f"{len(cells) - len(wrong)} of {len(cells)}" + _listed(wrong.itertuples()),
            not len(wrong), COMMAND,
        ),
        _distance(cells, "effect", "other classes' photos"),
        _distance(cells, "own", "the class's own photos"),
    ]  # fmt: skip


def _listed(wrong: Iterable[pd.Series]) -> str:
    told = [
        f"{r.cell} {r.verdict} ({r.effect:.2f} of {r.n_images} images, pasted {r.pasted:.2f})"
        for r in wrong
    ]
    return f": {', '.join(told)}" if told else ""


def _distance(cells: pd.DataFrame, column: str, of: str) -> Row:
    apart = (cells[column] - cells[f"pasted{'_own' * (column == 'own')}"]).abs().dropna()
    what = f"stamp's effect on {of} less the pasted one, largest (mean)"
    return Row(what, NO_BOUND, f"{apart.max():.3f} ({apart.mean():.3f})", True, COMMAND)
