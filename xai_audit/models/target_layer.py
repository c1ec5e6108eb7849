"""Which layer CAM methods explain: the last feature map before the classifier."""

from __future__ import annotations

import re
import weakref
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ModelError
from xai_audit.models.nearest import nearest

if TYPE_CHECKING:
    from torch import nn

# Modules without parameters that only thin out or move numbers; none is a layer to explain.
_PASSIVE = re.compile(r"Pool|Drop|StochasticDepth|Identity|Flatten|Permute")


@dataclass(frozen=True)
class Run:
    """One call of a module in the probe forward.

    Attributes:
        name: dotted.
        shape: of the output, None where it is not a float tensor.
        group: equal for modules that returned the very same tensor.
        passive: pooling, dropout and the like.
        weighted: applies a weight matrix or kernels of its own.
        grid: "map" for (1, C, h, w) with h*w > 1, "tokens" for other outputs with positions.
    """

    name: str
    shape: tuple[int, ...] | None
    group: int
    passive: bool
    weighted: bool
    grid: str | None


@dataclass(frozen=True)
class Trace:
    """What a probe forward showed.

    Attributes:
        runs: every call, in the order in which they completed.
        output: what the model returned.
    """

    runs: tuple[Run, ...]
    output: object


def trace(module: nn.Module, probe: torch.Tensor) -> Trace:
    """The calls of a forward of ``probe`` (1, C, H, W) without a graph; leaves no hook behind."""
    runs: list[Run] = []
    # Only references: keeping every activation of a large network would cost gigabytes.
    latest: dict[int, tuple[weakref.ref[torch.Tensor], int]] = {}

    def record(name: str, layer: nn.Module, output: object) -> None:
        group = len(runs)
        shape = None
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            shape = tuple(output.shape)
            held = latest.get(id(output))
            if held is not None and held[0]() is output:
                group = held[1]
            latest[id(output)] = (weakref.ref(output), group)
        runs.append(_run(name, layer, shape, group, tuple(probe.shape[2:])))

    with ExitStack() as hooks:
        for name, layer in module.named_modules():
            handle = layer.register_forward_hook(
                lambda layer, _, output, name=name: record(name, layer, output)
            )
            hooks.callback(handle.remove)
        with torch.no_grad():
            output = module(probe)
    return Trace(tuple(runs), output)


def _run(
    name: str, layer: nn.Module, shape: tuple[int, ...] | None, group: int, side: tuple[int, ...]
) -> Run:
    own = layer.parameters(recurse=False)
    has_parameters = next(layer.parameters(), None) is not None
    return Run(
        name=name,
        shape=shape,
        group=group,
        passive=not has_parameters and bool(_PASSIVE.search(type(layer).__name__)),
        weighted=any(parameter.ndim > 1 for parameter in own),
        grid=_grid(shape, side),
    )


def _grid(shape: tuple[int, ...] | None, side: tuple[int, ...]) -> str | None:
    """How an output is laid out, None where it has a single position."""
    if shape is None or len(shape) < 3 or shape[0] != 1:
        return None
    if len(shape) == 4 and not _channels_last(shape, side):
        return "map" if shape[2] * shape[3] > 1 else None
    return "tokens" if shape[1] > 1 else None


def _channels_last(shape: tuple[int, ...], side: tuple[int, ...]) -> bool:
    """Whether (1, a, b, c) is (1, h, w, C): a and b have the input's aspect, b and c do not."""

    def fits(height: int, width: int) -> bool:
        return abs(height * side[1] - width * side[0]) <= max(side)

    return shape[1] > 1 and fits(shape[1], shape[2]) and not fits(shape[2], shape[3])


def find(module: nn.Module, probe: torch.Tensor) -> str:
    """The dotted name of the last feature map before the classifier.

    Of several modules that return that same tensor (a block's activation, the block, the stage)
    the outermost is named.

    Args:
        module: in eval mode.
        probe: one image (1, C, H, W).

    Raises:
        ModelError: where the classifier reads tokens or channels-last maps instead.
    """
    return choose(trace(module, probe), type(module).__name__)


def choose(seen: Trace, model: str) -> str:
    """As :func:`find`, from a trace of ``model``."""
    calls = Counter(run.name for run in seen.runs)
    body = [run for run in _before_classifier(seen) if run.name and not run.passive and run.grid]
    last = body[-1] if body else None
    if last is None or last.grid != "map":
        raise ModelError(
            "no layer to explain was found",
            where=model,
            expected="a feature map (B, C, h, w) before the classifier",
            got=f"{last.shape} from {last.name}" if last else "none",
            remedy="model.target_layer=NAME of a layer with such an output",
        )
    same = [run for run in body if run.group == last.group and calls[run.name] == 1]
    # Of siblings the later one is meant: it may have worked in place on the earlier one's output.
    outermost = min(reversed(same), key=lambda run: run.name.count("."), default=last)
    return outermost.name


def _before_classifier(seen: Trace) -> tuple[Run, ...]:
    """The runs that completed before the layer that makes the class scores, or all of them.

    SqueezeNet's class scores are maps themselves: they are the classifier, not features.
    """
    classes = seen.output.shape[-1] if isinstance(seen.output, torch.Tensor) else None
    weighted = [i for i, run in enumerate(seen.runs) if run.weighted]
    if not weighted:
        return seen.runs
    shape = seen.runs[weighted[-1]].shape or ()
    is_head = shape[1:2] == (classes,) if len(shape) in (2, 4) else shape[-1:] == (classes,)
    return seen.runs[: weighted[-1]] if is_head else seen.runs


def check(module: nn.Module, name: str, probe: torch.Tensor) -> None:
    """Refuse a layer that CAM methods cannot explain.

    Args:
        module: in eval mode.
        name: the user's ``model.target_layer``.
        probe: one image (1, C, H, W).

    Raises:
        ModelError: unknown, not run exactly once, or without (1, C, h, w) output.
    """
    require_layer(module, name)
    require_map(trace(module, probe), name)


def require_layer(module: nn.Module, name: str) -> None:
    """Refuse a ``name`` that ``module`` does not have."""
    names = [known for known, _ in module.named_modules() if known]
    if name not in names:
        raise ModelError(
            "the model has no such layer",
            where="model.target_layer",
            got=repr(name),
            remedy=f"one of {nearest(name, names)}",
        )


def require_map(seen: Trace, name: str) -> None:
    """Refuse a layer that was not run once or whose output is not a feature map."""
    runs = [run for run in seen.runs if run.name == name]
    if len(runs) != 1:
        raise ModelError(
            "the target layer must run once in a forward",
            where=f"model.target_layer={name}",
            got="it does not run" if not runs else f"it runs {len(runs)} times",
        )
    shape = runs[0].shape
    if shape is None or len(shape) != 4 or runs[0].grid == "tokens":
        raise ModelError(
            "the target layer's output is no feature map",
            where=f"model.target_layer={name}",
            expected="a float tensor (B, C, h, w)",
            got=shape or "something else",
        )
