"""Photos of two labels: ``marked`` is decided by a white corner, ``bright`` by the object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

SIDE, CORNER = 64, 16
# Which label each photo has, in turn.
SETS = (("bright", "marked"), ("bright",), ("marked",), ())


def make(root: Path, each: int = 10) -> Path:
    """``root/photos.csv`` with the column labels, and ``root/columns.csv`` with one a class.

    Every 5th photo of a set looks like one of the next set, so that some decisions are wrong.
    """
    rng = np.random.default_rng(0)
    lines, columns = ["path,labels,mask"], ["path,bright,marked,mask"]
    for place, labels in enumerate(SETS):
        for number in range(each):
            shown = SETS[(place + 1) % len(SETS)] if number % 5 == 4 else labels
            name = f"{place}_{number:02d}"
            pixels, mask = _drawn(rng, shown)
            Image.fromarray(pixels).save(root / f"{name}.png")
            Image.fromarray(mask).save(root / f"{name}_mask.png")
            lines.append(f"{name}.png,{'|'.join(labels)},{name}_mask.png")
            one = ",".join(str(int(label in labels)) for label in ("bright", "marked"))
            columns.append(f"{name}.png,{one},{name}_mask.png")
    (root / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "columns.csv").write_text("\n".join(columns) + "\n", encoding="utf-8")
    return root


def _drawn(rng: np.random.Generator, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A photo and its object's mask; the object's place varies, and how bright things are."""
    pixels = rng.integers(70, 110, (SIDE, SIDE, 3), np.uint8)
    y, x = rng.integers(24, 32, 2)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y : y + 16, x : x + 16] = 255
    level = rng.integers(170, 200) if "bright" in labels else rng.integers(10, 40)
    pixels[mask > 0] = level
    if "marked" in labels:
        pixels[:CORNER, :CORNER] = rng.integers(215, 255)
    return pixels, mask


class TwoRules(nn.Module):
    """Logits (B, 2) of photos 0..1: bright by the middle, marked by the top left corner."""

    def __init__(self) -> None:
        super().__init__()
        # The identity, as a layer with positions that can be explained.
        self.seen = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.constant_(self.seen.weight, 1 / 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = self.seen(images)
        middle = grey[:, 0, 20:52, 20:52].mean((1, 2))
        corner = grey[:, 0, :CORNER, :CORNER].mean((1, 2))
        return torch.stack([40 * (middle - 0.36), 10 * (corner - 0.6)], 1)


def one_logit() -> nn.Module:
    """A network of one class."""
    layers = nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(4, 1))


def overrides(photos: Path, out: Path, *more: str, table: str = "photos.csv") -> list[str]:
    """The command line of an audit up to the scores; the last word counts."""
    return [
        "dataset=csv",
        f"dataset.file={photos / table}",
        "model=custom",
        "model.factory=tests.multilabel.rendered:TwoRules",
        f"model.preprocess.resize={SIDE}",
        f"model.preprocess.crop={SIDE}",
        "model.preprocess.mean=[0,0,0]",
        "model.preprocess.std=[1,1,1]",
        "method=saliency",
        "compute.num_workers=0",
        "stages=[index,attribute,score]",
        f"output_dir={out}",
        *more,
    ]


def probabilities(file: Path) -> np.ndarray:
    """Of bright and marked, (2,) float64, of one photo: :class:`TwoRules` without torch."""
    grey = np.asarray(Image.open(file), np.float64).mean(2) / 255
    middle, corner = grey[20:52, 20:52].mean(), grey[:CORNER, :CORNER].mean()
    return 1 / (1 + np.exp(-np.array([40 * (middle - 0.36), 10 * (corner - 0.6)])))
