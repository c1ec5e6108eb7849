"""Heatmaps against Captum's, region masses against slow float64 arithmetic."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerGradCam
from PIL import Image
from torchvision import models

from tests.bench import photos
from tests.bench.child import ChildError, audit_command, finished, shown
from tests.bench.rows import Row, skipped
from tests.methods.test_gradcam import FAMILIES, explained
from xai_audit.network.prepare import prepare
from xai_audit.run.paths import RunPaths
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COSINE_BOUND = 0.9999
MASS_BOUND = 1e-5
# What the command's own defaults and the checkpoint's transform say.
SIDE, CROP, BORDER, CORNER = 256, 224, 0.08, 0.25


def run(shared: Path, quick: bool) -> list[Row]:
    """A row for the heatmaps, one for the masses."""
    return [_heatmaps(quick=quick), _masses(shared, quick=quick)]


def _heatmaps(*, quick: bool) -> Row:
    families, images = (("resnet18", "squeezenet1_1"), 2) if quick else (tuple(FAMILIES), 8)
    cosines = {family: _cosines(family, images) for family in families}
    worst = min(cosines, key=lambda family: min(cosines[family]))
    return Row(
        what=f"Grad-CAM against Captum's LayerGradCam, {', '.join(families)}, fp32, after ReLU",
        bound=f"cosine >= {COSINE_BOUND}",
        measured=f"worst of {sum(map(len, cosines.values()))} maps {min(cosines[worst]):.8f} "
        f"({worst})",
        met=min(cosines[worst]) >= COSINE_BOUND,
        command="python -m tests.bench agreement",
    )


def _cosines(family: str, count: int) -> list[float]:
    """One a photo whose map is not 0 everywhere; where one side's is, the other's must be."""
    torch.manual_seed(1)
    network = getattr(models, family)(weights=None, num_classes=17).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.7, 1.3)
    images = torch.randn(count, 3, CROP, CROP)
    with torch.no_grad():
        labels = network(images).argmax(1)
    layer = network.get_submodule(FAMILIES[family])
    theirs = LayerGradCam(network, layer).attribute(images, labels, relu_attributions=True)
    spec = ModelSpec(network, Preprocess(), family, FAMILIES[family])
    _, maps = explained(prepare(spec, device="cpu"), images, labels)
    pairs = zip(
        maps[:, 0].relu().flatten(1).double(), theirs.detach().flatten(1).double(), strict=True
    )
    return [float(m @ t / (m.norm() * t.norm())) for m, t in pairs if m.any() or t.any()]


def _masses(shared: Path, *, quick: bool) -> Row:
    limit = 34 if quick else 128
    bound = f"error <= {MASS_BOUND:.0e}"
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        paths = RunPaths(Path(folder) / "out")
        more = (f"limit={limit}", "stages=[index,attribute,score]")
        command = audit_command(photos.overrides(shared, paths.root, *more))
        told = shown(command, TMP=Path(folder), SHARED=shared)
        if not photos.present(shared):
            return skipped("region masses, naive float64", bound, photos.ABSENT, told)
        finished(command)
        tables = [pd.read_parquet(place) for place in (paths.scores, paths.attributions)]
    keys = ["image_id", "method", "target_kind"]
    rows = tables[0].merge(tables[1][[*keys, *_HEATMAP]], on=keys, validate="one_to_one")
    rows = rows[(rows.mask_status == "ok") & (rows.relevance_total > 0)]
    errors = [error for _, row in rows.iterrows() for error in _errors(row, shared)]
    return Row(
        what=f"region masses against naive float64 upsample-and-sum, {rows.image_id.nunique()} "
        f"masked photos, {len(errors)} masses",
        bound=bound,
        measured=f"worst {max(errors):.1e}",
        met=max(errors) <= MASS_BOUND,
        command=told,
    )


_HEATMAP = ["heatmap", "heatmap_height", "heatmap_width", "heatmap_scale"]


def _errors(row: pd.Series, shared: Path) -> list[float]:
    """How far each mass of a row of scores is from its slow version; inf where only one is null."""
    stored = np.array(row.heatmap, dtype=np.float64) * float(row.heatmap_scale)
    up = _upsampled(stored.reshape(row.heatmap_height, row.heatmap_width))
    place = photos.masks(shared) / Path(row.image_id).with_suffix(".png")
    with Image.open(place) as mask:
        regions = _regions(np.array(mask))
    errors = []
    for name, covered in regions.items():
        got = row[f"mass_{name}"]
        if not covered.any() or pd.isna(got):
            errors.append(0.0 if not covered.any() and pd.isna(got) else np.inf)
        else:
            errors.append(abs(float(got) - float((up * covered).sum() / up.sum())))
    return errors


def _upsampled(heatmap: Array) -> Array:
    """(CROP, CROP) from (h, w): linear between cell centres, flat beyond the outermost."""
    for axis in (0, 1):
        cells = heatmap.shape[axis]
        at = (np.arange(CROP) + 0.5) * cells / CROP - 0.5
        heatmap = np.apply_along_axis(
            lambda line, at=at, cells=cells: np.interp(at, np.arange(cells), line), axis, heatmap
        )
    return heatmap


def _regions(mask: NDArray[np.uint8]) -> dict[str, Array]:
    """Coverage (CROP, CROP) of every region, from a mask of the size of its photo."""
    if min(mask.shape) != SIDE:  # all of Flowers-17 are; the crop is then all that happens
        raise ChildError(f"a photo of {mask.shape}, expected a shorter side of {SIDE} px")
    top, left = (round((side - CROP) / 2) for side in mask.shape)
    seen = mask[top : top + CROP, left : left + CROP]
    rows, columns = (
        _axis(side, start) for side, start in zip(mask.shape, (top, left), strict=True)
    )
    corners = {
        f"corner_{v}_{h}": np.outer(rows[v], columns[h])
        for v in ("top", "bottom")
        for h in ("left", "right")
    }
    return {
        "object": (seen == 255).astype(np.float64),
        "background": (seen == 0).astype(np.float64),
        "border": 1 - np.outer(rows["inside"], columns["inside"]),
        **corners,
    }


def _axis(side: int, start: int, parts: int = 25) -> dict[str, Array]:
    """Coverage along one axis by counting: 25 samples a px, in which BORDER * SIDE is whole."""
    at = start + (np.arange(CROP * parts) + 0.5) / parts
    band, corner = BORDER * SIDE, CORNER * SIDE
    first, last = at < corner, at > side - corner
    found = {"inside": (at > band) & (at < side - band), "top": first, "left": first}
    found |= {"bottom": last, "right": last}
    return {name: inside.reshape(CROP, parts).mean(axis=1) for name, inside in found.items()}
