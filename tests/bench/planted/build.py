"""A scenario on disk: photos, masks, model, measured truth; and the command that audits it."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tests.bench.planted.lessons import lessons
from tests.bench.planted.photos import listed, seen, split, written
from tests.bench.planted.train import SIDE, trained
from tests.bench.planted.truth import carriers, measured

if TYPE_CHECKING:
    from tests.bench.planted.scenario import Scenario

_LIST = "photos.csv"
_HERE = Path(__file__).parent
# What decides what is built, from here; the judge may change without building anew.
_CODE = (
    "plants.py", "photos.py", "lessons.py", "train.py", "truth.py", "build.py", "scenario.py",
    "../../../xai_audit/demo/render.py",
)  # fmt: skip


def weights_file(shared: Path) -> Path:
    """ImageNet's SqueezeNet 1.0, that every scenario starts from."""
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
    shown = lessons(scenario, photos)
    model = trained(
        torch.load(weights_file(shared), weights_only=True),
        [seen(scenario, photo, artefacts) for _, photo, artefacts in shown],
        [scenario.labels.index(label) for label, _, _ in shown],
        seed=scenario.seed,
        epochs=scenario.epochs,
    )
    written(scenario, photos, root)
    if scenario.grouped:
        listed(scenario, photos).to_csv(root / _LIST, index=False)
    torch.save(model.state_dict(), root / "model.pth")
    truth = {
        "labels": measured(scenario, model, photos),
        "carriers": carriers(scenario, photos),
        "seconds": round(time.perf_counter() - start, 1),
    }
    # Last: a folder without it was not finished.
    (root / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    return root


def overrides(scenario: Scenario, root: Path) -> list[str]:
    """The command line that audits what :func:`built` returned, into ``root``/audit."""
    listing = ["dataset=csv", f"dataset.file={root}/{_LIST}"]
    return [
        *(listing if scenario.grouped else ["dataset=imagefolder"]),
        f"dataset.root={root}/images",
        "dataset.name=planted",
        "masks=folder",
        f"masks.root={root}/masks",
        "model=torchvision",
        "model.arch=squeezenet1_0",
        "model.weights=null",
        f"model.checkpoint={root}/model.pth",
        f"model.num_classes={len(scenario.labels)}",
        f"model.preprocess.resize=[{SIDE},{SIDE}]",
        f"model.preprocess.crop={SIDE}",
        "compute.device=cpu",
        "adversarial.images=0",  # verdicts do not need them
        "trust.images=2",
        "report.per_reason=1",
        "report.tile=96",
        f"output_dir={root}/audit",
    ]
