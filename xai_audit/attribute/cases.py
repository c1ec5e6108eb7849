"""Photos with several labels as cases: a photo and a class, each with a decision of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from xai_audit.network.inputs import decided
from xai_audit.run.labelling import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.vision.loader import Batch


def cases_of(
    batch: Batch, logits: torch.Tensor, names: Mapping[int, str], thresholds: Sequence[float]
) -> Batch:
    """The batch with a record for each label of a photo and each class wrongly decided for.

    A photo without a label that is decided for no class is not in it.

    Args:
        batch: B photos whose class names are sets of labels.
        logits: (B, K); a row that is not finite decides for nothing.
        names: model output -> class name.
        thresholds: (K,), 0..1.
    """
    outputs = torch.tensor([*names]).expand(len(logits), -1)
    yes = torch.stack([decided(logits, each, thresholds)[0] for each in outputs.unbind(1)], 1)
    finite = logits.isfinite().all(1)
    owner, records, absent = [], [], []
    for place, (record, for_) in enumerate(zip(batch.records, yes.tolist(), strict=True)):
        own = labels_of(record.class_name)
        for (output, name), positive in zip(names.items(), for_, strict=True):
            if name in own or (positive and finite[place]):
                owner.append(place)
                absent.append(name not in own)
                records.append(replace(record, class_name=name, label=output))
    rows = torch.tensor(owner, dtype=torch.int64)
    return replace(
        batch,
        records=records,
        photos=None if batch.photos is None else batch.photos[rows],
        coverage=None if batch.coverage is None else batch.coverage[rows],
        mask_status=[batch.mask_status[place] for place in owner],
        absent=absent,
    )
