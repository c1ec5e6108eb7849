"""The model as Captum is given it: a score an image, few at a time, and left as it was."""

from __future__ import annotations

import copy
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xai_audit.errors import AuditError, ModelError, is_out_of_memory
from xai_audit.types import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.network.target_layer import Trace
    from xai_audit.types import Request

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Score(nn.Module):
    """A module whose output is the explained score (N,) float32 of each of N images.

    Args:
        request: whose model it is, and who is told of every forward.
        whole: whether all N go through the model together. Else at most ``request.max_batch`` do,
            and where gradients are wanted, those of one such forward are taken before the next.
    """

    def __init__(self, request: Request, *, whole: bool) -> None:
        super().__init__()
        self.model = request.model.module
        self._progress, self._most = request.progress, None if whole else request.max_batch

    def forward(
        self, images: torch.Tensor, index: torch.Tensor, against: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(N,) of images (N, C, H, W): output ``index`` (N,), less output ``against`` (N,)."""
        target = Target("", index, against)
        if self._most is None:
            return self.some(images, target)
        if torch.is_grad_enabled() and images.requires_grad:
            values: torch.Tensor = _Pieces.apply(images, self, target)
            return values
        return torch.cat([self.some(piece, part) for piece, part in self.pieces(images, target)])

    def pieces(self, images: torch.Tensor, target: Target) -> Iterator[tuple[torch.Tensor, Target]]:
        """``images`` and their targets, as many at a time as a forward may hold."""
        for rows in torch.split(torch.arange(len(images), device=images.device), self._most or 1):
            yield images[rows], target.of(rows)

    def some(self, images: torch.Tensor, target: Target) -> torch.Tensor:
        """The scores of one forward."""
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        self._progress(len(images))
        return target.score(logits.float())


class _Pieces(torch.autograd.Function):
    """Scores whose gradients are already known: of an image's score at that image alone."""

    @staticmethod
    def forward(  # noqa: D102 - torch's own protocol
        ctx: Any,  # noqa: ANN401
        images: torch.Tensor,
        score: Score,
        target: Target,
    ) -> torch.Tensor:
        values, gradients = [], []
        for piece, part in score.pieces(images.detach(), target):
            leaf = piece.requires_grad_()
            with torch.enable_grad():
                value = score.some(leaf, part)
                total = value.sum()
            gradients.append(torch.autograd.grad(total, leaf)[0])
            values.append(value.detach())
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values)

    @staticmethod
    def backward(  # noqa: D102 - torch's own protocol
        ctx: Any,  # noqa: ANN401
        gradient: torch.Tensor,
    ) -> tuple[torch.Tensor, None, None]:
        (saved,) = ctx.saved_tensors
        return gradient[:, None, None, None] * saved, None, None


@contextmanager
def borrowed(request: Request, attribution: str) -> Iterator[None]:
    """A block in which Captum works on the model, which comes back without anything set on it.

    Raises:
        ModelError: Captum cannot explain this model by ``attribution``; out of memory, errors of
            the model and our own pass as they are.
    """
    module = request.model.module
    before = [(layer, set(vars(layer)), _hooks(layer)) for layer in module.modules()]
    try:
        with warnings.catch_warnings():
            # That it sets hooks, which are taken off again here.
            warnings.filterwarnings("ignore", module=r"captum(\.|$)")
            yield
    except AuditError:
        raise
    except Exception as exc:  # Captum says by assertions and more what it cannot do
        if is_out_of_memory(exc) or not _is_captums(exc, module):
            raise
        raise ModelError(
            "Captum cannot explain this model by this attribution",
            where=f"method.attribution={attribution}",
            got=f"{type(exc).__name__}: {str(exc)[:200]}",
            remedy="other method.kwargs, another method.attribution, or another method",
        ) from exc
    finally:
        for layer, names, hooks in before:
            for name in set(vars(layer)) - names:
                vars(layer).pop(name)
            for name, held in hooks.items():
                getattr(layer, name).clear()
                getattr(layer, name).update(held)


def _hooks(layer: nn.Module) -> dict[str, dict[int, Any]]:
    return {name: dict(getattr(layer, name)) for name in _HOOKS}


def _is_captums(exc: BaseException, module: nn.Module) -> bool:
    """Whether ``exc`` was raised by Captum's code or by what that called, and not by the model."""
    captums = False
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "captum":
            captums = True
        elif frame.f_locals.get("self") is module or name.startswith("xai_audit."):
            captums = False
    return captums


@contextmanager
def unshared(module: nn.Module, seen: Trace) -> Iterator[None]:
    """A block in which each call of an activation that a forward calls again has its own module.

    Captum's DeepLIFT keeps what one call of a module saw on the module itself.

    Args:
        module: the model; changed within the block only.
        seen: a trace of its forward.
    """
    calls = Counter(run.name for run in seen.runs)
    named = dict(module.named_modules())
    again = {
        named[name]: _Each(named[name], count)
        for name, count in calls.items()
        if count > 1 and name and not [*named[name].children(), *named[name].state_dict()]
    }
    places = [
        (name, layer)
        for name, layer in module.named_modules(remove_duplicate=False)
        if layer in again
    ]
    try:
        for name, layer in places:
            module.set_submodule(name, again[layer])
        yield
    finally:
        for name, layer in places:
            module.set_submodule(name, layer)


class _Each(nn.Module):
    """A layer without weights, as a copy for each of the ``calls`` that a forward makes of it."""

    def __init__(self, layer: nn.Module, calls: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(calls))
        self._done = 0

    def forward(self, *inputs: torch.Tensor) -> Any:  # noqa: ANN401 - whatever the layer returns
        layer = self.layers[self._done % len(self.layers)]
        self._done += 1
        return layer(*inputs)


@contextmanager
def drawing(seed: int, device: str) -> Iterator[None]:
    """A block whose draws by PyTorch and NumPy follow from ``seed``; the states come back after."""
    state = np.random.get_state()  # noqa: NPY002 - Captum draws from the global generators
    with torch.random.fork_rng([device] if device.startswith("cuda") else []):
        try:
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
