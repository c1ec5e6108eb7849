"""Photos to heatmaps: one forward per batch serves the predictions and every target.

A batch that does not fit in memory is redone smaller; one that is not finite is redone in fp32.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F

from xai_audit.attribute.calls import call_method
from xai_audit.attribute.cases import cases_of
from xai_audit.attribute.request import CachedRequest, MethodServices, ignore
from xai_audit.attribute.targets import follows_logits, make_targets
from xai_audit.errors import PluginError
from xai_audit.network.inputs import AdaptiveBatch, Inputs, model_errors, probabilities
from xai_audit.schema import ABSENT
from xai_audit.score.rows import Explained, quantised
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xai_audit.attribute.references import References
    from xai_audit.attribute.targets import NamedClass
    from xai_audit.types import Attribution, Attributor, LoadedModel, Request
    from xai_audit.vision.loader import Batch, Decision

T = TypeVar("T")

# Of a heatmap as stored: 4 px of a 224 px view, and 6 KB a row.
_MOST_CELLS = 56
log = logging.getLogger(__name__)


class Explainer:
    """Explains batches of photos with the methods of a run.

    Args:
        model: prepared.
        targets: what is explained, see :mod:`xai_audit.attribute.targets`.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch_size: images per call; halved where memory runs out, and grown back.
        references: photos that a baseline may be, see :mod:`xai_audit.attribute.references`.
        progress: called with the number of changed copies that went through the model; may raise
            to stop.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        targets: Sequence[str | NamedClass],
        precision: str,
        batch_size: int,
        references: Callable[[], References] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.model, self._targets, self._precision = model, targets, precision
        self._services = MethodServices(progress or ignore, references)
        self.adaptive = AdaptiveBatch(batch_size)
        self.nonfinite_retries = 0
        self._inputs = Inputs(model, precision)

    def cases(self, batch: Batch, names: Mapping[int, str]) -> Iterator[Batch]:
        """What of ``batch`` is explained: itself, or its cases where photos have several labels.

        No batch has more images than a batch of photos.

        Args:
            batch: photos.
            names: model output -> class name.
        """
        if self.model.thresholds is None or batch.photos is None:
            yield batch
            return
        photos, ids = batch.photos, [record.image_id for record in batch.records]
        logits = torch.full((len(ids), self.model.num_outputs), torch.nan)

        def predicted(piece: slice) -> torch.Tensor:
            with model_errors(self.model.module, ids[piece]):
                return self._inputs.logits(self.model.module, photos[piece])

        for piece, found in self.adaptive.over(len(ids), predicted):
            if found is not None:
                logits[piece] = found
        most = self.adaptive.requested
        yield from cases_of(batch, logits, names, self.model.thresholds, most=most)

    def explain(
        self, methods: Sequence[Attributor], batch: Batch, finish: Callable[[Explained], T]
    ) -> tuple[list[T], dict[str, tuple[str, str]]]:
        """The results of ``finish`` on the rows of ``batch``, and the images too large for memory.

        ``finish`` is guarded too: a piece is redone smaller if its scoring runs out of memory. All
        methods share the model's outputs on a piece of the batch.
        """
        results: list[T] = []
        problems = {}
        for piece, found in self.adaptive.over(
            len(batch.records),
            lambda piece: [finish(block) for block in self._piece(methods, batch, piece)],
        ):
            if found is None:
                message = "the model does not fit in memory even for this image alone"
                problems[batch.records[piece.start].image_id] = ("out_of_memory", message)
            else:
                results += found
        return results, problems

    def _piece(
        self, methods: Sequence[Attributor], batch: Batch, piece: slice
    ) -> Iterator[Explained]:
        """The rows of ``piece``, one block per method."""
        request, again = self._request(batch, piece), None
        for method in methods:
            used = request
            with model_errors(self.model.module, request.image_ids):
                with self._inputs.autocast():
                    found = call_method(method, request)
                if self._precision != "fp32" and not _finite(request.logits, found.maps):
                    self.nonfinite_retries += 1
                    used = again = again or self._request(batch, piece)
                    found = call_method(method, used)
                rows = _explained(method, batch, piece, used, found)
            yield rows

    def _request(self, batch: Batch, piece: slice) -> CachedRequest:
        if batch.photos is None:
            raise PluginError("a batch without photos cannot be explained")
        records = batch.records[piece]
        images = self._inputs.normalised(batch.photos[piece])
        labels = torch.tensor([record.label for record in records], device=images.device)
        return CachedRequest(
            self.model,
            images,
            partial(make_targets, self._targets, labels=labels, single=self.model.single_logit),
            image_ids=[record.image_id for record in records],
            max_batch=self.adaptive.size,
            services=self._services,
        )


def signed_to_relevance(attribution: torch.Tensor, sign: str) -> torch.Tensor:
    """Relevance >= 0 from signed attribution: the one place where the sign rule is applied."""
    return attribution.abs() if sign == "absolute" else attribution.clamp(min=0)


def stored_size(relevance: torch.Tensor) -> torch.Tensor:
    """``relevance`` (B, T, h, w) averaged over cells to a grid of at most 56 x 56."""
    height, width = relevance.shape[2:]
    size = min(height, _MOST_CELLS), min(width, _MOST_CELLS)
    if size == (height, width):
        return relevance
    return F.adaptive_avg_pool2d(relevance, size)


def _finite(*tensors: torch.Tensor) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def _explained(
    method: Attributor, batch: Batch, piece: slice, request: Request, found: Attribution
) -> Explained:
    """Rows from device tensors."""
    relevance = stored_size(signed_to_relevance(found.maps.float(), method.sign))
    logits, targets = request.logits.float(), request.targets
    images, kinds = relevance.shape[:2]
    heatmap, scale = quantised(relevance.flatten(0, 1))
    # argmax of NaN logits would be class 0: null instead.
    known = logits.isfinite().all(1).cpu().numpy()
    pred, confidence = _decided(request, logits, batch.images(piece).decisions)
    known, pred, confidence = (
        each.repeat(kinds) for each in (known & np.isfinite(confidence), pred, confidence)
    )
    index = torch.stack([target.index for target in targets], 1).flatten()
    against = torch.stack(
        [torch.full_like(t.index, -1) if t.against is None else t.against for t in targets], 1
    ).flatten()
    values = torch.stack([target.score(logits) for target in targets], 1).flatten()
    owner = torch.arange(images).repeat_interleave(kinds)
    records = [batch.records[piece][i] for i in owner.tolist()]
    follows = np.array([follows_logits(target.kind) for target in targets] * images)
    other = against.cpu().numpy()
    rows = {
        "image_id": pa.array([record.image_id for record in records]),
        "class_name": pa.array([record.class_name for record in records]),
        "label": pa.array([record.label for record in records], pa.int32()),
        "pred": _int32(pred, known),
        "confidence": pa.array(confidence, from_pandas=True),
        "method": pa.array([method.name] * len(records)),
        "target_kind": pa.array([target.kind for target in targets] * images),
        "target": _int32(index.cpu().numpy(), known | ~follows),
        "against": _int32(other, known & (other >= 0)),
    }
    if batch.decisions is not None:
        absent = np.array([one.absent for one in batch.decisions[piece]]).repeat(kinds)
        rows["label"] = pc.if_else(absent, pa.scalar(ABSENT, pa.int32()), rows["label"])
        rows["target_kind"] = pc.if_else(absent, "pred", rows["target_kind"])
    error = found.completeness_error
    missing = torch.full_like(index, torch.nan, dtype=torch.float32) if error is None else error
    return Explained(
        rows,
        owner=owner + piece.start,
        target_score=values.cpu().numpy(),
        completeness_error=missing.float().flatten().cpu().numpy(),
        heatmap=heatmap.cpu(),
        scale=scale.cpu(),
    )


def _decided(
    request: Request, logits: torch.Tensor, decisions: Sequence[Decision] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The decision (B,) int64 of each image and its probability (B,) float32.

    It is for the highest score; of photos with several labels as decided when they became cases:
    a second forward, in another batch, may round to the other side of a threshold.
    """
    if decisions is None:
        confidence = probabilities(logits, request.model.head).amax(1)
        return logits.argmax(1).cpu().numpy(), confidence.cpu().numpy()
    found = [(one.pred, one.confidence) for one in decisions]
    pred, shares = zip(*found, strict=True)
    return np.array(pred), np.array(shares, np.float32)


def _int32(values: np.ndarray, known: np.ndarray) -> pa.Array:
    """An int32 column, null where not ``known``."""
    return pa.array(values.astype(np.int32), mask=~known)
