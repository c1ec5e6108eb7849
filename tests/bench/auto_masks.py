"""How well masks that ``masks=auto`` makes agree with masks drawn by people, on Flowers-17.

Torchvision's own weights know no flower; a network that is trained here on half of the photos shows
what weights of one's own give. Intersection over union, void pixels on neither side, 0 for a photo
whose mask is refused.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy, interpolate
from torchvision.models import squeezenet1_0
from torchvision.transforms.v2.functional import normalize

from tests.bench import photos
from tests.bench.child import audit_command, finished
from tests.bench.planted.build import weights_file
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

COMMAND = "make bench ARGS=auto_masks"
_ARCHS = ("lraspp_mobilenet_v3_large", "deeplabv3_resnet50")
_OBJECT, _VOID = 255, 128
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# px of a photo's shorter side, as the network sees it, and of the squares that it is trained on.
_SIZE, _SIDE, _EPOCHS, _BATCH = 192, 160, 4, 8
_SECONDS = 180
# Layers of SqueezeNet's features that the head reads, and their channels.
_TAPS = {1: 96, 5: 256, 10: 512, 12: 512}


class Segmenter(nn.Module):
    """Flower or not, read off the features of a SqueezeNet 1.0 that is not trained further."""

    def __init__(self) -> None:
        super().__init__()
        self.features = squeezenet1_0().features.requires_grad_(False)
        self.read = nn.ModuleList(nn.Conv2d(channels, 32, 1) for channels in _TAPS.values())
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(32 * len(_TAPS), 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 2, 1)
        )

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 3, H, W) normalised -> ``out`` (B, 2, H, W), the background first."""
        taken, maps = [], images
        for number, layer in enumerate(self.features):
            maps = layer(maps)
            if number in _TAPS:
                taken.append(maps.clone())  # a ReLU in place may follow
        size = taken[1].shape[-2:]
        joined = [
            interpolate(read(each), size, mode="bilinear", align_corners=False)
            for read, each in zip(self.read, taken, strict=True)
        ]
        out = self.head(torch.cat(joined, 1))
        return {"out": interpolate(out, images.shape[-2:], mode="bilinear", align_corners=False)}


def network() -> nn.Module:
    """What ``masks.factory`` makes."""
    return Segmenter()


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """A row for each network: torchvision's own, and the one that is trained here."""
    if not (photos.images(shared).is_dir() and weights_file(shared).is_file()):
        yield skipped("IoU of made masks with given ones", NO_BOUND, photos.ABSENT, COMMAND)
        return
    seen, held_out = (half[:: 12 if quick else 1] for half in _halves(shared))
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        place = Path(folder)
        for name in held_out:
            (place / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photos.images(shared) / name, place / "photos" / name)
        for arch in _ARCHS:
            yield _measured(shared, place, held_out, arch, [f"masks.arch={arch}"])
        start = time.process_time()
        _train(shared, seen, place / "net.pth", epochs=1 if quick else _EPOCHS)
        spent = time.process_time() - start
        yield Row(
            f"a segmenter of flowers, trained on {len(seen)} photos: CPU time",
            f"<= {_SECONDS} s", f"{spent:.0f} s", quick or spent <= _SECONDS, COMMAND,
        )  # fmt: skip
        keys = ["masks.factory=tests.bench.auto_masks:network", f"masks.size={_SIZE}"]
        keys += [f"masks.weights={place / 'net.pth'}"]
        yield _measured(shared, place, held_out, "the network trained here", keys)
        yield _row(held_out, "a disc in the middle", {n: iou(*_disc(shared, n)) for n in held_out})


def _halves(shared: Path) -> tuple[list[str], list[str]]:
    """Two halves of the photos with masks; near-duplicates are in one of them."""
    split = pd.read_csv(photos.images(shared).parent / "split.csv")
    split = split[split["has_mask"] == 1].sort_values("file")
    odd = split["dup_group"] % 2 == 1
    return [*split["file"][odd]], [*split["file"][~odd]]


def _measured(shared: Path, place: Path, names: list[str], by: str, keys: list[str]) -> Row:
    """The row of one network: the command of a user, then its masks beside those given."""
    out = place / by.replace(" ", "_")
    command = audit_command([
        "dataset=imagefolder", f"dataset.root={place / 'photos'}", "masks=auto", *keys,
        "model.arch=squeezenet1_0", "model.weights=null", "compute.device=cpu",
        "stages=[index]", f"output_dir={out}",
    ])  # fmt: skip
    done = finished(command, check=False)
    if done.code == 2 and "cannot be downloaded" in done.stderr:
        what = f"IoU of masks by {by} with given ones"
        return skipped(what, NO_BOUND, "its weights cannot be downloaded", COMMAND)
    if done.code:
        return Row(
            f"IoU of masks by {by}", NO_BOUND, done.stderr[-300:], met=False, command=COMMAND
        )
    made = pd.read_parquet(RunPaths(out).masks).set_index("image_id")["mask"]
    found = {name: iou(_read(made[name]), _given(shared, name)) for name in names}
    refused = f"; {made.isna().sum()} refused"
    return _row(names, by, found, refused)


def _row(names: Sequence[str], by: str, found: dict[str, float], more: str = "") -> Row:
    values = [found[name] for name in names]
    least, middle = np.quantile(values, [0.1, 0.5])
    measured = f"mean {np.mean(values):.3f}, median {middle:.3f}, 10 % below {least:.3f}{more}"
    what = f"IoU of masks by {by} with given ones, {len(names)} photos of Flowers-17"
    return Row(what, NO_BOUND, measured, met=True, command=COMMAND)


def iou(made: NDArray[np.bool_] | None, given: NDArray[np.uint8]) -> float:
    """Intersection over union of two masks (H, W) where ``given`` is not void; 0 for None."""
    if made is None:
        return 0.0
    known, inside = given != _VOID, given == _OBJECT
    union = ((made | inside) & known).sum()
    return float((made & inside).sum() / union) if union else 1.0


def _read(data: bytes | None) -> NDArray[np.bool_] | None:
    return None if data is None else np.array(Image.open(io.BytesIO(data)))


def _given(shared: Path, name: str) -> NDArray[np.uint8]:
    with Image.open((photos.masks(shared) / name).with_suffix(".png")) as picture:
        return np.array(picture)


def _disc(shared: Path, name: str) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """A disc that knows nothing of the photo, a third of its side in radius, and the mask given."""
    given = _given(shared, name)
    height, width = given.shape
    y, x = np.ogrid[:height, :width]
    radius = min(height, width) / 3
    return (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2, given


def _train(shared: Path, names: list[str], file: Path, *, epochs: int) -> None:
    """Write the weights of a network whose head has learnt the masks of ``names``."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = Segmenter().train()
    known = torch.load(weights_file(shared), weights_only=True)
    own = {k.removeprefix("features."): v for k, v in known.items() if k.startswith("features.")}
    net.features.load_state_dict(own)
    steps = epochs * -(-len(names) // _BATCH)
    trained = [*net.read.parameters(), *net.head.parameters()]
    optimizer = torch.optim.Adam(trained, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(epochs):
        order = rng.permutation(len(names))
        for start in range(0, len(names), _BATCH):
            pairs = [_pair(shared, names[i], rng) for i in order[start : start + _BATCH]]
            images, wanted = (torch.stack(each) for each in zip(*pairs, strict=True))
            loss = cross_entropy(net(images)["out"], wanted, ignore_index=_VOID)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    torch.save(net.state_dict(), file)


def _pair(shared: Path, name: str, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A square of the photo (3, S, S), normalised, and what is there: 0, 1 or void."""
    with Image.open(photos.images(shared) / name) as picture:
        size = [round(side * _SIZE / min(picture.size)) for side in picture.size]
        photo = np.array(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR))
    given = np.array(Image.fromarray(_given(shared, name)).resize(size, Image.Resampling.NEAREST))
    top, left = (rng.integers(max(length - _SIDE, 0) + 1) for length in given.shape)
    place = np.s_[top : top + _SIDE, left : left + _SIDE]
    photo, given = photo[place], given[place]
    if rng.random() < 0.5:
        photo, given = photo[:, ::-1], given[:, ::-1]
    image = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255
    wanted = np.where(given == _VOID, _VOID, given == _OBJECT).astype(np.int64)
    return normalize(image, _MEAN, _STD), torch.from_numpy(wanted)
