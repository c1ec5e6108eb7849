"""The attention matrices of a transformer's forward, however the model computes attention.

Fused attention does not expose its matrix, so a PyTorch function mode computes it in plain steps;
the model is not changed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from xai_audit.errors import ModelError
from xai_audit.network.feature_layout import Layout, layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Images a forward: every layer's matrices are kept, 22 MB an image of ViT-B/16.
MOST = 8
_SOFTMAX = frozenset({torch.softmax, F.softmax, torch.Tensor.softmax})


class Attention(TorchFunctionMode):
    """A block whose attention matrices are kept, in the order in which they are computed.

    Attributes:
        matrices: (B, heads, N, N) each, in the graph.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matrices: list[torch.Tensor] = []

    def __torch_function__(  # noqa: D105 - PyTorch's own protocol
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever func returns
        del types
        keywords = dict(kwargs or {})
        if func is F.scaled_dot_product_attention:
            return self._dot_product(*args, **keywords)
        if func is F.multi_head_attention_forward and _is_plain(args, keywords):
            return self._multi_head(args)
        result = func(*args, **keywords)
        if func in _SOFTMAX and result.ndim == 4 and result.shape[2] == result.shape[3]:
            self.matrices.append(result)
        return result

    def __enter__(self) -> Self:
        """Start recording; nn.MultiheadAttention's fast path, which bypasses modes, is disabled."""
        self._fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop recording."""
        torch.backends.mha.set_fastpath_enabled(self._fast)
        super().__exit__(*raised)  # type: ignore[no-untyped-call]

    def _dot_product(  # noqa: PLR0913 - PyTorch's signature
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """The result of F.scaled_dot_product_attention, with its matrix kept."""
        if is_causal or enable_gqa:
            return F.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                enable_gqa=enable_gqa,
            )  # fmt: skip
        factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        logits = query @ key.mT * factor
        if attn_mask is not None:
            hidden = attn_mask.dtype == torch.bool
            logits = logits.masked_fill(~attn_mask, -torch.inf) if hidden else logits + attn_mask
        matrix = logits.softmax(-1)
        if matrix.ndim == 4 and matrix.shape[2] == matrix.shape[3]:
            self.matrices.append(matrix)
        return matrix @ value

    def _multi_head(self, args: Sequence[Any]) -> tuple[torch.Tensor, None]:
        """Self-attention of tokens (N, B, width), as nn.MultiheadAttention calls for it."""
        query, width, heads, in_weight, in_bias = args[0], *args[3:7]
        count, batch = query.shape[:2]
        parts = F.linear(query, in_weight, in_bias).chunk(3, dim=-1)
        q, k, v = (p.reshape(count, batch, heads, -1).permute(1, 2, 0, 3) for p in parts)
        mixed = self._dot_product(q, k, v).permute(2, 0, 1, 3).reshape(count, batch, width)
        return F.linear(mixed, *args[11:13]), None


def _is_plain(args: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
    """Whether nn.MultiheadAttention calls for self-attention without masks or weights."""
    if len(args) < 13 or args[0] is not args[1] or args[1] is not args[2] or args[0].ndim != 3:
        return False
    extra = [*args[7:9], keywords.get("key_padding_mask"), keywords.get("attn_mask")]
    unusual = ("need_weights", "use_separate_proj_weight", "is_causal")
    if args[9] or any(keywords.get(each) for each in unusual):
        return False
    return all(each is None for each in extra)


def token_layout(matrices: Sequence[torch.Tensor], images: torch.Tensor, name: str) -> Layout:
    """The layout of the patches among the N tokens of ``matrices``.

    Raises:
        ModelError: the model has no attention among all tokens, layer after layer.
    """
    sizes = {matrix.shape[2] for matrix in matrices if matrix.shape[0] == len(images)}
    whole = len(sizes) == 1 and all(matrix.shape[0] == len(images) for matrix in matrices)
    side = (images.shape[2], images.shape[3])
    layout = layout_of((len(images), min(sizes), 1), side) if whole else None
    if layout is None:
        raise ModelError(
            "the model has no attention among all its patches",
            where=f"method={name}",
            expected="the same tokens in every attention layer, as in ViT or DeiT",
            got=f"attention over {', '.join(map(str, sorted(sizes))) or 'no'} tokens",
            remedy="method=gradcam",
        )
    return layout


def read_patches(flow: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(B, h, w): the class token's row of ``flow`` (B, N, N), or the mean row where all vote."""
    row = flow[:, 0] if layout.prefix else flow.mean(1)
    return row[:, layout.prefix :].reshape(-1, *(layout.patches or (0, 0)))
