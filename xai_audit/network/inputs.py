"""Batches to the model and back: placed, normalised, in the run's precision, within its memory.

Where memory runs out a batch is redone smaller, and grows back later; results do not depend on the
size. Other errors of the model are one line with the images. Probabilities come by its head:
softmax: the classes share one probability, exactly one of them is right.
sigmoid: each class has a probability of its own, several may be right (a multi-label model).
"""

from __future__ import annotations

import gc
import logging
import traceback
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import torch
from torchvision.transforms.v2 import functional as tv

from xai_audit.errors import AuditError, PluginError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from xai_audit.types import LoadedModel

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
HEADS = ("softmax", "sigmoid")
log = logging.getLogger(__name__)
T = TypeVar("T")
# Successful calls before a larger size is tried again; doubled each time the larger size fails.
_PATIENCE = 8
_SHOWN = 3


class Inputs:
    """The model's eval transform after the crop, its constants kept on the device.

    Args:
        model: that the input is for.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """

    def __init__(self, model: LoadedModel, precision: str) -> None:
        self._device, self._dtype = model.device, _AUTOCAST.get(precision)
        self._grey = len(model.preprocess.mean) == 1
        mean, std = torch.tensor(model.preprocess.mean), torch.tensor(model.preprocess.std)
        column = (1, -1, 1, 1)
        self._factor = (model.preprocess.scale / std).view(column).to(model.device)
        self._shift = (mean / std).view(column).to(model.device)

    def normalised(self, photos: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float32, channels_last, from RGB photos (B, 3, H, W) uint8.

        A model of one channel sees their luma (ITU-R BT.601), which is not rounded.
        """
        images = photos.to(self._device, non_blocking=True)
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return self._seen(images).mul_(self._factor).sub_(self._shift)

    def of_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same from RGB pixels (B, 3, H, W) float32 on the device; autograd follows it."""
        return self._seen(pixels) * self._factor - self._shift

    def _seen(self, images: torch.Tensor) -> torch.Tensor:
        """The channels that the model sees of (B, 3, H, W) float32."""
        seen: torch.Tensor = tv.rgb_to_grayscale(images) if self._grey else images
        return seen

    def logits(self, module: torch.nn.Module, photos: torch.Tensor) -> torch.Tensor:
        """(B, K) float32 on the CPU, of RGB photos (B, 3, H, W) uint8, without a graph.

        Such as are not finite in the run's precision are computed in fp32.
        """
        images = self.normalised(photos)
        with torch.no_grad():
            with self.autocast():
                found: torch.Tensor = module(images)
            if self._dtype is not None and not bool(torch.isfinite(found).all()):
                found = module(images)
        return found.float().cpu()

    def autocast(self) -> AbstractContextManager[object]:
        """The block in which the forward runs."""
        if self._dtype is None:
            return nullcontext()
        # Frozen weights are never cached; copies that need a gradient would be, one by one.
        return torch.autocast(
            torch.device(self._device).type, dtype=self._dtype, cache_enabled=False
        )


def full(like: torch.Tensor) -> torch.autocast:
    """A block in which autocast on the device of ``like`` is off."""
    return torch.autocast(like.device.type, enabled=False)


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


def decided_for(
    logits: torch.Tensor, outputs: torch.Tensor, thresholds: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether photos are decided for classes, (B, N) bool, and their probabilities (B, N) float64.

    The one rule of multi-label decisions: the sigmoid of the class's logit is at least its
    threshold. NaN is not.

    Args:
        logits: (B, K).
        outputs: (B, N) int64, of the classes asked of each photo.
        thresholds: (K,), 0..1.
    """
    outputs = outputs.to(logits.device)
    p = probabilities(logits.double().gather(1, outputs), "sigmoid")
    return p >= torch.tensor(thresholds, dtype=p.dtype, device=p.device)[outputs], p


class AdaptiveBatch:
    """Calls a function over slices of at most ``size`` images.

    Args:
        batch_size: images a call, as requested.
    """

    def __init__(self, batch_size: int) -> None:
        self.requested = self.size = self.smallest = batch_size
        self.retries = 0
        self._patience, self._streak, self._grew = _PATIENCE, 0, False

    def over(self, count: int, call: Callable[[slice], T]) -> Iterator[tuple[slice, T | None]]:
        """``call(slice)`` for slices that cover 0..count; None for one image that never fits."""
        start = 0
        while start < count:
            piece = slice(start, min(start + self.size, count))
            result, failed = self._attempt(piece, call)
            if failed and self.size > 1:
                # A call for one image may have made copies of it, so many as ``size`` allows.
                alone = piece.stop - start == 1
                self._shrink(self.size if alone else piece.stop - start)
                continue
            self._grow_after(failed=failed)
            yield piece, result
            start = piece.stop

    def _attempt(self, piece: slice, call: Callable[[slice], T]) -> tuple[T | None, bool]:
        try:
            return call(piece), False
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc):
                raise
        # Outside the handler: the traceback would keep the failed call's tensors alive.
        self.retries += 1
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None, True

    def _shrink(self, failed_size: int) -> None:
        if self._grew and self._streak == 0:
            self._patience *= 2
        self._grew = False
        self.size = max(failed_size // 2, 1)
        self.smallest = min(self.smallest, self.size)
        self._streak = 0
        log.warning("out of memory at %d images a batch, going on with %d", failed_size, self.size)

    def _grow_after(self, *, failed: bool) -> None:
        self._streak = 0 if failed else self._streak + 1
        if self._streak >= self._patience and self.size < self.requested:
            self.size = min(self.size * 2, self.requested)
            self._streak, self._grew = 0, True


@contextmanager
def model_errors(module: torch.nn.Module, image_ids: Sequence[str]) -> Iterator[None]:
    """A block in which an error of ``module`` becomes a PluginError that names the images.

    All other errors pass unchanged, and so does one of memory: the batch is redone smaller.

    Args:
        module: the model.
        image_ids: of the batch.

    Raises:
        PluginError: its forward, or the way back through it, failed.
    """
    try:
        yield
    except AuditError:
        raise
    except (Exception, SystemExit) as exc:  # a user's forward may raise anything
        if is_out_of_memory(exc) or not is_from(exc, module):
            raise
        shown = ", ".join(image_ids[:_SHOWN])
        more = len(image_ids) - _SHOWN
        raise PluginError(
            "the model failed",
            where=f"{shown} and {more} more" if more > 0 else shown,
            got=f"{type(exc).__name__}: {str(exc)[:200]}",
            remedy="fix the model's forward, or try compute.batch_size=1 if it takes no batches",
        ) from exc


def is_from(exc: BaseException, module: torch.nn.Module) -> bool:
    """Whether ``exc`` was raised within a call of ``module``, or in a backward through it.

    An exception raised by a hook of this package does not count.
    """
    backward, theirs = torch.autograd.grad.__code__, False
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if frame.f_locals.get("self") is module or frame.f_code is backward:
            theirs = True
        elif name.startswith("xai_audit.") and not name.startswith("xai_audit.demo."):
            theirs = False
    return theirs
