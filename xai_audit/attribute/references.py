"""Some photos of the dataset, as the model sees them: baselines that look like photos."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import DatasetError
from xai_audit.network.inputs import Inputs
from xai_audit.vision.loader import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import LoadedModel
    from xai_audit.vision.loader import LoadSettings, Photos

# They stay in memory, on the model's device.
COUNT = 16

References = tuple[list[str], torch.Tensor]


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
            raise DatasetError("not one photo can be read as a baseline", where=load.root)
        return ids, Inputs(model, "fp32").normalised(torch.cat(views))

    return read
