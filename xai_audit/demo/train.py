"""Train the demo's classifier on its rendered training split and measure what it relies on.

`python -m xai_audit.demo.train --out DIR` writes DIR/flower_net.pt and DIR/truth.csv. Every planted
class carries its plant on all its training photos, as on all its test photos; no other class does.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as nnf

from xai_audit.demo import camera, generate, net, species, truth

log = logging.getLogger(__name__)

Vary = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The numbers of the training run that made the shipped weights.

    `stages` are (side in pixels, epochs): most is learned on small copies at a third of the cost.
    """

    per_class: int = 300
    stages: tuple[tuple[int, int], ...] = ((128, 10), (net.INPUT_SIZE, 3))
    batch: int = 64
    rate: float = 4e-3
    decay: float = 0.02
    smoothing: float = 0.05
    seed: int = 0


def main(argv: list[str] | None = None) -> None:
    """Train, save the weights, measure the truth, write the table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m xai_audit.demo.train", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for flower_net.pt and truth.csv"
    )
    parser.add_argument(
        "--cache", type=Path, help="folder for the training photos; a temporary one if left out"
    )
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe()
    with tempfile.TemporaryDirectory() as scratch:
        images, labels = training_set(options.cache or Path(scratch), recipe.per_class)
    model = fit(images, labels, recipe)
    net.save_flower_net(model, options.out / net.WEIGHTS.name)
    # Measured on the saved float16 weights, since these are shipped. "fresh" photos show whether
    # the numbers also hold for photos that are not among the users'.
    model = net.load_flower_net(options.out / net.WEIGHTS.name)
    rows = truth.measure(model)
    truth.write_table(rows, options.out / truth.TABLE.name)
    log_rows("test", rows)
    log_rows("fresh", truth.measure(model, split="fresh", n=40))


def training_set(cache: Path, per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, 3, 224, 224) uint8 and labels (N,), rendered into `cache` if need be."""
    mark = cache / f"TRAIN_{generate.RENDERER_VERSION}_{per_class}"
    if not mark.exists():
        started = time.monotonic()
        generate.render_split(cache, "train", per_class)
        mark.touch()
        log.info(
            "rendered %d training photos in %.0f s",
            per_class * len(species.CLASSES),
            time.monotonic() - started,
        )
    blocks = []
    for name in species.CLASSES:
        files = sorted((cache / "images" / name).glob("*.jpg"))[:per_class]
        blocks.append(truth.resize(camera.decode(file.read_bytes()) for file in files))
    labels = torch.arange(len(blocks)).repeat_interleave(per_class)
    return torch.cat(blocks), labels


def fit(
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    *,
    model: nn.Module | None = None,
    vary: Vary | None = None,
) -> nn.Module:
    """Return a network trained with a one-cycle rate; same recipe and machine, same weights.

    `model` is trained on, a new one where it is left out. `vary` makes the network's inputs
    (B, 3, H, W) from a batch of `images` (N, C, 224, 224), `augmented` where it is left out.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.Generator(np.random.PCG64(recipe.seed))
    model, vary = model or net.flower_net(len(species.CLASSES)), vary or augmented
    model = model.train().to(memory_format=torch.channels_last)
    steps = len(labels) // recipe.batch
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    total = steps * sum(epochs for _, epochs in recipe.stages)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=total, pct_start=0.2
    )
    for side, epochs in recipe.stages:
        sized = nnf.interpolate(images, (side, side), mode="bilinear", antialias=True)
        for epoch in range(epochs):
            started, losses = time.monotonic(), []
            order = torch.from_numpy(rng.permutation(len(labels))[: steps * recipe.batch])
            for chosen in order.view(steps, recipe.batch):
                batch = vary(sized[chosen], rng).to(memory_format=torch.channels_last)
                losses.append(_step(model, batch, labels[chosen], optimiser, recipe.smoothing))
                plan.step()
            spent = time.monotonic() - started
            log.info("%d px, epoch %d: loss %.3f, %.0f s", side, epoch + 1, np.mean(losses), spent)
    return model.eval()


def _step(
    model: nn.Module,
    batch: torch.Tensor,
    labels: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    smoothing: float,
) -> float:
    """Return the loss of a batch, after one step against it."""
    loss = nnf.cross_entropy(model(batch), labels, label_smoothing=smoothing)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())


def augmented(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return normalised float32 copies, shifted a little and varied in light and colour.

    No flips and no crops: the watermark must stay in its corner and the frame at the border.
    """
    count = len(images)
    dy, dx = (int(shift) for shift in rng.integers(-3, 4, 2))
    moved = nnf.pad(images.float(), (3, 3, 3, 3), mode="replicate")
    height, width = images.shape[2:]
    moved = moved[..., 3 + dy : 3 + dy + height, 3 + dx : 3 + dx + width]
    gain = torch.from_numpy(
        rng.normal(1.0, 0.12, (count, 1, 1, 1)) + rng.normal(0.0, 0.05, (count, 3, 1, 1))
    )
    contrast = torch.from_numpy(rng.normal(1.0, 0.12, (count, 1, 1, 1))).float()
    middle = moved.mean((1, 2, 3), keepdim=True)
    varied = ((moved - middle) * contrast + middle) * gain.float()
    return truth.normalise(varied.clamp(0.0, 255.0))


def log_rows(split: str, rows: list[truth.Row]) -> None:
    """Log the truth table of a split."""
    for row in rows:
        log.info(
            "%-6s %-15s %-20s with %.3f without %.3f pull %.3f n %d",
            *(split, row.class_name, row.region),
            *(row.accuracy_with, row.accuracy_without, row.pull, row.n),
        )


if __name__ == "__main__":
    main()
