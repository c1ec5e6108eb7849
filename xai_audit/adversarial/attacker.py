"""Batches of photos to rows of the adversarial table; if memory runs out, in smaller batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from xai_audit.adversarial.decision import Decision, runner_up
from xai_audit.adversarial.rows import Outcome, adversarial_rows, problem_rows, status_rows
from xai_audit.adversarial.search import Subjects, attacked
from xai_audit.network.inputs import AdaptiveBatch, model_errors
from xai_audit.schema import ADVERSARIAL, OK
from xai_audit.vision.geometry import view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.adversarial.search import Found, Settings
    from xai_audit.score.rows import Scorer
    from xai_audit.types import ImageRecord, LoadedModel, Preprocess
    from xai_audit.vision.loader import Batch


class Attacker:
    """Attacks the decisions of a model.

    Args:
        model: frozen.
        scorer: with the regions.
        settings: how hard to search.
        batch_size: photos per forward; halved where memory runs out, and grown back.
        check: called before every forward; may raise to stop.
    """

    def __init__(
        self,
        model: LoadedModel,
        scorer: Scorer,
        settings: Settings,
        *,
        batch_size: int,
        check: Callable[[], None],
    ) -> None:
        self._model, self._scorer, self._settings = model, scorer, settings
        self.decision, self.adaptive = Decision(model, check), AdaptiveBatch(batch_size)

    def rows(self, batch: Batch) -> pa.Table:
        """The rows of ``batch``: of its photos in their order, then of those not usable."""
        tables = [ADVERSARIAL.empty_table()]
        for piece, found in self.adaptive.over(
            len(batch.records), lambda piece: self._blamed(batch.images(piece))
        ):
            missing = found is None
            tables.append(status_rows(batch.images(piece), "out_of_memory") if missing else found)
        return pa.concat_tables([*tables, problem_rows(batch.problems)])

    def _blamed(self, part: Batch) -> pa.Table:
        with model_errors(self._model.module, [record.image_id for record in part.records]):
            return self._piece(part)

    def _piece(self, part: Batch) -> pa.Table:
        if self._model.num_outputs < 2:
            return status_rows(part, "one_output")
        if part.photos is None:
            raise TypeError("a batch without photos cannot be attacked")
        pixels = part.photos.to(self.decision.device, torch.float32)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        logits = self.decision.logits(pixels)
        finite = logits.isfinite().all(1)
        kept = logits.argmax(1)
        subjects = _subjects(part.records, pixels, kept, self._model.preprocess)
        outcomes = self._outcomes(subjects, finite)
        coverage = None if part.coverage is None else part.coverage.to(self.decision.device)
        regions = self._scorer.regions(part, coverage, self._model.preprocess.crop)
        pred = [k if ok else None for k, ok in zip(kept.tolist(), finite.tolist(), strict=True)]
        return adversarial_rows(part, pred, outcomes, regions)

    def _outcomes(self, subjects: Subjects, finite: torch.Tensor) -> dict[str, Outcome]:
        """Attack -> its outcome; only photos with ``finite`` (B,) logits are attacked."""
        rows = finite.nonzero()[:, 0]
        found, blind = attacked(self.decision, subjects.of(rows), self._settings)
        return {
            attack: self._outcome(subjects, rows, result, blind) for attack, result in found.items()
        }

    def _outcome(
        self, subjects: Subjects, rows: torch.Tensor, found: Found, blind: torch.Tensor
    ) -> Outcome:
        status = ["not_finite"] * len(subjects.kept)
        outcomes = zip(rows.tolist(), found.size.isfinite().tolist(), blind.tolist(), strict=True)
        for row, flipped, no_gradient in outcomes:
            status[row] = OK if flipped else "no_gradient" if no_gradient else "not_flipped"
        change = torch.zeros_like(subjects.pixels).index_copy(0, rows, found.change)
        # The strongest other output: right at the boundary rounding may favour the decision itself.
        other = runner_up(self.decision.logits(subjects.pixels + change), subjects.kept)
        seen = (subjects.high > subjects.low).float().mean((1, 2, 3))
        return Outcome(status, change, other, seen)


def _subjects(
    records: Sequence[ImageRecord],
    pixels: torch.Tensor,
    kept: torch.Tensor,
    preprocess: Preprocess,
) -> Subjects:
    """The photos with the range of change of each pixel; padding outside a photo has none."""
    inside = torch.stack([_inside(record, preprocess) for record in records])[:, None]
    inside = inside.to(pixels.device)
    ids = tuple(record.image_id for record in records)
    return Subjects(ids, pixels, kept, low=-pixels * inside, high=(255 - pixels) * inside)


def _inside(record: ImageRecord, preprocess: Preprocess) -> torch.Tensor:
    """(H, W) float32: 1 where the view shows the photo, 0 where the crop is padded."""
    geometry = view((record.height, record.width), preprocess)
    down, across = (
        torch.from_numpy(geometry.overlaps(axis, [(0, side)])[0] > 0)
        for axis, side in enumerate(geometry.photo)
    )
    return (down[:, None] & across[None]).float()
