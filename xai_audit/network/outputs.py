"""The logits among what a model returns: a tensor, or one of several in a container.

Hugging Face's models return an object with ``logits``, others a dict or the logits with features
beside them. Where they are is decided on one image and holds for every forward.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from xai_audit.errors import ModelError
from xai_audit.network.copied import is_single
from xai_audit.network.ending import ending_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

log = logging.getLogger(__name__)

_LOGITS = "logits"
# Rows of numbers that are features, not scores of classes.
_FEATURES = ("pooler_output", "image_embeds", "embedding", "embeddings", "features")
# What only networks of these kinds return, by the names that they give it.
_KINDS = {"boxes": "detection", "pred_boxes": "detection", "out": "segmentation",
          "pred_masks": "segmentation", "masks_queries_logits": "segmentation"}  # fmt: skip
_SHOWN = 5
# Both are smaller than those of a function's outputs (black_box.py): a network gives unrounded
# float32, and below the least its probabilities would have no gradient.
_ROUNDED = 1e-4  # how far probabilities may be from a sum of 1
_LEAST = 1e-12  # a probability of 0 has no logarithm
_MOST = 1 - 1e-7  # the log-odds of 1 are infinite, and float32 has little between this and 1


@dataclass(frozen=True)
class _Place:
    """Where the logits are in an output.

    Attributes:
        text: as one would write it in Python.
        get: takes them out of an output.
    """

    text: str
    get: Callable[[Any], Any]


def keep_logits(
    module: nn.Module, output: object, head: str | None, probe: torch.Tensor
) -> torch.Tensor:
    """The logits in ``output`` of one image; ``module`` is changed in place to return only them.

    That is done by a hook: a wrapper would change the layers' names. Of a module that ends in a
    softmax the logits are the logarithms of what it returns, for their softmax is that again; of
    one that ends in a sigmoid they are the log-odds, for their sigmoid is that again.

    Args:
        module: that gave ``output``.
        output: (1, K), one number, or a container in which exactly one place can be meant.
        head: of HEADS as the user gave it, or None.
        probe: (1, C, H, W), whose output it is.

    Raises:
        ModelError: there are none, or no place is the obvious one.
    """
    found = _taken_out(module, output)
    ending = ending_of(module, probe)
    if ending == "sigmoid" or (ending == "softmax" and (head == "sigmoid" or is_single(found))):
        log.info("the model's outputs are probabilities (a %s): its logits are log-odds", ending)
        return _hooked(module, _log_odds, found)
    # Of independent probabilities the sum may be 1 by chance, and of a layer's outputs, too.
    unknown = ending is None and head != "sigmoid" and _is_softmax(found)
    if ending == "softmax" or unknown:
        log.info("the model's outputs are probabilities: its logits are their logarithms")
        return _hooked(module, _logarithms, found)
    return found


def _hooked(
    module: nn.Module,
    hook: Callable[[nn.Module, object, torch.Tensor], torch.Tensor],
    found: torch.Tensor,
) -> torch.Tensor:
    """What ``hook`` makes of ``found``, as of all that ``module`` returns from now on."""
    module.register_forward_hook(hook)
    return hook(module, None, found)


def _taken_out(module: nn.Module, output: object) -> torch.Tensor:
    """The one row or number in ``output``, which ``module`` returns from now on."""
    if isinstance(output, torch.Tensor):
        if not _is_row(output):
            raise _no_logits(output)
        return output
    place = _place(output)
    if place is None or not _is_row(place.get(output)):
        raise _no_logits(output)
    log.info("the model's logits are %s of its output: %s", place.text, _described(output))
    module.register_forward_hook(partial(_taken, place.get))
    logits: torch.Tensor = place.get(output)
    return logits


def _taken(
    get: Callable[[Any], torch.Tensor], _module: nn.Module, _inputs: object, output: object
) -> torch.Tensor:
    return get(output)


def _is_softmax(row: torch.Tensor) -> bool:
    """Whether a row (1, K) is the probabilities of K > 1 classes."""
    within = row.ndim == 2 and row.shape[1] > 1 and bool(((row >= 0) & (row <= 1)).all())
    return within and abs(float(row.sum()) - 1) <= _ROUNDED


def _logarithms(_module: nn.Module, _inputs: object, probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.clamp_min(_LEAST).log()


def _log_odds(_module: nn.Module, _inputs: object, probabilities: torch.Tensor) -> torch.Tensor:
    given = probabilities.float()  # half precision has no number next to 1
    return given.clamp_min(_LEAST).log() - (-given.clamp_max(_MOST)).log1p()


def _is_row(value: object) -> bool:
    """Whether ``value`` can be the logits of one image."""
    return isinstance(value, torch.Tensor) and (
        is_single(value) or (value.ndim == 2 and value.shape[0] == 1)
    )


def _place(output: object) -> _Place | None:
    """Where the logits are in a container, None where no place is the obvious one."""
    if isinstance(output, Mapping):
        rows = [k for k, v in output.items() if _is_row(v) and k not in _FEATURES]
        key = _LOGITS if _LOGITS in output else rows[0] if len(rows) == 1 else None
        return None if key is None else _Place(f"[{key!r}]", operator.itemgetter(key))
    if hasattr(output, _LOGITS):  # a dataclass, a named tuple
        return _Place(f".{_LOGITS}", operator.attrgetter(_LOGITS))
    if isinstance(output, (tuple, list)) and output and _is_row(output[0]):
        index = _of_probabilities(output)
        return _Place(f"[{index}]", operator.itemgetter(index))
    return None


def _of_probabilities(output: Sequence[Any]) -> int:
    """The index of the logits whose softmax the first item is, else 0."""
    for index, value in enumerate(output[1:], start=1):
        alike = _is_row(value) and value.ndim == 2 and value.shape == output[0].shape
        if alike and torch.allclose(value.softmax(1), output[0], atol=1e-5):
            return index
    return 0


def _no_logits(output: object) -> ModelError:
    """The error for an output without one obvious row of logits."""
    kind = _kind(output)
    remedy = "model=custom with a module that returns only the logits"
    return ModelError(
        "the model's output is not one row of logits per image"
        if kind is None
        else f"the model is a {kind} network, and only image classifiers are audited",
        where="forward of one image",
        expected="a tensor (1, K), or a container with logits (1, K)",
        got=_described(output),
        remedy=remedy if kind is None else f"{remedy} of whole photos",
    )


def _kind(output: object) -> str | None:
    """``detection`` or ``segmentation`` where the output shows that it is one, else None."""
    for name, value in _named(output):
        if isinstance(value, Mapping) and (inner := _kind(value)):
            return inner
        if name in _KINDS:
            return _KINDS[name]
    whole = output if isinstance(output, torch.Tensor) else getattr(output, _LOGITS, None)
    if isinstance(whole, torch.Tensor) and whole.ndim == 4 and whole[0, 0].numel() > 1:
        return "segmentation"
    return None


def _named(output: object) -> Iterator[tuple[str, object]]:
    """(name, value) of what a container holds."""
    if isinstance(output, Mapping):
        yield from ((str(key), value) for key, value in output.items())
    elif isinstance(output, (tuple, list)):
        names = getattr(output, "_fields", range(len(output)))
        yield from zip(map(str, names), output, strict=True)
    elif not isinstance(output, torch.Tensor) and hasattr(output, "__dict__"):
        yield from vars(output).items()


def _described(output: object) -> str:
    """What ``output`` is, in a few words: its type and the shapes that it holds."""
    if isinstance(output, torch.Tensor):
        return str(tuple(output.shape))
    held = [f"{name} {_brief(value)}" for name, value in _named(output)]
    shown = ", ".join([*held[:_SHOWN], "..."][: len(held)])
    kind = type(output).__name__
    return f"{kind} of {shown}" if held else f"{'empty ' * _is_empty(output)}{kind}"


def _brief(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return str(tuple(value.shape))
    if isinstance(value, Mapping):
        return f"{type(value).__name__} of {', '.join(map(str, [*value][:_SHOWN]))}"
    return type(value).__name__


def _is_empty(output: object) -> bool:
    return isinstance(output, (Mapping, tuple, list)) and not output
