"""Weighted least squares on coalitions, in float64."""

from __future__ import annotations

import torch


def ridge(
    design: torch.Tensor, scores: torch.Tensor, weight: torch.Tensor, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (T, F) float64 and intercept (T,), which is not penalised.

    Args:
        design: (S, F).
        scores: (S, T).
        weight: (S,) of the samples.
        penalty: on the squared coefficients; more than 0 keeps it solvable.
    """
    x, y, w = design.double(), scores.double(), weight.double()[:, None]
    x_mean, y_mean = ((w * each).sum(0) / w.sum() for each in (x, y))
    x, y = x - x_mean, y - y_mean
    gram = x.T @ (w * x) + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    found = torch.linalg.solve(gram, x.T @ (w * y))  # (F, T)
    return found.T, y_mean - x_mean @ found
