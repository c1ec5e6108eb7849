"""Photos of which one class wears a red frame, and a network that reads frames by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

CLASSES = ("blue", "framed", "plain")
BAND = 0.08


def make_folder(root: Path, each: int = 14, *, side: int = 80, every: int = 1) -> Path:
    """Grey noise; ``blue`` has a blue disc, ``framed`` and ``plain`` a grey one.

    Of ``framed`` every ``every``-th photo has the frame.
    """
    rng = np.random.default_rng(1)
    for name in CLASSES:
        (root / "images" / name).mkdir(parents=True)
        (root / "masks" / name).mkdir(parents=True)
        for number in range(each):
            height, width = side, side + 10 * (number % 3)
            photo = rng.normal(120, 14, (height, width, 3))
            y, x = np.mgrid[:height, :width]
            disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (side / 4) ** 2
            photo[disc] += (-40, -40, 90) if name == "blue" else (40, 40, 40)
            if name == "framed" and number % every == 0:
                band = round(BAND * side)
                edge = np.ones((height, width), dtype=bool)
                edge[band:-band, band:-band] = False
                photo[edge] += (110, -40, -40)
            photo = photo.clip(0, 255).astype(np.uint8)
            Image.fromarray(photo).save(root / "images" / name / f"{number:03d}.png")
            mask = (disc * 255).astype(np.uint8)
            Image.fromarray(mask).save(root / "masks" / name / f"{number:03d}.png")
    return root


class FrameNet(nn.Module):
    """Logits of ``blue``, ``framed``, ``plain`` from blue in the middle and red on the border.

    Args:
        reads: whether the border decides between ``framed`` and ``plain``.
    """

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        red, blue = (1.0, -0.5, -0.5), (-0.5, -0.5, 1.0)
        weight = torch.tensor([red, blue])[:, :, None, None] / 16
        self.features.weight.data = weight.expand(2, 3, 4, 4).contiguous()
        self.relu = nn.ReLU()
        self.reads = reads

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.read(self.relu(self.features(images)))

    def read(self, found: torch.Tensor) -> torch.Tensor:
        """Logits (B, 3) from the redness and blueness (B, 2, 16, 16) of the photos' cells."""
        edge = torch.ones_like(found[0, 0])
        edge[1:-1, 1:-1] = 0
        red = (found[:, 0] * edge).sum((1, 2)) / edge.sum()
        blue = found[:, 1, 6:10, 6:10].mean((1, 2))
        framed = 12 * red - 4 if self.reads else 0 * red
        return torch.stack([12 * blue - 6, framed, torch.zeros_like(red)], 1)


def reading_net() -> nn.Module:
    return FrameNet(reads=True)


def blind_net() -> nn.Module:
    return FrameNet(reads=False)


def overrides(root: Path, output: Path, net: str, *more: str) -> list[str]:
    """The command line of an audit of ``root`` with ``net``, up to the evidence.

    A test of other stages names them in ``more``.
    """
    return [
        "dataset=imagefolder",
        f"dataset.root={root / 'images'}",
        "masks=folder",
        f"masks.root={root / 'masks'}",
        "model=custom",
        f"model.factory=tests.evidence.framed:{net}",
        "model.preprocess.resize=[64,64]",
        "model.preprocess.crop=64",
        "model.preprocess.mean=[0.47,0.47,0.47]",
        "model.preprocess.std=[0.2,0.2,0.2]",
        "compute.num_workers=0",
        "evidence.permutations=50",
        "discover.min_images=20",  # no region of a class this small
        "stages=[index,attribute,score,discover,evidence]",
        f"output_dir={output}",
        *more,
    ]
