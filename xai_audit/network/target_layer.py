"""The layer that CAM methods explain: the last one with positions that affect the output."""

from __future__ import annotations

import re
import weakref
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ModelError, nearest
from xai_audit.network.feature_layout import MAP, deciding, layout_of

if TYPE_CHECKING:
    from torch import nn

    from xai_audit.network.feature_layout import Layout

# Modules without parameters that only drop, pool or move numbers; none is a layer to explain.
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
        layout: how its positions lie, None where the output has none.
    """

    name: str
    shape: tuple[int, ...] | None
    group: int
    passive: bool
    weighted: bool
    layout: Layout | None


@dataclass(frozen=True)
class Trace:
    """The calls and the output of a probe forward.

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
        runs.append(_run(name, layer, shape, group, (probe.shape[2], probe.shape[3])))

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
    name: str, layer: nn.Module, shape: tuple[int, ...] | None, group: int, side: tuple[int, int]
) -> Run:
    own = layer.parameters(recurse=False)
    has_parameters = next(layer.parameters(), None) is not None
    return Run(
        name=name,
        shape=shape,
        group=group,
        passive=not has_parameters and bool(_PASSIVE.search(type(layer).__name__)),
        # Not a whole transformer: its own parameters are the class token and position embedding.
        weighted=any(p.ndim > 1 for p in own) and next(layer.children(), None) is None,
        layout=None if shape is None or shape[:1] != (1,) else layout_of(shape, side),
    )


def choose(seen: Trace, module: nn.Module, probe: torch.Tensor) -> str:
    """The dotted name of the last layer before the classifier whose positions affect the output.

    It runs once in a forward and has more than one position: a layer that a network uses in several
    places (one activation for all blocks, a convolution that is applied again) has no activations
    of its own, and after the global pooling nothing has a place. Of several modules that return
    that same tensor (a block's activation, the block, the stage) the outermost is returned. After
    the last attention of a transformer only the class token affects the output: there the layer is
    the last one whose patches have a gradient.

    Args:
        seen: a trace of ``module`` and ``probe``.
        module: in eval mode.
        probe: one image (1, C, H, W).

    Raises:
        ModelError: no layer has positions that affect the output.
    """
    calls = Counter(run.name for run in seen.runs)
    body = [run for run in _before_classifier(seen) if run.name and not run.passive and run.layout]
    once = [run for run in body if calls[run.name] == 1]
    if body and body[-1].layout == MAP:
        groups = {run.group for run in once}
        maps = [run for run in body if run.layout == MAP and run.group in groups]
        last = maps[-1] if maps else None
    else:
        last = _last_tokens(seen, once, module, probe)
    if last is None:
        raise _nothing_found(module, body, calls)
    same = [run for run in once if run.group == last.group]
    # Of siblings the later one: it may have changed the earlier one's output in place.
    return min(reversed(same), key=lambda run: run.name.count(".")).name


def _last_tokens(
    seen: Trace, once: list[Run], module: nn.Module, probe: torch.Tensor
) -> Run | None:
    """The last of ``once`` whose tokens, or channels-last positions, affect the output, or None."""
    # Not a layer inside attention (heads, projections), but the tokens that attention reads.
    tokens = {run.name: run for run in once if run.layout != MAP and not run.weighted}
    layouts = {name: run.layout for name, run in tokens.items() if run.layout is not None}
    if not layouts:
        return None
    head = _head(seen)
    name = deciding(module, probe, layouts, None if head is None else seen.runs[head].name)
    return None if name is None else tokens[name]


def _nothing_found(module: nn.Module, body: list[Run], calls: Counter[str]) -> ModelError:
    got = "none"
    if body:
        got = f"{body[-1].shape} from {body[-1].name}"
        if calls[body[-1].name] > 1:
            got += f", which runs {calls[body[-1].name]} times"
    return ModelError(
        "no layer to explain was found",
        where=type(module).__name__,
        expected="feature maps or patch tokens before the classifier, of a layer that runs once",
        got=got,
        remedy="model.target_layer=NAME of a layer with such an output",
    )


def _before_classifier(seen: Trace) -> tuple[Run, ...]:
    """The runs that completed before the layer that makes the class scores, or all of them.

    SqueezeNet's class scores are maps themselves: they are the classifier, not features.
    """
    head = _head(seen)
    return seen.runs if head is None else seen.runs[:head]


def _head(seen: Trace) -> int | None:
    """The index of the run that makes the class scores, None where no layer with weights does."""
    # A single logit may have no axis of its own.
    shape = (1, *seen.output.shape[1:]) if isinstance(seen.output, torch.Tensor) else (None,)
    classes = shape[-1]
    weighted = [i for i, run in enumerate(seen.runs) if run.weighted]
    if not weighted:
        return None
    shape = seen.runs[weighted[-1]].shape or ()
    is_head = shape[1:2] == (classes,) if len(shape) in (2, 4) else shape[-1:] == (classes,)
    return weighted[-1] if is_head else None


def require_layer(module: nn.Module, name: str) -> None:
    """Raise ModelError where ``module`` has no layer ``name``."""
    names = [known for known, _ in module.named_modules() if known]
    if name not in names:
        raise ModelError(
            "the model has no such layer",
            where="model.target_layer",
            got=repr(name),
            remedy=f"one of {nearest(name, names)}",
        )


def require_map(seen: Trace, name: str) -> None:
    """Raise ModelError for a layer that did not run once or whose output is no feature map."""
    runs = [run for run in seen.runs if run.name == name]
    if len(runs) != 1:
        raise ModelError(
            "the target layer must run once in a forward",
            where=f"model.target_layer={name}",
            got="it does not run" if not runs else f"it runs {len(runs)} times",
        )
    shape = runs[0].shape
    if shape is None or runs[0].layout is None:
        raise ModelError(
            "the target layer's output has no positions",
            where=f"model.target_layer={name}",
            expected="a float tensor (B, C, h, w), (B, h, w, C) or (B, tokens, C)",
            got=shape or "something else",
        )
