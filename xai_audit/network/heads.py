"""Probabilities from logits, in this one place.

softmax: the classes share one probability, exactly one of them is right.
sigmoid: each class has a probability of its own, several may be right (a multi-label model).
"""

from __future__ import annotations

import torch

HEADS = ("softmax", "sigmoid")


def probabilities(logits: torch.Tensor, head: str) -> torch.Tensor:
    """Each class's probability (B, K), in the dtype of ``logits`` (B, K).

    Args:
        logits: float32 or float64; NaN stays NaN.
        head: of HEADS.
    """
    return logits.sigmoid() if head == "sigmoid" else logits.softmax(1)


def log_odds(logits: torch.Tensor, index: torch.Tensor, head: str) -> torch.Tensor:
    """The log-odds (B,) of the class ``index`` (B,) of each row, never rounded to infinity.

    Args:
        logits: (B, K).
        index: int64.
        head: of HEADS.
    """
    mine = logits.gather(1, index[:, None])[:, 0]
    if head == "sigmoid":
        return mine
    return mine - logits.scatter(1, index[:, None], -torch.inf).logsumexp(1)
