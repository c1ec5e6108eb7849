"""The model's outputs and gradients on a batch, computed once however many methods use them.

The graph is cut at a layer: everything before it runs without a graph, so its activations are
freed as in plain inference, and predictions and every target come from the same forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ModelError, PluginError
from xai_audit.network.feature_layout import as_map, layout_of
from xai_audit.network.target_layer import require_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.attribute.references import References
    from xai_audit.network.feature_layout import Layout
    from xai_audit.types import LoadedModel, Target


def ignore(_count: int) -> None:
    """Callback that does nothing, for callers that show no progress."""


@dataclass(frozen=True)
class MethodServices:
    """Progress callback and reference photos, for attribution methods.

    Attributes:
        progress: called with the number of copies after each forward of them; may raise to stop.
        references: reads photos that a baseline may be, see :mod:`xai_audit.attribute.references`.
    """

    progress: Callable[[int], None] = ignore
    references: Callable[[], References] | None = None


class CachedRequest:
    """The :class:`~xai_audit.types.Request` of a run, its results cached.

    Args:
        model: frozen.
        images: (B, C, H, W) float32, normalised, on the model's device.
        targets: called once with the logits (B, K); the T targets to explain.
        image_ids: B ids.
        max_batch: most images in one forward.
        services: of the run.
    """

    def __init__(
        self,
        model: LoadedModel,
        images: torch.Tensor,
        targets: Callable[[torch.Tensor], Sequence[Target]],
        *,
        image_ids: Sequence[str],
        max_batch: int,
        services: MethodServices = MethodServices(),
    ) -> None:
        self.model, self.images, self.image_ids = model, images, image_ids
        self.max_batch, self.progress = max_batch, services.progress
        self._targets, self._read = targets, services.references
        self._logits: torch.Tensor | None = None
        self._features: dict[str, _CutFeatures] = {}

    @property
    def logits(self) -> torch.Tensor:
        """(B, K), detached; from the first forward that was needed."""
        if self._logits is None:
            with torch.no_grad():
                self._logits = self.model.module(self.images)
        return self._logits

    @cached_property
    def targets(self) -> Sequence[Target]:
        """The T targets to explain."""
        return self._targets(self.logits)

    @property
    def references(self) -> tuple[Sequence[str], torch.Tensor]:
        """S ids and images (S, C, H, W), the same for every batch.

        Raises:
            PluginError: there are no reference photos.
        """
        if self._read is None:
            raise PluginError("there are no other photos to draw a baseline from")
        return self._read()

    def features(self, layer: str) -> _CutFeatures:
        """Activations of ``layer`` and each target's gradient there.

        Raises:
            ModelError: no such layer; the outputs have no gradient there.
        """
        if layer not in self._features:
            require_layer(self.model.module, layer)
            with torch.enable_grad():
                logits, activations = _cut_forward(self.model.module, layer, self.images)
            self._keep(logits)
            layout = self._layout(layer, activations)
            gradients = partial(self._gradients, logits, activations, where=layer)
            self._features[layer] = _CutFeatures(
                as_map(activations.detach(), layout),
                lambda: tuple(as_map(gradient, layout) for gradient in gradients()),
            )
        return self._features[layer]

    def _layout(self, layer: str, activations: torch.Tensor) -> Layout:
        height, width = self.images.shape[2:]
        layout = layout_of(tuple(activations.shape), (height, width))
        if layout is None:
            raise ModelError(
                "a layer's output has no positions",
                where=layer,
                expected="a float tensor (B, C, h, w), (B, h, w, C) or (B, tokens, C)",
                got=tuple(activations.shape),
            )
        return layout

    @cached_property
    def _of_input(self) -> tuple[torch.Tensor, ...]:
        images = self.images.detach().requires_grad_()
        with torch.enable_grad():
            logits = self.model.module(images)
        return self._gradients(logits, images, where="input")

    def input_gradients(self) -> tuple[torch.Tensor, ...]:
        """T of (B, C, H, W), of each target's score.

        Raises:
            ModelError: the outputs have no gradient at the images.
        """
        return self._of_input

    def _gradients(
        self, logits: torch.Tensor, leaf: torch.Tensor, *, where: str
    ) -> tuple[torch.Tensor, ...]:
        """The gradient of every target at ``leaf``; frees the graph of ``logits``."""
        self._keep(logits)
        with torch.enable_grad():
            scores = [target.score(logits).sum() for target in self.targets]
        found = []
        while scores:
            score = scores.pop(0)
            found.append(_gradient(score, leaf, keep=bool(scores), where=where))
        return tuple(found)

    def _keep(self, logits: torch.Tensor) -> None:
        if self._logits is None:
            self._logits = logits.detach()


class _CutFeatures:
    """The features of a layer; gradients are computed when they are first needed.

    Args:
        activations: (B, C, h, w), detached.
        gradients: makes them.
    """

    def __init__(
        self, activations: torch.Tensor, gradients: Callable[[], tuple[torch.Tensor, ...]]
    ) -> None:
        self.activations, self._make = activations, gradients

    @cached_property
    def gradients(self) -> tuple[torch.Tensor, ...]:
        """T of (B, C, h, w), of each target's score."""
        found = self._make()
        del self._make  # and with it the graph
        return found


def _gradient(score: torch.Tensor, leaf: torch.Tensor, *, keep: bool, where: str) -> torch.Tensor:
    try:
        return torch.autograd.grad(score, leaf, retain_graph=keep)[0]
    except RuntimeError as exc:
        if not any(sign in str(exc) for sign in ("does not require grad", "not have been used")):
            raise
        what = "images" if where == "input" else "target layer"
        raise ModelError(
            f"the outputs have no gradient at the {what}",
            where=where,
            remedy="remove no_grad and detach from the model's forward"
            + ("" if where == "input" else ", or choose another model.target_layer"),
        ) from exc


def _cut_forward(
    module: torch.nn.Module, layer: str, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits with a graph that begins at ``layer``, and the layer's activations, a leaf."""
    kept: list[torch.Tensor] = []

    def cut(_module: torch.nn.Module, _inputs: object, output: object) -> torch.Tensor:
        if not isinstance(output, torch.Tensor):
            raise ModelError(
                "a layer's output is no tensor", where=layer, got=type(output).__name__
            )
        kept.append(output.detach().requires_grad_())
        # A copy goes on: an in-place ReLU right behind the layer must not overwrite ours.
        return kept[-1].clone()

    handle = module.get_submodule(layer).register_forward_hook(cut)
    try:
        logits = module(images)
    finally:
        handle.remove()
    if len(kept) != 1:
        raise ModelError(
            "a layer to explain must run once in a forward",
            where=layer,
            got="it does not run" if not kept else f"it runs {len(kept)} times",
        )
    return logits, kept[0]
