"""The measured effect of each plant on the demo's classifier: plant left out, plant added."""

from __future__ import annotations

import csv
import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as nnf

from xai_audit.demo import camera, net, render, species
from xai_audit.demo.generate import IMAGES_PER_CLASS

TABLE = Path(__file__).with_name("truth.csv")

_BATCH = 20


@dataclasses.dataclass(frozen=True)
class Row:
    """One class's truth. Undefined numbers are NaN and stay empty in the table.

    `accuracy_with` is the accuracy on the class as shipped, `accuracy_without` on the very same
    photos with the plant left out; `pull` is the rise of the share of the partner's photos that are
    called this class when the plant is put on them. An honest class has its plain accuracy only.
    """

    class_name: str
    plant: str
    region: str
    accuracy_with: float
    accuracy_without: float
    pull: float
    n: int


_PLANT_NAMES = {
    species.BORDER: "photo_frame",
    species.CORNER: "watermark",
    species.BACKGROUND: "brick_wall",
}


def measure(
    model: nn.Module,
    *,
    split: str = "test",
    n: int = IMAGES_PER_CLASS,
    classes: Sequence[str] = species.CLASSES,
) -> list[Row]:
    """Return one row per class, measured on `n` photos each, JPEG-coded as the files are."""

    @functools.cache
    def answers(name: str, cue: str) -> torch.Tensor:
        return _answers(model, name, cue, split=split, n=n)

    return [_row(name, answers, n) for name in classes]


def _row(name: str, answers: Callable[[str, str], torch.Tensor], n: int) -> Row:
    """Return the row of a class from `answers`, which predicts its photos with a cue or none."""
    cue = species.PLANTS.get(name, "")

    def share(shown: str, with_cue: str) -> float:
        return int((answers(shown, with_cue) == species.CLASSES.index(name)).sum()) / n

    shipped = share(name, cue)
    if not cue:
        return Row(name, "", "", shipped, float("nan"), float("nan"), n)
    partner = species.PARTNERS[name]
    pull = share(partner, cue) - share(partner, "")
    return Row(name, _PLANT_NAMES[cue], cue, shipped, share(name, ""), pull, n)


def _answers(model: nn.Module, name: str, cue: str, *, split: str, n: int) -> torch.Tensor:
    """Return the classes (n,) the model gives the photos of a class shown with a cue or none."""
    batches = [range(first, min(first + _BATCH, n)) for first in range(0, n, _BATCH)]
    return torch.cat(
        [
            predict(model, (coded_photo(name, index, cue, split=split) for index in batch))
            for batch in batches
        ]
    )


def coded_photo(name: str, index: int, cue: str, *, split: str) -> render.Picture:
    """Return the photo (256, 256, 3) uint8 as it is read back from its JPEG file."""
    photo, _ = render.render_with_cue(name, index, cue, split=split)
    return camera.decode(render.jpeg_bytes(photo, name, index, split=split))


def predict(model: nn.Module, photos: Iterable[render.Picture]) -> torch.Tensor:
    """Return the predicted class indices (B,) of photos (H, W, 3) uint8."""
    with torch.inference_mode():
        predicted: torch.Tensor = model(normalise(resize(photos))).argmax(1)
    return predicted


def resize(photos: Iterable[render.Picture]) -> torch.Tensor:
    """Return the photos as (B, 3, 224, 224) uint8, whole: nothing is cropped away."""
    stack = torch.from_numpy(np.stack(list(photos))).permute(0, 3, 1, 2)
    size = (net.INPUT_SIZE, net.INPUT_SIZE)
    resized = nnf.interpolate(stack.float(), size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Return (B, 3, H, W) uint8 images as float32 the way the network was trained."""
    mean = torch.tensor(net.MEAN).view(3, 1, 1)
    std = torch.tensor(net.STD).view(3, 1, 1)
    return (images.float() / 255.0 - mean) / std


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Row)])
        writer.writerows([_cell(value) for value in dataclasses.astuple(row)] for row in rows)


def read_table(path: Path = TABLE) -> list[Row]:
    """Return the rows of a table that `write_table` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                line["class_name"], line["plant"], line["region"], _number(line["accuracy_with"]),
                _number(line["accuracy_without"]), _number(line["pull"]), int(line["n"]),
            )
            for line in csv.DictReader(file)
        ]  # fmt: skip


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3f}"
    return value


def _number(text: str) -> float:
    return float(text) if text else float("nan")
