"""Some photos of the dataset, as the model sees them: baselines that look like photos."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from xai_audit.errors import DatasetError
from xai_audit.network.inputs import Inputs
from xai_audit.run.sample import stratified
from xai_audit.store.address import spelled
from xai_audit.vision.loader import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import LoadedModel
    from xai_audit.vision.loader import LoadSettings, Photos
    from xai_audit.work.audit import Audit

# They stay in memory, on the model's device.
COUNT = 16

References = tuple[list[str], torch.Tensor]


def references_of(audit: Audit) -> Callable[[], References]:
    """A function that reads the photos that baselines are drawn from; it does so once, when called.

    They are drawn from all selected photos, usable or not, so that a status found during the run
    does not change the draw.
    """
    rows = audit.selected()
    chosen = stratified(rows, np.ones(rows.num_rows, dtype=bool), COUNT, audit.settings.seed)
    load = audit.load(batch_size=COUNT, num_workers=0)
    photos = audit.photos(rows.filter(pa.array(chosen)), load)
    return references(audit.model, photos, load)


def references(model: LoadedModel, photos: Photos, load: LoadSettings) -> Callable[[], References]:
    """A function that reads ``photos`` when first called: S ids and images (S, C, H, W) float32.

    Raises:
        DatasetError: when called and not one can be read.
    """

    @cache
    def read() -> References:
        ids, views = [], []
        for _, batch in batches(photos, [range(len(photos))], load):
            ids += [record.image_id for record in batch.records]
            views += [] if batch.photos is None else [batch.photos]
        if not views:
            raise DatasetError("not one photo can be read as a baseline", where=spelled(load.root))
        return ids, Inputs(model, "fp32").normalised(torch.cat(views))

    return read
