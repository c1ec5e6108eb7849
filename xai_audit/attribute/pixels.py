"""How many of a few photos a model is right on where their pixels are scaled in other ways."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from xai_audit.attribute.chance import Try, is_better
from xai_audit.language import tell
from xai_audit.network.inputs import AdaptiveBatch, Inputs
from xai_audit.run.sample import drawn
from xai_audit.vision.loader import batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xai_audit.types import Preprocess
    from xai_audit.vision.loader import Batch
    from xai_audit.work.audit import Audit

COUNT = 64
_CONFIGURED = tell("pixels as configured")
# Mean, standard deviation and scale; of a model of one channel the mean of each is taken.
_COMMON: dict[str, tuple[tuple[float, ...], tuple[float, ...], float]] = {
    tell("ImageNet's mean and standard deviation"): (
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        1 / 255,
    ),
    tell("pixels from 0 to 1"): ((0.0,) * 3, (1.0,) * 3, 1 / 255),
    tell("pixels from -1 to 1"): ((0.5,) * 3, (0.5,) * 3, 1 / 255),
    tell("pixels from 0 to 255"): ((0.0,) * 3, (1.0,) * 3, 1.0),
}


def other_pixels(audit: Audit) -> list[Try]:
    """The model's own preprocessing and the common ones, each on the same 64 photos.

    Resize and crop stay as they are. The order of the channels does too: no key changes it. Of a
    model of outputs only there is none.

    Args:
        audit: with the manifest and what decoding found; its model is opened if it is not yet.
    """
    if audit.facts.forward_only:  # it is given photos, whatever mean and standard deviation are
        return []
    present, outputs = audit.facts.preprocess, audit.facts.num_outputs
    ways = {_CONFIGURED: present} | common(present)
    right, n = _right(audit, ways)
    tries = []
    for name, preprocess in ways.items():
        fits = is_better(right[name], n, outputs) and right[name] > right[_CONFIGURED]
        tries.append(Try(name, right[name], n, fits, keys(present, preprocess)))
    return tries


def common(present: Preprocess) -> dict[str, Preprocess]:
    """The common preprocessings by name, with the number of channels of ``present``, but itself."""
    found = {}
    for name, (mean, std, scale) in _COMMON.items():
        if len(present.mean) == 1:
            mean, std = (sum(mean) / 3,), (sum(std) / 3,)
        other = replace(present, mean=mean, std=std, scale=scale)
        if keys(present, other):
            found[name] = other
    return found


def keys(present: Preprocess, other: Preprocess) -> str:
    """The overrides of the command line that make ``other`` of ``present``, "" for none."""
    changed = []
    for name in ("mean", "std"):
        values = getattr(other, name)
        if not all(map(math.isclose, getattr(present, name), values)):
            shown = ",".join(f"{value:.10g}" for value in values)
            changed.append(f"model.preprocess.{name}=[{shown}]")
    if not math.isclose(present.scale, other.scale):
        changed.append(f"model.preprocess.scale={other.scale:.10g}")
    return " ".join(changed)


def _right(audit: Audit, ways: Mapping[str, Preprocess]) -> tuple[Counter[str], int]:
    """Name -> photos that the model is right on, of how many."""
    rows = drawn(audit.usable(), COUNT, audit.settings.seed)
    size = min(audit.compute.batch_size, COUNT)
    load = audit.load(batch_size=size, num_workers=0)
    precision = audit.facts.precision
    inputs = {
        name: Inputs(replace(audit.model, preprocess=preprocess), precision)
        for name, preprocess in ways.items()
    }
    right: Counter[str] = Counter()
    n, adaptive = 0, AdaptiveBatch(size)
    for _, batch in batches(audit.photos(rows, load), [range(rows.num_rows)], load):
        n += len(batch.records)
        for name, of_way in inputs.items():
            right[name] += sum(_pieces(audit.model.module, adaptive, batch, of_way))
    return right, n


def _pieces(
    module: torch.nn.Module, adaptive: AdaptiveBatch, batch: Batch, inputs: Inputs
) -> Iterator[int]:
    """How many photos of each piece of ``batch`` are right; 0 where memory runs out."""
    photos = batch.photos
    if photos is None:
        return

    def count(piece: slice) -> int:
        labels = torch.tensor([record.label for record in batch.records[piece]])
        with torch.no_grad(), inputs.autocast():
            logits = module(inputs.normalised(photos[piece])).float().cpu()
        known = logits.isfinite().all(1)
        return int(((logits.argmax(1) == labels) & known).sum())

    for _, right in adaptive.over(len(batch.records), count):
        yield right or 0
