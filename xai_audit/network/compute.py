"""Device, precision, batch size and worker processes: the values of ``auto`` on this machine."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Compute:
    """Where and how the model runs.

    Attributes:
        device: ``cpu`` or ``cuda:N``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch_size: images per forward; halved later where memory runs out.
        num_workers: processes that decode.
    """

    device: str
    precision: str
    batch_size: int
    num_workers: int


def resolve(
    *, device: str, precision: str, batch_size: int | str, num_workers: int | str
) -> Compute:
    """The settings with every ``auto`` replaced by a value for this machine.

    Raises:
        ConfigError: a device that this machine or this PyTorch does not have.
    """
    chosen = _device(device)
    on_gpu = chosen.startswith("cuda")
    if precision == "auto":
        precision = _gpu_precision() if on_gpu else "fp32"
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    # On a CPU the model needs the cores, and a single one is not shared; with a GPU decoding is the
    # bottleneck.
    on_cpu = 0 if cores == 1 else 2
    workers = min(16, max(cores - 1, 1)) if on_gpu else on_cpu
    return Compute(
        device=chosen,
        precision=precision,
        batch_size=(128 if on_gpu else 32) if isinstance(batch_size, str) else batch_size,
        num_workers=workers if isinstance(num_workers, str) else num_workers,
    )


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """A block in which PyTorch prefers deterministic algorithms, if ``wanted``.

    Where an operation has none (adaptive pooling's backward on CUDA) PyTorch only warns.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:
        # cuBLAS reads this when it starts and cannot be deterministic without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def _gpu_precision() -> str:
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _device(requested: str) -> str:
    if requested == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(requested)
    except RuntimeError as exc:
        raise ConfigError("unknown device", where="compute.device", got=requested) from exc
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            "no such device",
            where="compute.device",
            expected=f"one of {torch.cuda.device_count()} CUDA devices",
            got=requested,
            remedy="compute.device=cpu",
        )
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(
            "unsupported device", where="compute.device", expected="cpu or cuda", got=requested
        )
    return f"cuda:{device.index or 0}" if device.type == "cuda" else "cpu"
