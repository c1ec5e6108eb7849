"""Captum's attribution methods, each by the name of its class.

Source: Kokhlikyan et al. 2020, "Captum: A unified and generic model interpretability library for
PyTorch"; each class's documentation names the paper of its method. This module hands Captum the
explained score, baselines, superpixels and a layer, few copies a forward, and makes maps of what it
returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # build() checks keys against the annotations
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from xai_audit.errors import ConfigError, ModelError
from xai_audit.methods._captum_calls import Calls, Place
from xai_audit.methods._captum_classes import noise_keys, recipe
from xai_audit.methods._captum_model import Score, borrowed, unshared
from xai_audit.methods._coalitions import SEGMENTERS, segments
from xai_audit.methods._limits import one_of, within
from xai_audit.network.copies import BASELINES, baseline
from xai_audit.network.feature_layout import MAP
from xai_audit.network.target_layer import require_layer, require_map, trace
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.methods._captum_classes import Recipe
    from xai_audit.network.target_layer import Trace
    from xai_audit.types import Request

# Superpixels whose every order ShapleyValues can try: 6! orders are 4,320 copies of an image.
_MOST_PIECES = 6


class Captum:
    """One of Captum's attribution methods.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        attribution: the name of Captum's class.
        layer: dotted name for an attribution of a layer; None: the model's target layer.
        baseline: ``black``, ``mean``, ``blur``, ``random`` or ``photo``.
        baselines: kinds for an attribution that wants several; a kind named twice is drawn twice.
        superpixels: ``slic`` or ``grid``, for an attribution that takes pieces away.
        pieces: about how many superpixels an image.
        window: side of Occlusion's square, a share of the image's shorter side.
        stride: of its steps, likewise.
        noise_tunnel: keywords of Captum's NoiseTunnel around the attribution; None: no noise.
        kwargs: keywords of the class's constructor and of its ``attribute``; None: none.
        seed: of the run.
    """

    def __init__(  # noqa: PLR0913 - a method's own keys
        self,
        *,
        name: str,
        sign: str,
        attribution: str,
        layer: str | None,
        baseline: str,
        baselines: Sequence[str],
        superpixels: str,
        pieces: int,
        window: float,
        stride: float,
        noise_tunnel: Mapping[str, object] | None,
        kwargs: Mapping[str, object] | None,
        seed: int,
    ) -> None:
        self.name, self.sign, self._seed, self._layer = name, sign, seed, layer
        self._recipe = recipe(attribution, kwargs or {})
        self._noise = None if noise_tunnel is None else noise_keys(self._recipe, noise_tunnel)
        kinds = baselines if self._recipe.several else [baseline]
        key = "baselines" if self._recipe.several else "baseline"
        self._kinds = [one_of(name, key, kind, BASELINES) for kind in kinds]
        within(name, "baselines (how many)", len(self._kinds), 1)
        self._superpixels = one_of(name, "superpixels", superpixels, SEGMENTERS)
        within(name, "pieces", pieces, 2)
        within(name, "window", window, 0, 1)
        within(name, "stride", stride, 0, window)  # else some pixels are never hidden
        self._pieces, self._window, self._stride = pieces, window, stride
        if self._recipe.is_a("ShapleyValues"):
            _check_orders(pieces)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W), or (B, T, h, w) on the grid of the layer that is explained."""
        alone = self._recipe.alone or self._noise is not None
        most = 1 if alone else max(request.max_batch // self._recipe.copies, 1)
        with borrowed(request, self._recipe.name), self._fit(request) as place:
            calls = self._calls(request, place)
            rows = torch.arange(len(request.images), device=request.images.device)
            found = [calls.of(some) for some in torch.split(rows, most)]
        maps, errors = zip(*found, strict=True)
        promised = self._recipe.promises and self._noise is None
        return Attribution(torch.cat(maps), torch.cat(errors) if promised else None)

    @contextmanager
    def _fit(self, request: Request) -> Iterator[Place | None]:
        """A block in which the model is one that the class can work on; the layer it explains."""
        made, module, place = self._recipe, request.model.module, None
        if not made.hooked:
            yield None
            return
        _check_relus(made, module)
        if made.layered:
            require_layer(module, self._name_of_layer(request))
        seen = trace(module, request.images[:1])
        if made.layered:
            place = _place(made, self._name_of_layer(request), seen)
        with unshared(module, seen) if made.is_a("DeepLift") else nullcontext():
            yield place if made.is_a("LayerAttribution") else None

    def _name_of_layer(self, request: Request) -> str:
        return self._layer or request.model.target_layer

    def _calls(self, request: Request, place: Place | None) -> Calls:
        """What all calls for ``request`` share."""
        made, starts, labels = self._recipe, None, None
        given = dict(made.build)
        if made.layered:
            given["layer"] = request.model.module.get_submodule(self._name_of_layer(request))
        if "baselines" in made.takes:
            starts = torch.stack(
                [baseline(kind, request, seed) for kind, seed in self._draws_of_kinds()], 1
            )
        if "feature_mask" in made.takes:
            labels = self._labels(request)
            if made.is_a("ShapleyValues"):
                _check_orders(max(int(each.max()) + 1 for each in labels))
        if "sliding_window_shapes" in made.takes:
            made = self._with_windows(request)
        return Calls(
            request=request,
            recipe=made,
            method=made.kind(Score(request, whole=made.hooked), **given),
            noise=self._noise,
            starts=starts,
            labels=labels,
            place=place,
            seed=self._seed,
        )

    def _labels(self, request: Request) -> list[torch.Tensor]:
        """Each image's superpixels, or squares where its colours give only one.

        Captum's KernelShap fails on one.
        """
        cut = segments(request, self._superpixels, self._pieces)
        squares = segments(request, "grid", self._pieces)
        return [
            mine if int(mine.max()) else square for mine, square in zip(cut, squares, strict=True)
        ]

    def _draws_of_kinds(self) -> list[tuple[str, int]]:
        """Each kind of baseline and a seed: a kind named again is another draw."""
        return [
            (kind, self._seed + self._kinds[:place].count(kind))
            for place, kind in enumerate(self._kinds)
        ]

    def _with_windows(self, request: Request) -> Recipe:
        """The recipe with Occlusion's squares in px, where the user gives none in kwargs."""
        channels, height, width = request.images.shape[1:]
        window, stride = (
            max(round(share * min(height, width)), 1) for share in (self._window, self._stride)
        )
        squares = {
            "sliding_window_shapes": (channels, window, window),
            "strides": (channels, stride, stride),
        }
        return replace(self._recipe, call={**squares, **self._recipe.call})


def _place(made: Recipe, name: str, seen: Trace) -> Place:
    """The layer ``name`` in a trace, which runs once and has positions.

    Raises:
        ModelError: it has not, or not as the class wants them.
    """
    require_map(seen, name)
    run = next(run for run in seen.runs if run.name == name)
    place = Place(run.shape or (), run.layout or MAP)
    if made.is_a("LayerGradCam", "GuidedGradCam") and place.layout != MAP:
        raise ModelError(
            f"Captum's {made.name} needs a layer whose output is (B, C, h, w)",
            where=name,
            got=place.shape,
            remedy="method=gradcam, or another method.layer",
        )
    return place


def _check_relus(made: Recipe, module: nn.Module) -> None:
    """Raise ModelError where a class that changes ``nn.ReLU`` would find none to change."""
    changes = made.is_a("GuidedBackprop", "Deconvolution", "GuidedGradCam")
    if changes and not any(isinstance(layer, nn.ReLU) for layer in module.modules()):
        raise ModelError(
            f"the model has no nn.ReLU, whose backward Captum's {made.name} changes",
            where=f"method.attribution={made.name}",
            remedy="method=guided_backprop, which follows functions, too, or another attribution",
        )


def _check_orders(pieces: int) -> None:
    """Raise ConfigError where ``pieces`` have more orders than can be tried."""
    if pieces > _MOST_PIECES:
        raise ConfigError(
            "ShapleyValues tries every order of the superpixels and would not finish",
            where="method.pieces",
            expected=f"{_MOST_PIECES} at most",
            got=pieces,
            remedy="method.pieces=4 method.superpixels=grid, "
            "or method.attribution=ShapleyValueSampling",
        )
