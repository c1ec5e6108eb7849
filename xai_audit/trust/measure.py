"""The checks of one method on a few photos: one row an image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from xai_audit.errors import PluginError
from xai_audit.methods.seeds import rng_of
from xai_audit.schema import OK, RANDOM, TRUST, TRUST_MEASURES
from xai_audit.trust.curves import insertion_deletion, ranks
from xai_audit.trust.infidelity import infidelity
from xai_audit.trust.randomise import DEPTHS, layers_of, randomised, similarity
from xai_audit.trust.road import road
from xai_audit.trust.stability import sensitivity
from xai_audit.worker.asked import AskedOnce, Lent
from xai_audit.worker.blame import blamed
from xai_audit.worker.explain import stored_size
from xai_audit.worker.inputs import Inputs
from xai_audit.worker.plugged import attributed
from xai_audit.worker.targets import kind_of, make_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Asked, Attributor, LoadedModel
    from xai_audit.worker.adaptive import AdaptiveBatch
    from xai_audit.worker.loader import Batch
    from xai_audit.worker.targets import NamedClass

    _Measured = dict[str, torch.Tensor | NDArray[np.float64]]


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
        self, method: Attributor | None, batch: Batch, draw: int, tell: Callable[[int], None]
    ) -> pa.Table:
        """The rows of TRUST for ``method``; None: for maps of noise, which know nothing.

        Args:
            method: to be checked.
            batch: on which photos; one that is not usable has its status and no measures.
            draw: of the random weights that these photos are compared under.
            tell: called with the number of images after each few.
        """
        name = RANDOM if method is None else method.name
        row = {"method": name, "target_kind": kind_of(self.kind), "draw": draw}
        tables = [TRUST.empty_table()]
        for piece, found in self.adaptive.over(
            len(batch.records), lambda piece: self._checked(method, batch.images(piece), draw)
        ):
            records = batch.records[piece]
            status, measured = found or (["out_of_memory"] * len(records), {})
            names = [(record.image_id, record.class_name) for record in records]
            tables.append(_table(names, status, measured, row))
            tell(len(records))
        for image_id, (status_of, _) in batch.problems.items():
            tables.append(_table([(image_id, None)], [status_of], {}, row))
        return pa.concat_tables(tables)

    def _checked(
        self, method: Attributor | None, batch: Batch, draw: int
    ) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
        """Statuses and measures (B,) of the photos of ``batch``; an absent one does not apply."""
        asked = self._asked(batch)
        with blamed(self.model.module, asked.image_ids):
            if method is None:
                maps = _noise(asked, self.seed)
                found = self._curves(asked, self._ranks(asked, maps))
            else:
                maps, found = self._measured(method, asked, draw)
        status = _status(maps)
        usable = np.array([state == OK for state in status])
        arrays = {name: np.where(usable, _array(each), np.nan) for name, each in found.items()}
        return status, arrays

    def _measured(
        self, method: Attributor, asked: Asked, draw: int
    ) -> tuple[torch.Tensor, _Measured]:
        said = attributed(method, asked)
        maps = said.maps[:, 0].float()
        places = self._ranks(asked, maps.abs() if method.sign == "absolute" else maps)
        found = self._curves(asked, places) | self._changes(method, asked, maps, draw)
        found["infidelity"] = infidelity(asked, maps, seed=self.seed)
        found["road"] = road(asked, places, seed=self.seed, num_workers=self.num_workers)
        if said.completeness_error is not None:
            found["completeness_error"] = said.completeness_error[:, 0].abs()
        return maps, found

    def _asked(self, batch: Batch) -> AskedOnce:
        if batch.photos is None:
            raise TypeError("a batch without photos cannot be checked")
        images = Inputs(self.model, "fp32").normalised(batch.photos)
        labels = torch.tensor([record.label for record in batch.records], device=images.device)
        return AskedOnce(
            self.model,
            images,
            partial(make_targets, [self.kind], labels=labels, single=self.model.single_logit),
            image_ids=[record.image_id for record in batch.records],
            room=self.adaptive.size,
            lent=self.lent,
        )

    @cached_property
    def _layers(self) -> list[str]:
        return layers_of(self.model)

    def _random(self, depth: str, draw: int) -> LoadedModel:
        return randomised(self.model, depth, layers=self._layers, draw=draw, seed=self.seed)

    def _ranks(self, asked: Asked, maps: torch.Tensor) -> torch.Tensor:
        size = (asked.images.shape[2], asked.images.shape[3])
        return ranks(maps, size, image_ids=asked.image_ids, seed=self.seed)

    def _curves(self, asked: Asked, places: torch.Tensor) -> _Measured:
        inserted, deleted = insertion_deletion(asked, places, steps=self.steps, seed=self.seed)
        return {"insertion": inserted, "deletion": deleted}

    def _changes(
        self, method: Attributor, asked: Asked, maps: torch.Tensor, draw: int
    ) -> _Measured:
        """What becomes of the maps under other weights, and under tiny noise."""

        def explain(model: LoadedModel, images: torch.Tensor) -> torch.Tensor:
            ids, targets = asked.image_ids, asked.targets
            room, lent = self.adaptive.size, self.lent
            again = AskedOnce(model, images, lambda _: targets, image_ids=ids, room=room, lent=lent)
            with blamed(model.module, ids):
                found = _stored(attributed(method, again).maps[:, 0].float(), method.sign)
            if found.shape != plain.shape:
                raise PluginError(
                    f"method {method.name} gives maps of one image on several grids",
                    where=", ".join(ids[:3]),
                    expected=tuple(plain.shape[1:]),
                    got=tuple(found.shape[1:]),
                )
            return found

        plain = _stored(maps, method.sign)
        found: _Measured = {
            f"similarity_{depth}": similarity(
                plain,
                explain(self._random(depth, draw), asked.images),
            )
            for depth in DEPTHS
        }
        found["sensitivity"] = sensitivity(
            asked, plain, lambda images: explain(self.model, images), seed=self.seed
        )
        return found


def _table(
    names: Sequence[tuple[str, str | None]],
    status: Sequence[str],
    measured: dict[str, NDArray[np.float64]],
    row: dict[str, object],
) -> pa.Table:
    """Rows of TRUST of images named (id, class); what was not measured is null."""
    nothing = np.full(len(names), np.nan)
    columns = {key: [value] * len(names) for key, value in row.items()}
    columns |= {"image_id": [i for i, _ in names], "class_name": [name for _, name in names]}
    columns |= {"status": list(status)}
    measures = {
        name: pa.array(measured.get(name, nothing), from_pandas=True) for name in TRUST_MEASURES
    }
    return pa.table(columns | measures).select(TRUST.names).cast(TRUST)


def _status(maps: torch.Tensor) -> list[str]:
    """Why each map (B, h, w) has no order, or OK."""
    cells = maps.flatten(1)
    finite, flat = cells.isfinite().all(1), cells.amax(1) == cells.amin(1)
    return [
        "not_finite" if not known else "flat" if same else OK
        for known, same in zip(finite.tolist(), flat.tolist(), strict=True)
    ]


def _array(values: torch.Tensor | NDArray[np.float64]) -> NDArray[np.float64]:
    return values.double().cpu().numpy() if isinstance(values, torch.Tensor) else values


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
