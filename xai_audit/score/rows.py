"""Rows of the attributions table: predictions and heatmaps, to the table and back.

A heatmap is stored as float16 with a power-of-two scale, and scored as stored, so that scoring
again from the files gives the same numbers as scoring in the pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from xai_audit.schema import ATTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

ROW_COLUMNS = (
    "image_id", "class_name", "label", "pred", "confidence", "method", "target_kind", "target",
    "against",
)  # fmt: skip


@dataclass(frozen=True)
class Explained:
    """N rows of one method: predictions and heatmaps of some images, targets of each together.

    Attributes:
        rows: the columns that every table starts with, N values each.
        owner: (N,) int64, which image of the batch a row belongs to.
        target_score: (N,) float32, the explained logit or margin.
        completeness_error: (N,) float32, NaN where the method promises no completeness.
        heatmap: (N, h, w) float16, relevance divided by ``scale``; NaN where not finite.
        scale: (N,) float32, powers of two.
    """

    rows: dict[str, pa.Array]
    owner: torch.Tensor
    target_score: NDArray[np.float32]
    completeness_error: NDArray[np.float32]
    heatmap: torch.Tensor
    scale: torch.Tensor

    @property
    def relevance(self) -> torch.Tensor:
        """(N, h, w) float32, as a reader of the table gets it."""
        return self.heatmap.float() * self.scale[:, None, None]


def quantised(relevance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``relevance`` (N, h, w) as float16 in 0..2 and its power-of-two scale (N,) float32."""
    largest = relevance.flatten(1).amax(1).nan_to_num(0, posinf=0)
    scale = torch.where(largest > 0, torch.exp2(torch.log2(largest).floor()), 1.0)
    return (relevance / scale[:, None, None]).half(), scale


def attribution_rows(explained: Explained) -> pa.Table:
    """The rows of the attributions table."""
    count, height, width = explained.heatmap.shape
    flat = pa.array(explained.heatmap.numpy().reshape(-1))
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * (height * width))
    columns = {
        **explained.rows,
        "target_score": pa.array(explained.target_score, from_pandas=True),
        "completeness_error": pa.array(explained.completeness_error, from_pandas=True),
        "heatmap": pa.ListArray.from_arrays(offsets, flat),
        "heatmap_height": np.full(count, height, np.int32),
        "heatmap_width": np.full(count, width, np.int32),
        "heatmap_scale": explained.scale.numpy(),
    }
    return pa.table([columns[name] for name in ATTRIBUTIONS.names], schema=ATTRIBUTIONS)


def explained_from(table: pa.Table, image_ids: Sequence[str]) -> list[Explained]:
    """The rows of ``image_ids`` in an attributions table, one block a grid size."""
    place = {image_id: index for index, image_id in enumerate(image_ids)}
    owners = np.array([place.get(i, -1) for i in table.column("image_id").to_pylist()])
    heights = table.column("heatmap_height").to_numpy()
    widths = table.column("heatmap_width").to_numpy()
    blocks = []
    for height, width in sorted({*zip(heights.tolist(), widths.tolist(), strict=True)}):
        chosen = np.flatnonzero((owners >= 0) & (heights == height) & (widths == width))
        if not len(chosen):
            continue
        part = table.take(pa.array(chosen)).combine_chunks()
        cells = part.column("heatmap").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        blocks.append(
            Explained(
                rows={name: part.column(name).combine_chunks() for name in ROW_COLUMNS},
                owner=torch.from_numpy(owners[chosen]),
                target_score=part.column("target_score").to_numpy(),
                completeness_error=part.column("completeness_error").to_numpy(),
                heatmap=torch.from_numpy(cells.reshape(-1, height, width).copy()),
                scale=torch.from_numpy(part.column("heatmap_scale").to_numpy().copy()),
            )
        )
    return blocks


def ordered(
    tables: Sequence[pa.Table], schema: pa.Schema, failed: Collection[str] = ()
) -> pa.Table:
    """One table in one order whatever the batch size, without the images that ``failed``."""
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    if failed:
        out = pc.is_in(table.column("image_id"), value_set=pa.array(list(failed)))
        table = table.filter(pc.invert(out))
    # Blocks came a method or a grid at a time; rows of an image belong together.
    image = pc.dictionary_encode(table.column("image_id")).combine_chunks().indices
    keys = pa.table({"image": image, "method": table.column("method")})
    keys = keys.append_column("row", pa.array(np.arange(table.num_rows)))
    order = [(name, "ascending") for name in ("image", "method", "row")]
    return table.take(pc.sort_indices(keys, sort_keys=order))
