"""Forwards in which some functions get another backward, without changing the model.

PyTorch passes every call of its functions to the active mode first, whether a module or the
forward itself makes the call, and however often a module is used: no hooks are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from xai_audit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Most that rounding may change a logit, in units of the largest; bfloat16 has eight bits.
_SAME = 0.05

# Functions of one input, element by element, by the names that a forward may call them.
RELUS: tuple[Callable[..., torch.Tensor], ...] = (
    F.relu, F.relu_, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_,
    F.relu6, F.hardtanh, F.hardtanh_,
)  # fmt: skip
NONLINEAR: tuple[Callable[..., torch.Tensor], ...] = (
    *RELUS, F.leaky_relu, F.leaky_relu_, F.elu, F.elu_, F.gelu, F.silu, F.hardswish, F.hardsigmoid,
    F.mish, F.softplus, F.selu, F.celu, F.sigmoid, F.tanh, torch.sigmoid, torch.tanh,
    torch.Tensor.sigmoid, torch.Tensor.tanh,
)  # fmt: skip


class Rewired(TorchFunctionMode):
    """A block in which calls of some functions go through others.

    Args:
        functions: those calls, of one input each.
        instead: (function from input to output, the input) -> the result of the call.

    Attributes:
        calls: number of calls replaced.
    """

    def __init__(
        self,
        functions: Iterable[Callable[..., torch.Tensor]],
        instead: Callable[[Callable[[torch.Tensor], torch.Tensor], torch.Tensor], torch.Tensor],
    ) -> None:
        super().__init__()
        self._functions, self._instead, self.calls = frozenset(functions), instead, 0

    def __torch_function__(  # noqa: D105 - PyTorch's own protocol
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever func returns
        del types
        # In place would overwrite what the backward needs.
        keywords = {k: v for k, v in (kwargs or {}).items() if k != "inplace"}
        if func not in self._functions:
            return func(*args, **(kwargs or {}))
        self.calls += 1
        given, *more = args if args else (keywords.pop("input"),)
        plain: Callable[..., torch.Tensor] = _OUT_OF_PLACE.get(func, func)
        return self._instead(lambda x: plain(x, *_settings(plain, more), **keywords), given)


def check_same(name: str, plain: torch.Tensor, rewired: torch.Tensor) -> None:
    """Raise ModelError where a rewired forward gives other logits (B, K) than the plain one.

    That happens where a forward changes a tensor in place by a function and ignores its result.
    """
    moved = (rewired.float() - plain.float()).abs().max()
    if bool(moved > _SAME * plain.float().abs().max()):
        raise ModelError(
            "the model changes a tensor in place in a way that this method cannot follow",
            where=f"method={name}",
            got=f"a logit moved by {float(moved):.3g}",
            remedy="use the result of the activation, or another method",
        )


_OUT_OF_PLACE: dict[Callable[..., torch.Tensor], Callable[..., torch.Tensor]] = {
    F.relu_: F.relu,
    torch.relu_: F.relu,
    torch.Tensor.relu_: F.relu,
    F.hardtanh_: F.hardtanh,
    F.leaky_relu_: F.leaky_relu,
    F.elu_: F.elu,
}
# Number of positional arguments before ``inplace``.
_BEFORE_INPLACE: dict[Callable[..., torch.Tensor], int] = {
    F.relu: 0, F.relu6: 0, F.silu: 0, F.hardswish: 0, F.hardsigmoid: 0, F.mish: 0, F.selu: 0,
    F.hardtanh: 2, F.leaky_relu: 1, F.elu: 1, F.celu: 1,
}  # fmt: skip


def _settings(function: Callable[..., torch.Tensor], more: list[object]) -> list[object]:
    """The positional arguments after the input, without ``inplace``."""
    return more[: _BEFORE_INPLACE.get(function, len(more))]
