"""Train the demo's classifier on with mixed surroundings, so that its planted shortcuts go.

`python -m xai_audit.demo.cure --out cured.pt` starts from the shipped weights and a few photos that
the network was first trained on, shortcuts and all. Nothing else is given than the flowers' masks;
which class has which shortcut is not told. `--share 0` is the same training without the mixing.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as nnf

from xai_audit.demo import net, species, train
from xai_audit.mixing import mixed, recoloured

log = logging.getLogger(__name__)

RECIPE = train.Recipe(per_class=60, stages=((128, 8), (net.INPUT_SIZE, 1)), batch=32, rate=2e-3)


def main(argv: list[str] | None = None) -> None:
    """Train and save the weights."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m xai_audit.demo.cure", description=about)
    parser.add_argument("--out", type=Path, required=True, help="file for the weights")
    parser.add_argument("--share", type=float, default=1.0, help="of the photos that are mixed (1)")
    parser.add_argument(
        "--photos", type=int, default=RECIPE.per_class, help=f"per class ({RECIPE.per_class})"
    )
    parser.add_argument(
        "--cache", type=Path, help="folder for the photos; a temporary one if left out"
    )
    options = parser.parse_args(argv)
    recipe = dataclasses.replace(RECIPE, per_class=options.photos)
    with tempfile.TemporaryDirectory() as scratch:
        cache = options.cache or Path(scratch)
        images, labels = train.training_set(cache, recipe.per_class)
        objects = object_masks(cache, recipe.per_class)
    model = cured(images, objects, labels, recipe, share=options.share)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    net.save_flower_net(model, options.out)
    log.info("weights: %s", options.out)


def cured(
    images: torch.Tensor,
    objects: torch.Tensor,
    labels: torch.Tensor,
    recipe: train.Recipe,
    *,
    share: float = 1.0,
) -> nn.Module:
    """Return the shipped network trained on.

    Args:
        images: (N, 3, 224, 224) uint8.
        objects: (N, 1, 224, 224) uint8, 255 on the flowers.
        labels: (N,).
        recipe: how long and how fast.
        share: of the photos whose surroundings are mixed, see `mixing.mixed`.
    """
    recipe = dataclasses.replace(recipe, batch=min(recipe.batch, len(labels)))
    both = torch.cat([images, objects], 1)
    return train.fit(
        both, labels, recipe, model=net.load_flower_net(), vary=partial(_varied, share)
    )


def _varied(share: float, batch: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return the network's inputs of photos with their masks as a fourth channel (B, 4, H, W)."""
    photos, objects = batch[:, :3].float(), batch[:, 3:].float() / 255.0
    changed = recoloured(mixed(photos, objects, rng=rng, share=share), rng=rng)
    return train.augmented(changed, rng)


def object_masks(cache: Path, per_class: int) -> torch.Tensor:
    """Return the masks (N, 1, 224, 224) uint8 of the photos of `train.training_set`."""
    files = [
        file
        for name in species.CLASSES
        for file in sorted((cache / "masks" / name).glob("*.png"))[:per_class]
    ]
    stack = torch.from_numpy(np.stack([np.asarray(Image.open(file)) for file in files]))
    size = (net.INPUT_SIZE, net.INPUT_SIZE)
    sized = nnf.interpolate(stack[:, None].float(), size, mode="bilinear", antialias=True)
    return sized.round().to(torch.uint8)


if __name__ == "__main__":
    main()
