"""A scenario on disk: photos, masks, model, measured truth; and the command that audits it."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tests.bench.planted import convnext
from tests.bench.planted.lessons import lessons
from tests.bench.planted.photos import listed, seen, split, written
from tests.bench.planted.scenario import CONVNEXT
from tests.bench.planted.train import trained
from tests.bench.planted.truth import answering, carriers, measured, victims

if TYPE_CHECKING:
    from torch import nn

    from tests.bench.planted.photos import Split
    from tests.bench.planted.scenario import Scenario

_LIST = "photos.csv"
_HERE = Path(__file__).parent
# What decides what is built, from here; the judge may change without building anew.
_CODE = (
    "plants.py", "photos.py", "lessons.py", "train.py", "convnext.py", "truth.py", "build.py",
    "scenario.py", "../../../xai_audit/demo/render.py",
)  # fmt: skip


def weights_file(shared: Path) -> Path:
    """ImageNet's SqueezeNet 1.0, where the scenarios of the trunk ``squeezenet`` start."""
    return shared / "models" / "squeezenet1_0_imagenet.pth"


def fingerprint(scenario: Scenario, held_out: int) -> str:
    """16 hexadecimal digits of the scenario, its size and the code that builds it."""
    digest = hashlib.sha256(repr((scenario, held_out)).encode())
    for name in _CODE:
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def built(scenario: Scenario, shared: Path, cache: Path, *, held_out: int | None = None) -> Path:
    """The scenario's folder: images/, masks/, model.pth and truth.json; built where it is not.

    Args:
        scenario: what to build.
        shared: where photos and weights are.
        cache: where the folder goes.
        held_out: photos a label to audit; None: as many as the scenario wants.
    """
    held_out = scenario.held_out if held_out is None else held_out
    root = cache / f"{scenario.name}-{fingerprint(scenario, held_out)}"
    if (root / "truth.json").is_file():
        return root
    start = time.perf_counter()
    photos = split(scenario, shared, held_out)
    model = _taught(scenario, photos, shared)
    written(scenario, photos, root)
    if scenario.grouped:
        listed(scenario, photos).to_csv(root / _LIST, index=False)
    torch.save(model.state_dict(), root / "model.pth")
    answers = answering(scenario, model, photos)
    truth = {
        "labels": measured(scenario, photos, answers),
        "victims": victims(scenario, answers),
        "carriers": carriers(scenario, photos),
        "seconds": round(time.perf_counter() - start, 1),
    }
    # Last: a folder without it was not finished.
    (root / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    return root


def _taught(scenario: Scenario, photos: Split, shared: Path) -> nn.Module:
    shown = lessons(scenario, photos)
    pictures = [seen(scenario, photo, artefacts) for _, photo, artefacts in shown]
    labels = [scenario.labels.index(label) for label, _, _ in shown]
    if scenario.trunk == CONVNEXT:
        return convnext.trained(pictures, labels, seed=scenario.seed, epochs=scenario.epochs)
    weights = torch.load(weights_file(shared), weights_only=True)
    return trained(weights, pictures, labels, seed=scenario.seed, epochs=scenario.epochs)


def overrides(scenario: Scenario, root: Path) -> list[str]:
    """The command line that audits what :func:`built` returned, into ``root``/audit."""
    listing = ["dataset=csv", f"dataset.file={root}/{_LIST}"]
    masks = ["masks=folder", f"masks.root={root}/masks"]
    model = ["model=torchvision", "model.arch=squeezenet1_0", "model.weights=null"]
    if scenario.trunk == CONVNEXT:
        model = ["model=custom", "model.factory=tests.bench.planted.convnext:network"]
    return [
        *(listing if scenario.grouped else ["dataset=imagefolder"]),
        f"dataset.root={root}/images",
        "dataset.name=planted",
        *(masks if scenario.masks else ["masks=none"]),
        *model,
        f"model.checkpoint={root}/model.pth",
        f"model.num_classes={len(scenario.labels)}",
        f"model.preprocess.resize=[{scenario.side},{scenario.side}]",
        f"model.preprocess.crop={scenario.side}",
        "compute.device=cpu",
        "adversarial.images=0",  # verdicts do not need them
        "augmentation.images=0",
        "trust.images=2",
        "report.per_reason=1",
        "report.tile=96",
        f"output_dir={root}/audit",
    ]
