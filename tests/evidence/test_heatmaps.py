"""Shares of relevance in the view, against each map upsampled by itself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F

from xai_audit.discovery.read import cell_shares
from xai_audit.evidence.heatmaps import view_shares
from xai_audit.run.files import write_table
from xai_audit.run.paths import RunPaths
from xai_audit.schema import ATTRIBUTIONS
from xai_audit.vision.transform import pull_down

SIZE = (30, 44)


def row(image_id, heatmap, method="gradcam", kind="label"):
    told = {"image_id": image_id, "class_name": "a", "method": method, "target_kind": kind}
    if heatmap is None:
        return told
    height, width = heatmap.shape
    told |= {"heatmap_height": height, "heatmap_width": width}
    return told | {"heatmap": heatmap.astype(np.float16).ravel()}


def written(tmp_path, rows, part=4):
    paths = RunPaths(tmp_path)
    for number, start in enumerate(range(0, len(rows), part)):
        table = pa.Table.from_pylist(rows[start : start + part], ATTRIBUTIONS)
        write_table(RunPaths.part(paths.attributions, number), table)
    return paths


def upsampled(cells):
    plain = torch.from_numpy(cells.astype(np.float16).astype(np.float64))[None, None]
    return F.interpolate(plain, SIZE, mode="bilinear", align_corners=False)[0, 0].numpy()


def test_shares_times_a_region_are_its_part_of_the_upsampled_map(tmp_path):
    rng = np.random.default_rng(0)
    cells = {f"{i}": rng.random((4, 7)) for i in range(6)}
    rows = [row(i, c, kind=kind) for i, c in cells.items() for kind in ("label", "contrast")]
    ids = ["4", "0", "absent", "2"]
    found = view_shares(written(tmp_path, rows), ids, grid=(4, 7), size=SIZE)
    assert [(one.method, one.kind) for one in found] == [
        ("gradcam", "contrast"),
        ("gradcam", "label"),
    ]
    region = rng.random(SIZE) < 0.3
    places = pull_down(torch.from_numpy(region).double(), (4, 7)).numpy()
    for one in found:
        assert one.maps.dtype == np.float32
        assert np.isnan(one.maps[2]).all()
        for number in (0, 1, 3):
            view = upsampled(cells[ids[number]])
            expected = view[region].sum() / view.sum()
            assert (one.maps[number] * places).sum() == pytest.approx(expected, rel=1e-5)


def test_maps_of_another_size_come_to_the_grid_and_unusable_ones_are_unknown(tmp_path):
    rng = np.random.default_rng(1)
    fine, coarse = rng.random((8, 8)), rng.random((2, 2))
    rows = [
        row("fine", fine),
        row("none", None),
        row("coarse", coarse),
        row("zero", np.zeros((4, 4))),
        row("nan", np.full((4, 4), np.nan)),
        row("fine", fine, method="saliency"),
    ]
    ids = ["fine", "coarse", "none", "zero", "nan"]
    gradcam, saliency = view_shares(written(tmp_path, rows), ids, grid=(4, 4), size=(16, 16))
    means = fine.astype(np.float16).astype(np.float64).reshape(4, 2, 4, 2).mean((1, 3))
    for one in (gradcam, saliency):
        assert one.maps[0] == pytest.approx(means / means.sum() / 16, rel=1e-5)
    assert gradcam.maps[1].sum() * 16 == pytest.approx(1, rel=1e-5)
    assert np.isnan(gradcam.maps[2:]).all()
    assert np.isnan(saliency.maps[1:]).all()


def test_cells_and_view_agree_where_the_view_is_a_multiple_of_the_grid(tmp_path):
    cells = np.random.default_rng(2).random((4, 4))
    paths = written(tmp_path, [row("a", cells)])
    (one,) = view_shares(paths, ["a"], grid=(4, 4), size=(16, 16))
    plain = cell_shares(cells.astype(np.float16).ravel(), (4, 4), (4, 4))
    assert one.maps[0] * 16 == pytest.approx(plain, rel=1e-6)
    # Elsewhere cells have more or less of the view: by the 0.13 % that the docstring states.
    weight = pull_down(torch.ones((224, 224), dtype=torch.float64), (13, 13)).numpy()
    assert weight.max() / weight.min() == pytest.approx(1.0013, abs=5e-5)
