"""Stored heatmaps scored again without the model, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from xai_audit.schema import SCORES
from xai_audit.score.rows import explained_from, ordered
from xai_audit.vision.loader import batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xai_audit.score.scorer import Scorer
    from xai_audit.vision.loader import LoadSettings, Photos


def score_parts(
    photos: Photos,
    load: LoadSettings,
    spans: Sequence[range],
    heatmaps: Sequence[Path],
    scorer: Scorer,
) -> Iterator[pa.Table]:
    """The rows of SCORES of each part.

    Args:
        photos: the selected rows; only their masks are read.
        load: how.
        spans: the rows of each part.
        heatmaps: the attributions of each part.
        scorer: with the regions.
    """
    stream = batches(photos, spans, load)
    for span, path in zip(spans, heatmaps, strict=True):
        attributions = pq.read_table(path)
        tables, done = [], 0
        while done < len(span):
            chunk, batch = next(stream)
            done += len(chunk)
            ids = [record.image_id for record in batch.records]
            tables += [scorer.rows(block, batch) for block in explained_from(attributions, ids)]
        yield ordered(tables, SCORES)
