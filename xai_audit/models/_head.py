"""The classifier that a network was given for training, rebuilt from the checkpoint's shapes.

A common way to fine-tune is to put ``nn.Sequential(nn.Dropout(), nn.Linear(512, K))`` where the
network had one linear layer. Which layer without weights stood where cannot be read from a
checkpoint: before one linear layer it was dropout, which does nothing now; between two it was an
activation, which is not guessed.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models._checkpoint import compare, matched, tensors
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

# What a container of a classifier may hold for all of it to be replaced.
_PLAIN = (nn.Linear, nn.Dropout, nn.ReLU, nn.Hardswish, nn.GELU, nn.SiLU, nn.Tanh, nn.Identity)
_DIGITS = 2
_Linears = dict[str, tuple[int, int, bool]]


def fit_head(
    module: nn.Module,
    given: Mapping[str, torch.Tensor],
    file: Path,
    *,
    code: str,
    classes: int | None,
    ignore: tuple[str, ...] = (),
) -> None:
    """Put the checkpoint's one linear layer where ``module`` has another classifier.

    Nothing is done where the weights fit, or where more than the classifier differs.

    Args:
        module: changed in place.
        given: the checkpoint's tensors.
        file: that they are from.
        code: Python for the network without weights, for the error.
        classes: the number of outputs that the user has given, or None.
        ignore: beginnings of names that may be left over.

    Raises:
        ModelError: the classifier has several linear layers, or another number of outputs.
    """
    _, named = matched(given, module)
    fit = compare(named, tensors(module), ignore)
    differ = [*fit.missing, *fit.unexpected, *(name for name, _, _ in fit.reshaped)]
    if not (fit.missing or fit.unexpected):
        return
    for place in _places(module):
        if all(name.startswith(f"{place}.") for name in differ):
            linears = _linears(named, place)
            if linears and next(iter(linears.values()))[0] == _width(module, place):
                _require_one(linears, place, file, code)
                _replace(module, place, linears, file, classes)
            return


def _places(module: nn.Module) -> Iterator[str]:
    """Names of the last linear layer and of the plain containers around it, the smallest first."""
    linear = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    place = linear[-1] if linear else ""
    while place:
        yield place
        place = place.rpartition(".")[0]
        around = module.get_submodule(place)
        plain = all(isinstance(layer, _PLAIN) for layer in around.children())
        if not (isinstance(around, nn.Sequential) and plain):
            return


def _width(module: nn.Module, place: str) -> int:
    """The number of inputs of the first linear layer at ``place``."""
    layers = module.get_submodule(place).modules()
    return next(layer.in_features for layer in layers if isinstance(layer, nn.Linear))


def _linears(named: Mapping[str, torch.Tensor], place: str) -> _Linears | None:
    """Index -> (inputs, outputs, bias) of the checkpoint's linear layers at ``place``, in order.

    The index is empty where the layer is there itself; None where other layers have weights, too.
    """
    held = {k.removeprefix(f"{place}."): v for k, v in named.items() if k.startswith(f"{place}.")}
    found: _Linears = {}
    for name, value in held.items():
        index, _, kind = name.rpartition(".")
        # An index of many digits is none that a Sequential has, but would make as many layers.
        short = not index or (index.isdecimal() and len(index) <= _DIGITS)
        if kind == "weight" and value.ndim == 2 and short:
            found[index] = (value.shape[1], value.shape[0], f"{name[:-6]}bias" in held)
    known = {f"{i}.{k}".lstrip(".") for i in found for k in ("weight", "bias")}
    if not found or {*held} - known or (len(found) > 1 and "" in found):
        return None
    return dict(sorted(found.items(), key=lambda item: int(item[0] or 0)))


def _require_one(linears: _Linears, place: str, file: Path, code: str) -> None:
    if len(linears) > 1:
        raise ModelError(
            "the checkpoint's classifier has several linear layers, and what is between them is "
            "not in the file",
            where=f"{spelled(file)}: {place}",
            got=", ".join(f"{i}: {a} to {b}" for i, (a, b, _) in linears.items()),
            remedy="write it as it was in training, as in mine.py: "
            f"{_factory(code, place, linears)} -- and give model=custom "
            "model.factory=mine:build model.checkpoint=FILE",
        )


def _replace(
    module: nn.Module, place: str, linears: _Linears, file: Path, classes: int | None
) -> None:
    ((index, (inputs, outputs, bias)),) = linears.items()
    if classes not in (None, outputs):
        raise ModelError(
            "the checkpoint has another number of classes",
            where="model.num_classes",
            expected=f"null or {outputs}",
            got=classes,
        )
    head: nn.Module = nn.Linear(inputs, outputs, bias=bias)
    if index:
        before = [(str(i), nn.Identity()) for i in range(int(index))]
        head = nn.Sequential(OrderedDict([*before, (index, head)]))
    module.set_submodule(place, head)
    place_in = int(index or 0)
    words = f" after {place_in} layer{'s' * (place_in > 1)} without weights, taken for dropout"
    after = words if place_in else ""
    log.info("%s: %s is Linear(%d, %d)%s", spelled(file), place, inputs, outputs, after)


def _factory(code: str, place: str, linears: _Linears) -> str:
    """One line of Python that builds the network with a classifier of the usual layers."""
    layers, count = [], max(map(int, linears)) + 1
    for i in range(count):
        if str(i) in linears:
            inputs, outputs, bias = linears[str(i)]
            layers.append(f"nn.Linear({inputs}, {outputs}{'' if bias else ', bias=False'})")
        else:
            layers.append("nn.ReLU()" if str(i - 1) in linears else "nn.Dropout()")
    return (
        f"def build(): from torch import nn; {code}; "
        f"net.set_submodule({place!r}, nn.Sequential({', '.join(layers)})); return net"
    )
