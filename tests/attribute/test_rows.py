from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from xai_audit.schema import ATTRIBUTIONS
from xai_audit.score.rows import (
    ROW_COLUMNS,
    Explained,
    attribution_rows,
    explained_from,
    quantised,
)


@pytest.mark.parametrize("size", [1e-20, 1e-7, 1.0, 3.0, 1e9])
def test_faint_maps_survive_float16(size):
    relevance = torch.rand(3, 7, 7) * size
    heatmap, scale = quantised(relevance)
    assert heatmap.dtype == torch.float16
    assert float(heatmap.max()) < 2
    back = heatmap.float() * scale[:, None, None]
    assert float((back - relevance).abs().max()) <= size * 2**-11
    assert torch.equal(torch.log2(scale), torch.log2(scale).round())


def test_zero_and_not_finite_maps():
    relevance = torch.zeros(3, 2, 2)
    relevance[1, 0, 0] = torch.nan
    relevance[2, 0, 0] = torch.inf
    heatmap, scale = quantised(relevance)
    assert float(heatmap[0].abs().max()) == 0
    assert scale[0] == 1
    assert not torch.isfinite(heatmap[1]).all()
    assert not torch.isfinite(heatmap[2]).all()


def block(ids: list[str], grid: tuple[int, int], method: str) -> Explained:
    count = len(ids)
    heatmap, scale = quantised(torch.rand(count, *grid))
    rows = {name: pa.nulls(count, ATTRIBUTIONS.field(name).type) for name in ROW_COLUMNS}
    rows |= {"image_id": pa.array(ids), "method": pa.array([method] * count)}
    zeros = np.zeros(count, np.float32)
    return Explained(rows, torch.arange(count), zeros, zeros, heatmap, scale)


def test_a_table_gives_back_what_went_in(tmp_path):
    """Two methods of different grids in one file, asked for some of its images."""
    first, second = block(["a", "b", "c"], (7, 7), "cam"), block(["a", "b", "c"], (3, 4), "lime")
    table = pa.concat_tables([attribution_rows(first), attribution_rows(second)])
    pq.write_table(table, tmp_path / "part.parquet")
    back = explained_from(pq.read_table(tmp_path / "part.parquet"), ["c", "a"])
    assert [tuple(found.heatmap.shape) for found in back] == [(2, 3, 4), (2, 7, 7)]
    assert torch.equal(back[1].heatmap, first.heatmap[[0, 2]])
    assert torch.equal(back[1].scale, first.scale[[0, 2]])
    assert back[1].owner.tolist() == [1, 0]
    assert explained_from(table, ["nobody"]) == []
