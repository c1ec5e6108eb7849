"""The checks of one method on a sample of photos: one row an image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from xai_audit.methods.seeds import rng_of
from xai_audit.schema import OK, RANDOM, TRUST, TRUST_MEASURES
from xai_audit.trust.curves import insertion_deletion, ranks
from xai_audit.trust.infidelity import infidelity
from xai_audit.trust.randomise import DEPTHS, randomised, similarity
from xai_audit.trust.road import road
from xai_audit.trust.stability import sensitivity
from xai_audit.worker.adaptive import AdaptiveBatch
from xai_audit.worker.asked import AskedOnce, Lent
from xai_audit.worker.blame import blamed
from xai_audit.worker.explain import stored_size
from xai_audit.worker.inputs import Inputs
from xai_audit.worker.targets import make_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Asked, Attributor, ImageRecord, LoadedModel
    from xai_audit.worker.targets import NamedClass

    _Measured = dict[str, torch.Tensor | NDArray[np.float64]]

# Images checked at a time: what a signal waits for.
_CHUNK = 8


@dataclass(frozen=True)
class Sampled:
    """The photos that every method is checked on.

    Attributes:
        records: of n images.
        photos: (n, C, H, W) uint8, in the model's view.
    """

    records: Sequence[ImageRecord]
    photos: torch.Tensor


@dataclass(frozen=True)
class Checker:
    """Checks methods on one model, in full precision whatever the run's is.

    Attributes:
        model: ready for the hot loop.
        kind: what is explained, see :mod:`xai_audit.worker.targets`.
        steps: of the insertion and deletion curves.
        seed: of the run.
        adaptive: images a forward; halved and regrown where memory is short.
        num_workers: processes that make ROAD's images.
        lent: by the run.
    """

    model: LoadedModel
    kind: str | NamedClass
    steps: int
    seed: int
    adaptive: AdaptiveBatch
    num_workers: int = 0
    lent: Lent = Lent()

    def rows(
        self, method: Attributor | None, sampled: Sampled, tell: Callable[[int], None]
    ) -> pa.Table:
        """The rows of TRUST for ``method``; None: for maps of noise, which know nothing.

        Args:
            method: to be checked.
            sampled: on which photos.
            tell: called with the number of images after each few.
        """
        count = len(sampled.records)
        found = {name: np.full(count, np.nan) for name in TRUST_MEASURES}
        status = np.full(count, OK, dtype=object)
        for start in range(0, count, _CHUNK):
            size = min(_CHUNK, count - start)

            def check(piece: slice, start: int = start) -> dict[str, NDArray[np.float64]]:
                rows = slice(start + piece.start, start + piece.stop)
                asked = self._asked(sampled, rows)
                with blamed(self.model.module, asked.image_ids):
                    return self._checked(method, asked)

            for piece, measured in self.adaptive.over(size, check):
                rows = slice(start + piece.start, start + piece.stop)
                if measured is None:
                    status[rows] = "out_of_memory"
                    continue
                for name, values in measured.items():
                    found[name][rows] = values
            tell(size)
        return pa.table(
            {
                "image_id": [record.image_id for record in sampled.records],
                "class_name": [record.class_name for record in sampled.records],
                "method": [RANDOM if method is None else method.name] * count,
                "target_kind": [self.kind if isinstance(self.kind, str) else self.kind.kind]
                * count,
                "status": status.tolist(),
                **{name: pa.array(values, from_pandas=True) for name, values in found.items()},
            }
        ).cast(TRUST)

    def _asked(self, sampled: Sampled, rows: slice) -> AskedOnce:
        images = Inputs(self.model, "fp32").normalised(sampled.photos[rows])
        records = sampled.records[rows]
        labels = torch.tensor([record.label for record in records], device=images.device)
        return AskedOnce(
            self.model,
            images,
            partial(make_targets, [self.kind], labels=labels, single=self.model.single_logit),
            image_ids=[record.image_id for record in records],
            room=self.adaptive.size,
            lent=self.lent,
        )

    def _checked(self, method: Attributor | None, asked: Asked) -> dict[str, NDArray[np.float64]]:
        """Every measure (B,) of the images of ``asked``; absent: does not apply."""
        if method is None:
            places = self._ranks(asked, _noise(asked, self.seed))
            return _arrays(self._curves(asked, places))
        said = method.attribute(asked)
        maps = said.maps[:, 0].float()
        places = self._ranks(asked, maps.abs() if method.sign == "absolute" else maps)
        found = self._curves(asked, places) | self._changes(method, asked, maps)
        found["infidelity"] = infidelity(asked, maps, seed=self.seed)
        found["road"] = road(asked, places, seed=self.seed, num_workers=self.num_workers)
        if said.completeness_error is not None:
            found["completeness_error"] = said.completeness_error[:, 0].abs()
        return _arrays(found)

    def _ranks(self, asked: Asked, maps: torch.Tensor) -> torch.Tensor:
        size = (asked.images.shape[2], asked.images.shape[3])
        return ranks(maps, size, image_ids=asked.image_ids, seed=self.seed)

    def _curves(self, asked: Asked, places: torch.Tensor) -> _Measured:
        inserted, deleted = insertion_deletion(asked, places, steps=self.steps, seed=self.seed)
        return {"insertion": inserted, "deletion": deleted}

    def _changes(self, method: Attributor, asked: Asked, maps: torch.Tensor) -> _Measured:
        """What becomes of the maps under other weights, and under tiny noise."""

        def explain(model: LoadedModel, images: torch.Tensor) -> torch.Tensor:
            ids, targets = asked.image_ids, asked.targets
            again = AskedOnce(
                model,
                images,
                lambda _: targets,
                image_ids=ids,
                room=self.adaptive.size,
                lent=self.lent,
            )
            return _stored(method.attribute(again).maps[:, 0].float(), method.sign)

        plain = _stored(maps, method.sign)
        found: _Measured = {
            f"similarity_{depth}": similarity(
                plain, explain(randomised(self.model, depth, self.seed), asked.images)
            )
            for depth in DEPTHS
        }
        found["sensitivity"] = sensitivity(
            asked, plain, lambda images: explain(self.model, images), seed=self.seed
        )
        return found


def _arrays(measured: _Measured) -> dict[str, NDArray[np.float64]]:
    return {
        name: values.double().cpu().numpy() if isinstance(values, torch.Tensor) else values
        for name, values in measured.items()
    }


def _stored(maps: torch.Tensor, sign: str) -> torch.Tensor:
    """``maps`` (B, h, w) as the audit reads them, but for what the rule ``positive`` cuts off.

    A map that is negative everywhere still has an order.
    """
    return stored_size((maps.abs() if sign == "absolute" else maps)[:, None])[:, 0]


def _noise(asked: Asked, seed: int) -> torch.Tensor:
    """Maps (B, H, W) of uniform noise, drawn by image."""
    size = asked.images.shape[2:]
    drawn = [rng_of(seed, image_id, "map").random(size) for image_id in asked.image_ids]
    return torch.from_numpy(np.stack(drawn)).float().to(asked.images.device)
