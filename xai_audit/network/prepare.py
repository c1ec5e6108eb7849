"""Preparing a model for the audit: checked, frozen, batch norms folded, on its device."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.nn.parameter import is_lazy

from xai_audit.errors import ModelError
from xai_audit.network import target_layer
from xai_audit.network.black_box import BlackBox
from xai_audit.network.copied import as_two, fold_conv_bn, is_single, restore
from xai_audit.network.feature_layout import layout_of
from xai_audit.network.outputs import keep_logits
from xai_audit.network.probe import by_channel, probe_of, shield
from xai_audit.types import LoadedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from xai_audit.network.target_layer import Trace
    from xai_audit.types import ModelSpec

log = logging.getLogger(__name__)

# Folding rounds differently but must not move a logit further than this, relative to the largest.
_TOLERANCE = 1e-4
_STATISTICS = ("running_mean", "running_var")
_ADDRESS = re.compile(r"0x[0-9a-f]+")


def prepare(spec: ModelSpec, *, device: str) -> LoadedModel:
    """The frozen model with its target layer, K and grid; ``spec.module`` is changed in place.

    Args:
        spec: from a model plugin.
        device: ``cpu`` or ``cuda:0``.

    Raises:
        ModelError: a weight is not finite, or the forward fails, gives no (B, K), or has no layer
            to explain.
    """
    _require_finite(spec.module)
    module = _frozen(spec.module, device)
    if spec.target_layer is not None:
        target_layer.require_layer(module, spec.target_layer)
    preprocess = by_channel(module, spec.preprocess, device)
    probe = probe_of(preprocess, device)
    with _forward_errors(module, probe):
        before = shield(module, probe)
    with _forward_errors(module, probe):
        seen = target_layer.trace(module, probe)
    _warn_if_random(before, seen.output)
    logits = keep_logits(module, seen.output, spec.head, probe)
    seen = replace(seen, output=logits)
    head = _head(spec.head, logits)
    hidden = isinstance(module, BlackBox)
    name = "" if hidden else _layer(spec.target_layer, seen, module, probe)
    _fold(module, name, probe, logits)
    if is_single(logits):
        log.info("one logit: output 0 is the negative class, output 1 the positive")
        module = as_two(module)
    shape = next(run.shape for run in seen.runs if run.name == name) or ()
    layout = layout_of(shape, preprocess.crop)
    return LoadedModel(
        module=module,
        preprocess=preprocess,
        target_layer=name,
        num_outputs=2 if is_single(logits) else logits.shape[1],
        grid=_cells(preprocess.crop) if layout is None else layout.grid(shape),
        device=device,
        head=head,
        single_logit=is_single(logits),
    )


def _cells(crop: tuple[int, int]) -> tuple[int, int]:
    """The grid of heatmaps where no layer has one: cells of 16 px, as a ViT's."""
    return (max(crop[0] // 16, 1), max(crop[1] // 16, 1))


def _require_finite(module: nn.Module) -> None:
    """Raise ModelError naming the first weight that holds NaN or infinity.

    Parameters and running statistics must be finite. Other buffers may hold infinities, as masks of
    attention do, but no NaN.
    """
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for name, value in module.state_dict(keep_vars=True).items():
        if not isinstance(value, torch.Tensor) or is_lazy(value) or not value.is_floating_point():
            continue
        if bool(value.detach().sum().isfinite()):  # no copy; a sum is seldom too large
            continue
        strict = name in parameters or name.endswith(_STATISTICS)
        bad = value.isnan() if not strict else ~value.isfinite()
        if count := int(bad.sum()):
            raise ModelError(
                "the model's weights are not finite",
                where=name,
                expected="finite numbers",
                got=f"NaN or infinity in {count} of {value.numel()}",
                remedy="a checkpoint from before its training diverged",
            )


def fingerprint(spec: ModelSpec) -> str:
    """A sha256 that changes with a weight, a buffer, a layer or the eval transform.

    Taken before :func:`prepare`, which folds weights together.
    """
    return module_hash(spec.module, repr(spec.preprocess))


def module_hash(module: nn.Module, also: str = "") -> str:
    """A sha256 that changes with a weight, a buffer, a layer, or the text ``also``."""
    digest = hashlib.sha256(also.encode())
    for name, layer in module.named_modules():
        # Strides and the like have no weights; an address in a text is another one each run.
        settings = _ADDRESS.sub("", layer.extra_repr())
        digest.update(f"{name} {type(layer).__qualname__} {settings}\n".encode())
    for name, value in module.state_dict().items():
        if is_lazy(value):
            raise ModelError(
                "a layer has no weights yet",
                where=name,
                got="a lazy layer, which gets its shape in the first forward",
                remedy="run one forward before the factory returns the model",
            )
        if not isinstance(value, torch.Tensor):
            digest.update(f"{name} {value!r}\n".encode())
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        # The same numbers give the same bytes, whatever the memory format.
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _frozen(module: nn.Module, device: str) -> nn.Module:
    """``module`` in eval mode, float32, without gradients, its kernels channels_last."""
    module = module.eval().requires_grad_(False).to(device=device, dtype=torch.float32)
    for parameter in module.parameters():
        # Module.to(memory_format=) would refuse a 5-D parameter.
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


@contextmanager
def _forward_errors(module: nn.Module, probe: torch.Tensor) -> Iterator[None]:
    """A block in which an error of ``module`` becomes a ModelError."""
    try:
        yield
    except ModelError:
        raise
    # The user's forward may raise anything.
    except Exception as exc:
        raise ModelError(
            "the model's forward failed on one image",
            where=type(module).__name__,
            got=f"{type(exc).__name__}: {str(exc)[:200]} for input {tuple(probe.shape)}",
            remedy="check the input's size, model.preprocess.crop, and its number of channels, "
            "which is the number of values of model.preprocess.mean",
        ) from exc


def _layer(given: str | None, seen: Trace, module: nn.Module, probe: torch.Tensor) -> str:
    """The target layer: the one given, else the one found."""
    if given is not None:
        target_layer.require_map(seen, given)
        return given
    with _forward_errors(module, probe):
        return target_layer.choose(seen, module, probe)


def _warn_if_random(first: object, second: object) -> None:
    """Warn where two forwards of one image give other numbers."""
    for one, other in zip(_tensors(first), _tensors(second), strict=False):
        if one.shape != other.shape or not one.is_floating_point():
            continue
        moved, largest = float((one - other).abs().max()), float(one.abs().max())
        if moved > _TOLERANCE * largest:
            log.warning(
                "WARNING: the model does not answer the same photo twice alike: an output of up "
                "to %.3g moved by %.3g. Something in its forward is random, as dropout that stays "
                "on in eval mode: no number of this audit comes out again, also where it is "
                "resumed", largest, moved,
            )  # fmt: skip
            return


def _tensors(output: object) -> list[torch.Tensor]:
    """Those in a model's output: a tensor, or a container of some."""
    if isinstance(output, torch.Tensor):
        return [output] if output.numel() else []
    inner = output.values() if isinstance(output, Mapping) else output
    parts = inner if isinstance(inner, Iterable) else ()
    return [part for part in parts if isinstance(part, torch.Tensor) and part.numel()]


def _head(given: str | None, logits: torch.Tensor) -> str:
    """The head, softmax or sigmoid; softmax for a single logit, which becomes two outputs."""
    if not is_single(logits):
        return given or "softmax"
    if given == "softmax":
        raise ModelError(
            "a softmax of one output is always 1",
            where="model.head",
            expected="sigmoid or null for a model of one logit",
            got=given,
        )
    return "softmax"


def _fold(module: nn.Module, keep: str, probe: torch.Tensor, logits: torch.Tensor) -> None:
    """Fold batch norms, and undo it where the logits change."""
    replaced = fold_conv_bn(module, keep=keep)
    if not replaced:
        return
    limit = _TOLERANCE * float(logits.abs().max())
    try:
        with torch.no_grad():
            moved = float((module(probe) - logits).abs().max())
    # A forward that reads its batch norm's attributes finds an Identity there.
    except Exception as exc:  # slower without folding, never wrong
        log.debug("folding undone: %s: %s", type(exc).__name__, exc)
        restore(module, replaced)
        return
    # Not "moved > limit": NaN must undo it too.
    if not moved <= limit:
        log.debug("folding undone: it moved a logit by %g", moved)
        restore(module, replaced)
