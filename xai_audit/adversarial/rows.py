"""Rows of the adversarial table: sizes of the changes, and their energy by region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F

from xai_audit.adversarial.norms import LARGEST, ROOT_MEAN_SQUARE
from xai_audit.schema import ADVERSARIAL, ATTACKS, OK, REGIONS
from xai_audit.score.rows import quantised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.vision.loader import Batch

# Of a map of energy as stored: 8 px of a 224 px view.
_MOST_CELLS = 28


@dataclass(frozen=True)
class Outcome:
    """The result of one attack on B photos.

    Attributes:
        status: B of ``ok``, ``not_flipped`` (within the largest budget), ``no_gradient``,
            ``not_finite`` (logits), ``one_output``, ``out_of_memory``.
        change: (B, C, H, W) float32, grey levels; without meaning where the status is not ``ok``.
        flipped_to: (B,) int64.
        seen: (B,) share of the view that shows the photo; what the crop pads is never changed.
    """

    status: Sequence[str]
    change: torch.Tensor
    flipped_to: torch.Tensor
    seen: torch.Tensor


def adversarial_rows(
    batch: Batch,
    pred: Sequence[int | None],
    outcomes: Mapping[str, Outcome],
    regions: tuple[torch.Tensor, torch.Tensor],
) -> pa.Table:
    """The rows of ``batch``, those of a photo together, attacks in the order of ``ATTACKS``.

    Args:
        batch: B photos.
        pred: B decisions, None where the logits are not finite.
        outcomes: attack -> its outcome.
        regions: (B, R, H, W) coverage of each pixel and (B, R) areas, NaN where undefined.
    """
    tables = [_of(attack, batch, pred, outcomes[attack], regions) for attack in ATTACKS]
    count = len(batch.records)
    order = np.arange(len(tables) * count).reshape(len(tables), count).T.reshape(-1)
    return pa.concat_tables(tables).take(pa.array(order)).combine_chunks()


def status_rows(batch: Batch, status: str) -> pa.Table:
    """A row with nothing but ``status`` for every photo of ``batch`` and attack."""
    rows = [
        {"image_id": r.image_id, "class_name": r.class_name, "label": r.label}
        | {"attack": attack, "status": status, "region_status": status}
        for r in batch.records
        for attack in ATTACKS
    ]
    return pa.Table.from_pylist(rows, ADVERSARIAL)


def problem_rows(problems: Mapping[str, tuple[str, str]]) -> pa.Table:
    """A row for every photo that could not be read, and attack."""
    rows = [
        {"image_id": image_id, "attack": attack, "status": status, "region_status": status}
        for image_id, (status, _) in problems.items()
        for attack in ATTACKS
    ]
    return pa.Table.from_pylist(rows, ADVERSARIAL)


def _of(
    attack: str,
    batch: Batch,
    pred: Sequence[int | None],
    outcome: Outcome,
    regions: tuple[torch.Tensor, torch.Tensor],
) -> pa.Table:
    """The rows of one attack."""
    hit = np.array([status == OK for status in outcome.status])
    cover, area = regions
    squares = outcome.change.float().square().sum(1)
    energy = _shares(squares, cover)
    change, scale = quantised(_small(squares))
    height, width = change.shape[1:]
    flat = [
        row.reshape(-1) if ok else None for row, ok in zip(change.cpu().numpy(), hit, strict=True)
    ]
    per_region = {"energy": energy, "area": area, "lift": energy / area}
    columns = {
        "image_id": pa.array([record.image_id for record in batch.records]),
        "class_name": pa.array([record.class_name for record in batch.records]),
        "label": pa.array([record.label for record in batch.records], pa.int32()),
        "pred": pa.array(pred, pa.int32()),
        "attack": pa.array([attack] * len(hit)),
        "status": pa.array(outcome.status),
        "region_status": pa.array(_reasons(outcome.status, batch.mask_status, area)),
        "flipped_to": pa.array(outcome.flipped_to.cpu().numpy().astype(np.int32), mask=~hit),
        "epsilon": _masked(LARGEST.size(outcome.change), hit),
        "rms": _masked(ROOT_MEAN_SQUARE.size(outcome.change) / outcome.seen.sqrt(), hit),
        "l2": _masked(outcome.change.flatten(1).norm(dim=1), hit),
        **{
            f"{what}_{region}": _masked(values[:, index], hit | (what == "area"))
            for what, values in per_region.items()
            for index, region in enumerate(REGIONS)
        },
        "change_map": pa.array(flat, pa.list_(pa.float16())),
        "change_height": pa.array(np.full(len(hit), height, np.int32), mask=~hit),
        "change_width": pa.array(np.full(len(hit), width, np.int32), mask=~hit),
        "change_scale": _masked(scale, hit),
    }
    return pa.table([columns[name] for name in ADVERSARIAL.names], schema=ADVERSARIAL)


def _shares(squares: torch.Tensor, cover: torch.Tensor) -> torch.Tensor:
    """(B, R) share of ``squares`` (B, H, W) inside ``cover`` (B, R, H, W), summed in float64."""
    squares = squares.double()
    inside = torch.einsum("bhw,brhw->br", squares, cover.double())
    return inside / squares.sum((1, 2))[:, None]


def _small(squares: torch.Tensor) -> torch.Tensor:
    """``squares`` (B, H, W) on a grid of at most 28 cells a side, a cell its pixels' mean."""
    size = min(squares.shape[1], _MOST_CELLS), min(squares.shape[2], _MOST_CELLS)
    return F.adaptive_avg_pool2d(squares[:, None], size)[:, 0]


def _masked(values: torch.Tensor, known: np.ndarray) -> pa.Array:
    """A float32 column, null where not ``known`` or NaN."""
    shown = np.where(known, values.cpu().double().numpy(), np.nan)
    return pa.array(shown.astype(np.float32), from_pandas=True)


def _reasons(status: Sequence[str], mask_status: Sequence[str], area: torch.Tensor) -> list[str]:
    """Why energies of each row are null: ``ok`` or ``what=reason`` joined by ``;``."""
    reasons = []
    for attack, mask, hidden in zip(status, mask_status, (area == 0).tolist(), strict=True):
        found = [] if attack == OK else [f"change={attack}"]
        found += [] if mask == OK else [f"mask={mask}"]
        found += [f"{r}=not_in_view" for r, out in zip(REGIONS, hidden, strict=True) if out]
        reasons.append(";".join(found) or OK)
    return reasons
