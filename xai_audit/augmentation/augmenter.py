"""Photos changed and asked again: decisions, maps and masses before and after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from xai_audit.attribute.calls import call_method
from xai_audit.attribute.explain import signed_to_relevance, stored_size
from xai_audit.attribute.request import CachedRequest, MethodServices
from xai_audit.attribute.targets import kind_of, make_targets
from xai_audit.augmentation.maps import compared, masses, on_view, resampled
from xai_audit.augmentation.rows import Head, change_rows, status_rows, table_of
from xai_audit.augmentation.transformations import augmented, carried_back, moved
from xai_audit.network.inputs import Inputs, model_errors, probabilities
from xai_audit.run.sample import rng_of
from xai_audit.schema import REGIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from xai_audit.attribute.targets import NamedClass
    from xai_audit.augmentation.rows import Row, Values
    from xai_audit.network.inputs import AdaptiveBatch
    from xai_audit.score.rows import Scorer
    from xai_audit.types import Attributor, LoadedModel, Target
    from xai_audit.vision.loader import Batch

# Grey levels, standard deviation: a change of the photo that counts as none.
_TINY = 1.0


@dataclass(frozen=True)
class Maps:
    """Heatmaps of B photos.

    Attributes:
        relevance: (B, H, W) float32, on the view.
        grid: (h, w) of the heatmaps behind it.
    """

    relevance: torch.Tensor
    grid: tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """What the model says of B photos.

    Attributes:
        logits: (B, K) float32.
        targets: what is explained.
        maps: of these; None without a method.
    """

    logits: torch.Tensor
    targets: Sequence[Target]
    maps: Maps | None


@dataclass(frozen=True)
class Augmenter:
    """Changes photos and asks the model again, in full precision whatever the run's is.

    Attributes:
        model: prepared.
        method: makes the maps; None: only decisions are compared.
        kind: what is explained, see :mod:`xai_audit.attribute.targets`.
        augmentations: names with their strengths.
        scorer: with the regions.
        seed: of the run.
        adaptive: photos a forward; halved and regrown where memory is short.
        services: of the run.
    """

    model: LoadedModel
    method: Attributor | None
    kind: str | NamedClass
    augmentations: Sequence[tuple[str, float]]
    scorer: Scorer
    seed: int
    adaptive: AdaptiveBatch
    services: MethodServices = MethodServices()

    @property
    def answers(self) -> int:
        """How often a photo is asked about: as it is, under each augmentation, for the floor."""
        return 1 + len(self.augmentations) + (self.method is not None)

    def rows(self, batch: Batch) -> pa.Table:
        """The rows of ``batch``: of its photos in their order, then of those not usable."""
        found, heads = [], self._heads()
        for piece, rows in self.adaptive.over(
            len(batch.records), lambda piece: self._piece(batch.images(piece))
        ):
            ids = [record.image_id for record in batch.records[piece]]
            missing = status_rows(heads, dict.fromkeys(ids, "out_of_memory"))
            found += missing if rows is None else rows
        problems = {image_id: status for image_id, (status, _) in batch.problems.items()}
        return table_of(found + status_rows(heads, problems))

    def _heads(self) -> list[Head]:
        method = None if self.method is None else self.method.name
        kind = None if self.method is None else kind_of(self.kind)
        return [Head(name, strength, method, kind) for name, strength in self.augmentations]

    def _piece(self, batch: Batch) -> list[Row]:
        """The rows of photos that fit in memory at once, those of a photo together."""
        if batch.photos is None:
            raise TypeError("a batch without photos cannot be changed")
        plain = self._answer(batch, batch.photos)
        # Moved as the photos are and carried back, these maps give what a comparison can give.
        nearly = augmented("noise", _TINY, batch.photos, self._draws(batch, "floor"))
        floor = self._answer(batch, nearly, plain.targets).maps if plain.maps else None
        regions = self._regions(batch) if plain.maps else None
        found = []
        for head in self._heads():
            name, strength = head.augmentation, head.strength
            draws = self._draws(batch, "augmentation", name, strength)
            photos = augmented(name, strength, batch.photos, draws)
            after = self._answer(batch, photos, plain.targets)
            values = self._decisions(plain.logits, after.logits)
            if plain.maps and after.maps and floor and regions is not None:
                values |= _on_maps(head, plain.maps, after.maps.relevance, floor, regions)
            found.append(change_rows(head, batch, values))
        return [row for photo in zip(*found, strict=True) for row in photo]

    def _regions(self, batch: Batch) -> torch.Tensor:
        """(B, R, H, W) coverage of each pixel of the view, NaN where undefined."""
        device, view = self.model.device, self.model.preprocess.crop
        coverage = None if batch.coverage is None else batch.coverage.to(device)
        return self.scorer.regions(batch, coverage, view)[0]

    def _draws(self, batch: Batch, *use: object) -> list[np.random.Generator]:
        return [rng_of(self.seed, record.image_id, *use) for record in batch.records]

    def _decisions(self, plain: torch.Tensor, after: torch.Tensor) -> dict[str, Values]:
        """Column -> B values, None where the logits (B, K) are not finite."""
        finite = (plain.isfinite().all(1) & after.isfinite().all(1)).tolist()
        kept, now = plain.argmax(1), after.argmax(1)
        confidence, confidence_after = (
            probabilities(logits, self.model.head).gather(1, kept[:, None])[:, 0]
            for logits in (plain, after)
        )
        found = {
            "pred": kept,
            "pred_after": now,
            "changed": kept != now,
            "confidence": confidence,
            "confidence_after": confidence_after,
        }
        return {
            name: [value if ok else None for value, ok in zip(each.tolist(), finite, strict=True)]
            for name, each in found.items()
        }

    def _answer(
        self, batch: Batch, photos: torch.Tensor, targets: Sequence[Target] | None = None
    ) -> Answer:
        """The answer to ``photos``; the same targets are explained where they are given."""
        images = Inputs(self.model, "fp32").normalised(photos)
        labels = torch.tensor([record.label for record in batch.records], device=images.device)
        make = partial(make_targets, [self.kind], labels=labels, single=self.model.single_logit)
        request = CachedRequest(
            self.model,
            images,
            make if targets is None else lambda _logits: targets,
            image_ids=[record.image_id for record in batch.records],
            max_batch=self.adaptive.size,
            services=self.services,
        )
        with model_errors(self.model.module, request.image_ids):
            maps = None if self.method is None else self._maps(self.method, request)
            return Answer(request.logits.float(), request.targets, maps)

    def _maps(self, method: Attributor, request: CachedRequest) -> Maps:
        found = call_method(method, request).maps
        relevance = stored_size(signed_to_relevance(found.float(), method.sign))[:, 0]
        grid = (relevance.shape[1], relevance.shape[2])
        return Maps(on_view(relevance, self.model.preprocess.crop), grid)


def _on_maps(
    head: Head, plain: Maps, after: torch.Tensor, floor: Maps, regions: torch.Tensor
) -> dict[str, Values]:
    """Column -> B values: the maps ``after`` (B, H, W) carried back, beside those as they were."""
    name, strength = head.augmentation, head.strength
    back, seen = carried_back(name, strength, after)
    still = resampled(moved(name, strength, floor.relevance), floor.grid)
    still = carried_back(name, strength, still)[0]
    found: dict[str, Values] = {"seen": [float(seen.float().mean())] * len(after)}
    for end, maps in (("", back), ("_floor", still)):
        correlation, overlap = compared(plain.relevance, maps, seen, plain.grid)
        found |= {
            f"rank_correlation{end}": correlation.tolist(),
            f"overlap{end}": overlap.tolist(),
        }
    for end, maps in (("", plain.relevance), ("_after", back)):
        shares = masses(maps, seen, regions).T.tolist()
        found |= {f"mass_{region}{end}": each for region, each in zip(REGIONS, shares, strict=True)}
    return found
