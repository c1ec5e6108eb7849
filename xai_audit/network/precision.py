"""Arithmetic outside the model's forward, which mixed precision must not round."""

from __future__ import annotations

import torch


def full(like: torch.Tensor) -> torch.autocast:
    """A block in which autocast on the device of ``like`` is off."""
    return torch.autocast(like.device.type, enabled=False)
