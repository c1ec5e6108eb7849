"""The classifier that a network was given for training, rebuilt from the checkpoint's shapes.

A common way to fine-tune is to put ``nn.Sequential(nn.Dropout(), nn.Linear(512, K))`` where the
network had one linear layer. Which layer without weights stood where cannot be read from a
checkpoint: before one linear layer it was dropout, which does nothing now; between two it was an
activation, which is not guessed.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
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
_BATCH_NORM = frozenset({"bias", "running_mean", "running_var", "num_batches_tracked"})


@dataclass(frozen=True)
class _Layer:
    """A layer of the checkpoint's classifier.

    Attributes:
        code: Python that makes it.
        shape: (inputs, outputs, bias) of a linear one, else None.
    """

    code: str
    shape: tuple[int, int, bool] | None = None


_Layers = dict[str, _Layer]


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
    # Of one layer of another shape the number of outputs is what differs.
    if len({name.rpartition(".")[0] for name in differ}) < 2 and not (
        fit.missing or fit.unexpected
    ):
        return
    for place in _places(module):
        if all(name.startswith(f"{place}.") for name in differ):
            layers = _layers(named, place) or {}
            linears = [layer.shape for layer in layers.values() if layer.shape is not None]
            if linears and linears[0][0] == _width(module, place):
                if len(linears) > 1:
                    raise _several(layers, place, file, _factory(code, module, place, layers))
                _replace(module, place, layers, file, classes)
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


def _layers(named: Mapping[str, torch.Tensor], place: str) -> _Layers | None:
    """Name -> layer of all that has weights in the checkpoint's classifier at ``place``, in order.

    The name is empty where a linear layer is there itself; None where there is a layer of another
    kind, whose Python its tensors do not tell.
    """
    held = {k.removeprefix(f"{place}."): v for k, v in named.items() if k.startswith(f"{place}.")}
    names = [*dict.fromkeys(name.rpartition(".")[0] for name in held)]
    found: _Layers = {}
    for name in names:
        own = {k.rpartition(".")[2]: v for k, v in held.items() if k.rpartition(".")[0] == name}
        layer = _layer(own)
        # An index of many digits is none that a Sequential has, but would make as many layers.
        short = name.isidentifier() or (name.isdecimal() and len(name) <= _DIGITS)
        if layer is None or (name and not short):
            return None
        found[name] = layer
    if len(found) > 1 and len({name.isdecimal() for name in found}) + ("" in found) > 1:
        return None
    return dict(sorted(found.items(), key=lambda item: int(item[0]) if item[0].isdecimal() else 0))


def _layer(own: Mapping[str, torch.Tensor]) -> _Layer | None:
    """The layer of these tensors, None where they do not tell what it is."""
    weight, others = own.get("weight"), {*own} - {"weight"}
    if weight is None or weight.ndim not in (1, 2):
        return None
    if weight.ndim == 2 and others <= {"bias"}:
        outputs, inputs = weight.shape
        bias = "" if others else ", bias=False"
        return _Layer(f"nn.Linear({inputs}, {outputs}{bias})", (inputs, outputs, bool(others)))
    kinds = {frozenset({"bias"}): "LayerNorm", _BATCH_NORM: "BatchNorm1d"}
    kind = kinds.get(frozenset(others))
    return None if kind is None or weight.ndim == 2 else _Layer(f"nn.{kind}({len(weight)})")


def _several(layers: _Layers, place: str, file: Path, factory: str) -> ModelError:
    shapes = {name: layer.shape for name, layer in layers.items() if layer.shape is not None}
    return ModelError(
        "the checkpoint's classifier has several linear layers, and what is between them is not in "
        "the file",
        where=f"{spelled(file)}: {place}",
        got=", ".join(f"{name}: {a} to {b}" for name, (a, b, _) in shapes.items()),
        remedy=f"write it as it was in training, as in mine.py: {factory} -- and give model=custom "
        "model.factory=mine:build model.checkpoint=FILE",
    )


def _replace(
    module: nn.Module, place: str, layers: _Layers, file: Path, classes: int | None
) -> None:
    """Put the checkpoint's one layer at ``place``; nothing where there are others, or a name."""
    index, layer = next(iter(layers.items()))
    if len(layers) > 1 or layer.shape is None or (index and not index.isdecimal()):
        return
    inputs, outputs, bias = layer.shape
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


def _factory(code: str, module: nn.Module, place: str, layers: _Layers) -> str:
    """One line of Python that builds the network with a classifier of the usual layers."""
    if all(name.isdecimal() for name in layers):
        imports, head = "from torch import nn", _indexed(module.get_submodule(place), layers)
    else:
        imports, head = "from collections import OrderedDict; from torch import nn", _named(layers)
    return (
        f"def build(): {imports}; {code}; "
        f"net.set_submodule({place!r}, nn.Sequential({head})); return net"
    )


def _indexed(before: nn.Module, layers: _Layers) -> str:
    """Layers by number: those without weights are those of the network where it has such ones.

    Else ReLU behind a linear layer or what normalises its outputs, and dropout elsewhere.
    """
    own = {
        name: f"nn.{layer!r}"
        for name, layer in before.named_children()
        if not isinstance(layer, nn.Linear)
    }
    parts, last, is_behind = [], "", False
    for name in map(str, range(max(map(int, layers)) + 1)):
        usual = "nn.ReLU()" if is_behind and last in layers else "nn.Dropout()"
        parts.append(layers[name].code if name in layers else own.get(name, usual))
        is_behind |= name in layers and layers[name].shape is not None
        last = name
    return ", ".join(parts)


def _named(layers: _Layers) -> str:
    """Layers by name, with ReLU before each linear layer but the first."""
    parts, is_behind = [], False
    for name, layer in layers.items():
        if is_behind and layer.shape is not None:
            parts.append(f"'before_{name}': nn.ReLU()")
        parts.append(f"{name!r}: {layer.code}")
        is_behind |= layer.shape is not None
    return f"OrderedDict({{{', '.join(parts)}}})"
