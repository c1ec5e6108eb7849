"""Calls of Captum for some images of a batch, and maps of what it returns."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from captum import attr
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.methods._captum_model import drawing
from xai_audit.network.feature_layout import as_map
from xai_audit.run.sample import seed_of
from xai_audit.types import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xai_audit.methods._captum_classes import Recipe
    from xai_audit.network.feature_layout import Layout
    from xai_audit.types import Request

# Layers that only move numbers: Captum's LRP has no rule for them, but its usual one is exact.
_MOVERS = (nn.Identity, nn.Flatten)


@dataclass(frozen=True)
class Place:
    """The layer that is explained.

    Attributes:
        shape: of its output for one image, (1, ...).
        layout: how positions lie in it.
    """

    shape: tuple[int, ...]
    layout: Layout

    def numbered(self, device: torch.device) -> torch.Tensor:
        """A number for each position, of a shape that broadcasts to the output's."""
        channel = 1 if self.layout.kind == "map" else len(self.shape) - 1
        shape = [1 if side == channel else size for side, size in enumerate(self.shape)]
        return torch.arange(torch.Size(shape).numel(), device=device).view(shape)


@dataclass(frozen=True)
class Calls:
    """What all calls for a batch share.

    Attributes:
        request: the images and targets.
        recipe: of Captum's class.
        method: an instance of it.
        noise: keywords of a NoiseTunnel around it, None for none.
        starts: the baselines (B, S, C, H, W), None where it takes none.
        labels: B of (H, W) int64, the superpixels, None where it takes none.
        place: the layer that is explained, None for the images themselves.
        seed: of the run.
    """

    request: Request
    recipe: Recipe
    method: Any
    noise: Mapping[str, object] | None
    starts: torch.Tensor | None
    labels: list[torch.Tensor] | None
    place: Place | None
    seed: int

    def of(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps (b, T, h, w) and completeness errors (b, T) float32 of the images ``rows``."""
        maps, errors = [], []
        for target in self.request.targets:
            values, error = self._of_target(rows, target.of(rows))
            maps.append(self._map(rows, values))
            errors.append(error)
        return torch.stack(maps, 1), torch.stack(errors, 1)

    def _of_target(self, rows: torch.Tensor, target: Target) -> tuple[torch.Tensor, torch.Tensor]:
        """Captum's values (b, ...) and completeness errors (b,)."""
        if target.against is None or not self.recipe.is_a("LRP"):
            return self._whole(rows, target)
        # LRP shares out the score that it is given. A margin is two scores, each shared out.
        mine, other = (
            self._whole(rows, Target(target.kind, index))
            for index in (target.index, target.against)
        )
        return mine[0] - other[0], mine[1] - other[1]

    def _whole(self, rows: torch.Tensor, target: Target) -> tuple[torch.Tensor, torch.Tensor]:
        """As :meth:`_of_target`: the sum of the parts that the work is cut into."""
        values, errors = [], []
        for number, (share, attribute, keywords) in enumerate(self._parts(rows, target)):
            with self._draws(rows, number):
                value, error = self._called(rows, attribute, keywords)
            values.append(share * value)
            errors.append(share * error)
        return torch.stack(values).sum(0), torch.stack(errors).sum(0)

    def _draws(self, rows: torch.Tensor, number: int) -> AbstractContextManager[None]:
        """A block in which Captum draws what it draws for this image and part, whatever the batch.

        Every target gets the same draws.
        """
        if not self.recipe.samples and self.noise is None:
            return nullcontext()
        image_id = self.request.image_ids[int(rows[0])]
        seed = seed_of(self.seed, image_id, "captum", self.recipe.name, number)
        return drawing(seed, self.request.model.device)

    def _parts(
        self, rows: torch.Tensor, target: Target
    ) -> Iterator[tuple[float, Callable[..., Any], dict[str, Any]]]:
        """Share, function and keywords of each call; no forward of one holds too many copies."""
        recipe, keywords = self.recipe, self._keywords(rows, target)
        whole = partial(recipe.kind.attribute, self.method)
        if self.noise is not None:
            # Where a forward must be whole, one noisy image at a time.
            few = 1 if recipe.hooked else None
            tunnel = attr.NoiseTunnel(self.method)
            yield 1.0, tunnel.attribute, {**keywords, **self.noise, "nt_samples_batch_size": few}
        elif recipe.several and recipe.is_a("DeepLift"):
            for some in keywords["baselines"].split(max(self.request.max_batch // 2, 1)):
                # For one baseline Captum refers to the class that this one is made from.
                one = partial(recipe.kind.__mro__[1].attribute, self.method)
                share = len(some) / len(keywords["baselines"])
                yield share, one if len(some) == 1 else whole, {**keywords, "baselines": some}
        elif recipe.samples and recipe.hooked:
            for _ in range(recipe.samples):
                yield 1 / recipe.samples, whole, {**keywords, "n_samples": 1}
        else:
            yield 1.0, whole, keywords

    def _keywords(self, rows: torch.Tensor, target: Target) -> dict[str, Any]:
        """Of Captum's ``attribute``: the user's, and those of ours that it takes."""
        recipe, most, first = self.recipe, self.request.max_batch, int(rows[0])
        against = () if target.against is None else (target.against,)
        ours: dict[str, Any] = {
            "additional_forward_args": (target.index, *against),
            "return_convergence_delta": recipe.promises and self.noise is None,
            "internal_batch_size": max(most, recipe.copies * len(rows)),
            "perturbations_per_eval": most,
        }
        if self.starts is not None:
            ours["baselines"] = self.starts[first] if recipe.several else self.starts[rows, 0]
        if self.labels is not None:
            ours["feature_mask"] = self.labels[first][None, None]
        if self.place is not None:
            ours["layer_mask"] = self.place.numbered(rows.device)
        return {**recipe.call, **{key: v for key, v in ours.items() if key in recipe.takes}}

    def _called(
        self, rows: torch.Tensor, attribute: Callable[..., Any], keywords: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Captum's values (b, ...) and completeness errors (b,), 0 where it promises nothing."""
        if self.recipe.is_a("LRP"):
            for layer in self.request.model.module.modules():
                if type(layer) in _MOVERS:
                    layer.rule = EpsilonRule()  # Captum takes it off after each call
        images = self.request.images[rows]
        if self.recipe.is_a("DeepLift"):
            # Of a frozen model nothing before the layer has a gradient, and Captum hooks gradients.
            images.requires_grad_()
        found = attribute(images, **keywords)
        error = torch.zeros(len(rows), device=rows.device)
        if keywords.get("return_convergence_delta"):
            found, delta = found
            # One an image and baseline or sample; LRP's is the other way round.
            error = delta.detach().float().view(len(rows), -1).mean(1)
            error = -error if self.recipe.is_a("LRP") else error
        if isinstance(found, tuple) and len(found) == 1:
            (found,) = found
        if not isinstance(found, torch.Tensor):
            raise ModelError(
                "Captum's attribution of this layer is no tensor",
                where=f"method.attribution={self.recipe.name}",
                got=type(found).__name__,
                remedy="method.layer=NAME of a layer whose output is one tensor",
            )
        return found.detach().float(), error

    def _map(self, rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """(b, h, w): channels summed; what is told of a whole piece is shared by its numbers."""
        if self.place is not None:
            values = as_map(values, self.place.layout)
            return values.mean(1) if "layer_mask" in self.recipe.takes else values.sum(1)
        if self.labels is None:
            return values.sum(1)
        labels = self.labels[int(rows[0])]
        return values.mean(1) / torch.bincount(labels.flatten())[labels]
