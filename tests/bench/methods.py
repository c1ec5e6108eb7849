"""Attribution methods against the forwards and gradients that they cannot do without, and peers.

All sides of a comparison run in this process, in turn, in rounds, on the same images; a ratio is
taken within a round, and the median told. A floor is the model's own work as a bare loop: the same
frozen, folded, channels_last model, batches of the same size, nothing else. Peers get the plain
model, as their users do.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from captum.attr import KernelShap
from lime.lime_image import LimeImageExplainer
from pytorch_grad_cam import ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchvision.models import resnet18, resnet50

from tests.bench import photos
from tests.bench.child import audit_command, finished, shown
from tests.bench.rows import Row, skipped
from tests.methods.asking import loaded, method, request
from xai_audit.methods._coalitions import segments
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from xai_audit.attribute.request import CachedRequest
    from xai_audit.types import LoadedModel

COMMAND = "python -m tests.bench methods"
SIDE, ROOM = 224, 32
SHARED_PASS = ("gradcam", "layercam", "gradcam++")
# The path and channel methods on a small network, for the time they take.
SMALL, LARGE = (f"{net} {SIDE} px fp32, batch {ROOM}" for net in ("ResNet-18", "ResNet-50"))


def run(shared: Path, quick: bool) -> list[Row]:
    """A row a bound."""
    rounds = 1 if quick else 3
    torch.manual_seed(0)
    plain, large = (make(weights=None, num_classes=17).eval() for make in (resnet18, resnet50))
    model = loaded(copy.deepcopy(plain), SIDE)
    return [
        _integrated_gradients(model, rounds, steps=4 if quick else 32),
        *_coalitions(large, rounds, samples=40 if quick else 256),
        _scorecam(plain, model, rounds, images=1 if quick else 2),
        _one_pass(shared, photos_of=34 if quick else 170, rounds=rounds),
    ]


def ratio(sides: dict[str, Callable[[], object]], rounds: int, ours: str) -> dict[str, float]:
    """Side -> how many times as long as ``ours`` it takes, the median of ``rounds``."""
    found: dict[str, list[float]] = {name: [] for name in sides if name != ours}
    for _ in range(rounds):
        seconds = {}
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            seconds[name] = time.perf_counter() - start
        for name, ratios in found.items():
            ratios.append(seconds[name] / seconds[ours])
    return {name: median(ratios) for name, ratios in found.items()}


def _row(what: str, times: float, least: float, setting: str = SMALL) -> Row:
    return Row(
        what=f"{what}, {setting}",
        bound=f">= {least}x",
        measured=f"{times:.2f}x",
        met=times >= least,
        command=COMMAND,
    )


def _question(model: LoadedModel, count: int) -> CachedRequest:
    rough = torch.randn(count, 3, 14, 14, generator=torch.Generator().manual_seed(1))
    images = torch.nn.functional.interpolate(rough, (SIDE, SIDE), mode="bicubic")
    images = images.contiguous(memory_format=torch.channels_last)
    return request(model, images, torch.arange(count) % 17, max_batch=ROOM)


def _integrated_gradients(model: LoadedModel, rounds: int, steps: int) -> Row:
    built = method("integrated_gradients", steps=steps, seed=0)
    images = _question(model, ROOM).images
    labels = torch.arange(ROOM) % 17

    def floor() -> None:
        for _ in range(steps):
            leaf = images.clone().requires_grad_()
            score = model.module(leaf).gather(1, labels[:, None]).sum()
            torch.autograd.grad(score, leaf)

    sides = {"ours": lambda: built.attribute(_question(model, ROOM)), "floor": floor}
    times = ratio(sides, rounds, "ours")["floor"]
    return _row(f"integrated_gradients against {steps} bare forwards and backwards", times, 0.9)


def _coalitions(plain: nn.Module, rounds: int, samples: int) -> list[Row]:
    """LIME and KernelSHAP: floor, then the package, of the same number of copies."""
    model = loaded(copy.deepcopy(plain), SIDE)
    keys = {"samples": samples, "pieces": 50, "seed": 0}
    labels = segments(_question(model, 1), "slic", 50)[0]

    def floor() -> None:
        images = _question(model, ROOM).images
        with torch.no_grad():
            for start in range(0, samples, ROOM):
                model.module(images[: min(ROOM, samples - start)])

    def lime() -> None:
        image = _question(model, 1).images[0]
        std, mean = (np.array(v) for v in (Preprocess().std, Preprocess().mean))
        pixels = image.permute(1, 2, 0).numpy() * std + mean

        def classify(copies: np.ndarray) -> np.ndarray:
            seen = (np.asarray(copies) - mean) / std
            with torch.no_grad():
                return plain(torch.from_numpy(seen).permute(0, 3, 1, 2).float()).numpy()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            LimeImageExplainer(random_state=0).explain_instance(
                pixels, classify, labels=(0,), top_labels=None, num_samples=samples,
                batch_size=ROOM, segmentation_fn=lambda _: labels.numpy(), random_seed=0,
            )  # fmt: skip

    def captum() -> None:
        KernelShap(plain).attribute(
            _question(model, 1).images, target=0, feature_mask=labels[None, None],
            n_samples=samples, perturbations_per_eval=ROOM,
        )  # fmt: skip

    rows = []
    for name, package, peer in (("lime", "lime", lime), ("kernel_shap", "Captum", captum)):
        built = method(name, **keys)
        sides = {
            "ours": lambda built=built: built.attribute(_question(model, 1)),
            "floor": floor,
            "peer": peer,
        }
        times = ratio(sides, rounds, "ours")
        what = f"{name}, {samples} copies of an image"
        rows += [
            _row(f"{what}, against the bare forwards", times["floor"], 0.95, LARGE),
            _row(f"{what}, against {package}", times["peer"], 1.25, LARGE),
        ]
    return rows


def _scorecam(plain: nn.Module, model: LoadedModel, rounds: int, images: int) -> Row:
    built = method("scorecam")

    def peer() -> None:
        question = _question(model, images)
        targets = [ClassifierOutputTarget(i % 17) for i in range(images)]
        with ScoreCAM(plain, [plain.layer4[-1]]) as reference:
            reference.batch_size = ROOM
            reference(question.images.contiguous(), targets)

    sides = {"ours": lambda: built.attribute(_question(model, images)), "peer": peer}
    times = ratio(sides, rounds, "ours")["peer"]
    return _row("scorecam against pytorch-grad-cam's", times, 3.0)


def _one_pass(shared: Path, photos_of: int, rounds: int) -> Row:
    """Whole commands: the methods in one pass, then each by itself."""
    bound, what = "<= 0.8x", f"{', '.join(SHARED_PASS)} in one pass against three runs"
    if not photos.present(shared):
        return skipped(what, bound, photos.ABSENT, COMMAND)
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        place = photos.copied(shared, Path(folder) / "photos", photos_of)

        def command(*more: str) -> list[str]:
            return audit_command([
                "dataset=imagefolder", f"dataset.root={place}", "model.arch=resnet18",
                "model.weights=null", "stages=[index,attribute,score]", "compute.device=cpu",
                f"output_dir={Path(folder) / 'out'}", *more,
            ])  # fmt: skip

        def seconds(*more: str) -> float:
            shutil.rmtree(Path(folder) / "out", ignore_errors=True)
            start = time.perf_counter()
            finished(command(*more))
            return time.perf_counter() - start

        together = f"methods=[{','.join(SHARED_PASS)}]"
        ratios = [
            seconds(together) / sum(seconds(f"method={name}") for name in SHARED_PASS)
            for _ in range(rounds)
        ]
        told = shown(command(together), TMP=Path(folder))
    times = median(ratios)
    return Row(
        what=f"{what}, whole commands, ResNet-18, {photos_of} photos",
        bound=bound,
        measured=f"{times:.2f}x",
        met=times <= 0.8,
        command=told,
    )
