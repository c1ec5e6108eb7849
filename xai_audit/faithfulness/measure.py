"""The checks of one method on a few photos, one row per image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from xai_audit.attribute.calls import call_method
from xai_audit.attribute.explain import stored_size
from xai_audit.attribute.request import CachedRequest, MethodServices
from xai_audit.attribute.targets import kind_of, make_targets
from xai_audit.errors import PluginError
from xai_audit.faithfulness.curves import insertion_deletion, ranks
from xai_audit.faithfulness.infidelity import infidelity, sensitivity
from xai_audit.faithfulness.randomise import DEPTHS, layers_of, randomised, similarity
from xai_audit.faithfulness.road import road
from xai_audit.network.inputs import Inputs, model_errors
from xai_audit.run.sample import rng_of
from xai_audit.schema import OK, RANDOM, TRUST, TRUST_MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xai_audit.attribute.targets import NamedClass
    from xai_audit.network.inputs import AdaptiveBatch
    from xai_audit.types import Attributor, LoadedModel, Request
    from xai_audit.vision.loader import Batch

    _Measured = dict[str, torch.Tensor | NDArray[np.float64]]


@dataclass(frozen=True)
class Checker:
    """Checks methods on one model, in full precision whatever the run's is.

    Attributes:
        model: prepared.
        kind: what is explained, see :mod:`xai_audit.attribute.targets`.
        steps: of the insertion and deletion curves.
        seed: of the run.
        adaptive: images a forward; halved and regrown where memory is short.
        num_workers: processes that make ROAD's images.
        services: by the run.
    """

    model: LoadedModel
    kind: str | NamedClass
    steps: int
    seed: int
    adaptive: AdaptiveBatch
    num_workers: int = 0
    services: MethodServices = MethodServices()

    def rows(
        self, method: Attributor | None, batch: Batch, draw: int, progress: Callable[[int], None]
    ) -> pa.Table:
        """The rows of TRUST for ``method``; for maps of random noise where it is None.

        Args:
            method: to be checked.
            batch: the photos; one that is not usable has its status and no measures.
            draw: number of the draw of random weights that is used for these photos.
            progress: called with the number of images after each few.
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
            progress(len(records))
        for image_id, (status_of, _) in batch.problems.items():
            tables.append(_table([(image_id, None)], [status_of], {}, row))
        return pa.concat_tables(tables)

    def _checked(
        self, method: Attributor | None, batch: Batch, draw: int
    ) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
        """Statuses and measures (B,) of the photos of ``batch``; an absent one does not apply."""
        request = self._request(batch)
        with model_errors(self.model.module, request.image_ids):
            if method is None:
                maps = _noise(request, self.seed)
                found = self._curves(request, self._ranks(request, maps))
            else:
                maps, found = self._measured(method, request, draw)
        status = _status(maps)
        usable = np.array([state == OK for state in status])
        arrays = {name: np.where(usable, _array(each), np.nan) for name, each in found.items()}
        return status, arrays

    def _measured(
        self, method: Attributor, request: Request, draw: int
    ) -> tuple[torch.Tensor, _Measured]:
        said = call_method(method, request)
        maps = said.maps[:, 0].float()
        places = self._ranks(request, maps.abs() if method.sign == "absolute" else maps)
        found = self._curves(request, places) | self._changes(method, request, maps, draw)
        found["infidelity"] = infidelity(request, maps, seed=self.seed)
        found["road"] = road(request, places, seed=self.seed, num_workers=self.num_workers)
        if said.completeness_error is not None:
            found["completeness_error"] = said.completeness_error[:, 0].abs()
        return maps, found

    def _request(self, batch: Batch) -> CachedRequest:
        if batch.photos is None:
            raise TypeError("a batch without photos cannot be checked")
        images = Inputs(self.model, "fp32").normalised(batch.photos)
        labels = torch.tensor([record.label for record in batch.records], device=images.device)
        return CachedRequest(
            self.model,
            images,
            partial(make_targets, [self.kind], labels=labels, single=self.model.single_logit),
            image_ids=[record.image_id for record in batch.records],
            max_batch=self.adaptive.size,
            services=self.services,
        )

    @cached_property
    def _layers(self) -> list[str]:
        return layers_of(self.model)

    def _random(self, depth: str, draw: int) -> LoadedModel:
        return randomised(self.model, depth, layers=self._layers, draw=draw, seed=self.seed)

    def _ranks(self, request: Request, maps: torch.Tensor) -> torch.Tensor:
        size = (request.images.shape[2], request.images.shape[3])
        return ranks(maps, size, image_ids=request.image_ids, seed=self.seed)

    def _curves(self, request: Request, places: torch.Tensor) -> _Measured:
        inserted, deleted = insertion_deletion(request, places, steps=self.steps, seed=self.seed)
        return {"insertion": inserted, "deletion": deleted}

    def _changes(
        self, method: Attributor, request: Request, maps: torch.Tensor, draw: int
    ) -> _Measured:
        """The similarity of the maps under random weights, and their sensitivity to tiny noise."""

        def explain(model: LoadedModel, images: torch.Tensor) -> torch.Tensor:
            ids, targets = request.image_ids, request.targets
            max_batch, services = self.adaptive.size, self.services
            again = CachedRequest(
                model,
                images,
                lambda _: targets,
                image_ids=ids,
                max_batch=max_batch,
                services=services,
            )
            with model_errors(model.module, ids):
                found = _stored(call_method(method, again).maps[:, 0].float(), method.sign)
            if found.shape != plain.shape:
                raise PluginError(
                    f"method {method.name} gives maps of one image on several grids",
                    where=", ".join(ids[:3]),
                    expected=tuple(plain.shape[1:]),
                    got=tuple(found.shape[1:]),
                )
            return found

        plain = _stored(maps, method.sign)
        # A model that gives outputs only has no weights to draw anew.
        found: _Measured = {
            f"similarity_{depth}": similarity(
                plain,
                explain(self._random(depth, draw), request.images),
            )
            for depth in (DEPTHS if self.model.target_layer else ())
        }
        found["sensitivity"] = sensitivity(
            request, plain, lambda images: explain(self.model, images), seed=self.seed
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
    """``maps`` (B, h, w) as the audit reads them, but with the negative part that it cuts off.

    A map that is negative everywhere still has an order.
    """
    return stored_size((maps.abs() if sign == "absolute" else maps)[:, None])[:, 0]


def _noise(request: Request, seed: int) -> torch.Tensor:
    """Maps (B, H, W) of uniform noise, drawn by image."""
    size = request.images.shape[2:]
    drawn = [rng_of(seed, image_id, "map").random(size) for image_id in request.image_ids]
    return torch.from_numpy(np.stack(drawn)).float().to(request.images.device)
