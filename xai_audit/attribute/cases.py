"""Photos with several labels as cases: a photo and a class, each with a decision of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from xai_audit.network.inputs import decided_for
from xai_audit.run.labelling import labels_of
from xai_audit.schema import ABSENT
from xai_audit.vision.loader import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xai_audit.types import ImageRecord
    from xai_audit.vision.loader import Batch


def cases_of(
    batch: Batch,
    logits: torch.Tensor,
    names: Mapping[int, str],
    thresholds: Sequence[float],
    *,
    most: int,
) -> Iterator[Batch]:
    """Batches with a record for each label of a photo and each class wrongly decided for.

    Each has a photo's pixels as often as it has cases of it, so that a batch of photos would
    become one of any size. A photo without a label that is decided for no class is in none.

    Args:
        batch: B photos whose class names are sets of labels.
        logits: (B, K); a row that is not finite decides for nothing.
        names: model output -> class name.
        thresholds: (K,), 0..1.
        most: cases in a batch.
    """
    yes, p = decided_for(logits, torch.tensor([*names]).expand(len(logits), -1), thresholds)
    p[~logits.isfinite().all(1)] = torch.nan
    found: list[tuple[int, ImageRecord, Decision]] = []
    for place, record in enumerate(batch.records):
        own = labels_of(record.class_name)
        sure = p[place].tolist()
        for (output, name), positive, share in zip(
            names.items(), yes[place].tolist(), sure, strict=True
        ):
            for_ = positive and share == share  # NaN decides for nothing
            if name in own or for_:
                decision = Decision(
                    pred=output if for_ else ABSENT,
                    confidence=share if for_ else 1 - share,
                    absent=name not in own,
                )
                case = replace(record, class_name=name, label=output)
                found.append((place, case, decision))
    for start in range(0, len(found), most):
        places, records, decisions = zip(*found[start : start + most], strict=True)
        rows = torch.tensor(places)
        yield replace(
            batch,
            records=[*records],
            photos=None if batch.photos is None else batch.photos[rows],
            coverage=None if batch.coverage is None else batch.coverage[rows],
            mask_status=[batch.mask_status[place] for place in places],
            decisions=[*decisions],
        )
