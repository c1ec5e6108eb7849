"""Whether any photo has a usable object mask, before anything expensive relies on it."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from xai_audit.errors import DatasetError, MaskProblem
from xai_audit.masks._coverage import AMBIGUOUS, EMPTY
from xai_audit.masks.auto import COVERS_LITTLE, COVERS_MOST
from xai_audit.masks.dataset import DatasetMasks
from xai_audit.run.manifest import record_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_REMEDIES = {
    "missing": "name the masks as their photos are named, see masks.root or masks.file",
    "size_mismatch": "store the masks at the full size of their photos",
}
# Of masks without an object, or with several: a key that the source of the masks has, and statuses.
_CHOICES = {
    "object": ("masks.object=[...], the values that are object", (EMPTY, AMBIGUOUS)),
    "categories": ("masks.categories=null, or those that are object", (EMPTY,)),
    "classes": (
        "a network that knows these objects (masks.weights, masks.arch), or masks.classes, "
        "masks.min_share and masks.max_share",
        (EMPTY, COVERS_LITTLE, COVERS_MOST),
    ),
}


def check_masks(audit: Audit) -> None:
    """Nothing, once one photo's mask is usable or masks are not in use.

    Photos are tried in a random order, so that few are: a class without masks may come first.

    Raises:
        DatasetError: no photo of the run has a usable mask; says why, with an example each.
    """
    if not audit.paths.manifest.is_file():
        return
    rows = audit.usable()
    audit.mask_mark(rows.slice(0, 0))  # a place of masks that is not there is an error of its own
    # Of a dataset's own masks a photo may have none, which would pass for masks not in use.
    if isinstance(audit.masks, DatasetMasks) and rows.num_rows > rows.column("mask").null_count:
        rows = rows.filter(pc.is_valid(rows.column("mask"))).combine_chunks()
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in np.random.default_rng(0).permutation(rows.num_rows):
        try:
            audit.masks.load(record_of(rows, int(row), audit.dataset.root))
        except MaskProblem as problem:
            if _is_unanswered(problem):
                return
            counts[problem.status] += 1
            examples.setdefault(problem.status, problem.message)
        else:
            if AMBIGUOUS in examples:
                log.warning("index: some masks are not used, as %s", examples[AMBIGUOUS])
            return
    if counts:
        raise _unusable(counts, examples, audit.settings.masks)


def _is_unanswered(problem: MaskProblem) -> bool:
    """Whether a store or a disk failed, which says nothing of the masks."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.EIO:
            return True
        cause = cause.__cause__
    return False


def _unusable(
    counts: Counter[str], examples: dict[str, str], keys: Collection[str]
) -> DatasetError:
    """The error of masks of which none is usable; ``keys`` are those of their source."""
    found = [f"{count} {status}, as {examples[status]}" for status, count in counts.most_common(3)]
    choices = [choice for key, choice in _CHOICES.items() if key in keys]
    remedies = _REMEDIES | {status: text for text, statuses in choices for status in statuses}
    remedy = remedies.get(counts.most_common(1)[0][0], "correct the masks")
    return DatasetError(
        "no photo has a usable object mask",
        where=f"{counts.total()} photos",
        expected="masks for some of them",
        got="; ".join(found),
        remedy=f"{remedy}; or masks=none to do without",
    )
