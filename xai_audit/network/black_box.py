"""A model of which only outputs can be had: a function of photos, behind a service or a runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.network.probe import probe_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xai_audit.types import Preprocess

    Predict = Callable[[NDArray[np.uint8]], object]

# Both are larger than those of a network's own numbers (outputs.py): a function may round what it
# gives, so that its sum is a little off and a 0 stands for any small probability.
_LEAST = 1e-7  # a probability of 0 has no logarithm
_ROUNDED = 1e-2  # how far probabilities may be from a sum of 1
_DIGITS = 3  # of a probability: what another computer or batch gives differs by less


class BlackBox(nn.Module):
    """A module with outputs only: no weights, no layers and no gradient."""


class PhotoFunction(BlackBox):
    """A module whose logits are the logarithms of the probabilities that a function gives.

    A buffer keeps what the function gives for noise, so that a run notices that it is another one.

    Args:
        predict: photos (B, H, W, C) uint8, cropped -> probabilities (B, K), or (B,) of one class.
        preprocess: that the images went through, to be undone.
        name: of the function, in errors.
        independent: whether each class has a probability of its own; they need not sum to 1.
    """

    seen: torch.Tensor

    def __init__(
        self, predict: Predict, preprocess: Preprocess, *, name: str, independent: bool
    ) -> None:
        super().__init__()
        self._predict, self._preprocess, self._name = predict, preprocess, name
        self._independent = independent
        seen = self._probabilities(probe_of(preprocess, "cpu"))
        # Not of their logarithms: those of tiny probabilities differ by more.
        self.register_buffer("seen", seen.nan_to_num().mul(10**_DIGITS).round())

    def extra_repr(self) -> str:
        """The function's name, for fingerprints."""
        return self._name

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) float32 of images (B, C, H, W)."""
        probabilities = self._probabilities(images).to(images.device)
        if self._independent or probabilities.shape[1] == 1:
            return probabilities.logit(eps=_LEAST)
        return probabilities.clamp_min(_LEAST).log()

    def _probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """What the function gives, (B, K) float32 on the CPU."""
        return self._checked(self._predict(photos_of(images, self._preprocess)), len(images))

    def _checked(self, given: object, count: int) -> torch.Tensor:
        """The probabilities (B, K) float32.

        Raises:
            ModelError: another shape, no probabilities.
        """
        array = np.asarray(given)
        if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or len(array) != count:
            raise self._wrong(f"({count}, K) numbers", f"{array.dtype} {array.shape}")
        values = torch.from_numpy(array.astype(np.float32)).reshape(count, -1)
        low, high = float(values.nan_to_num().amin()), float(values.nan_to_num().amax())
        if low < 0 or high > 1 + _ROUNDED:
            raise self._wrong("numbers from 0 to 1", f"{low:.4g} to {high:.4g}")
        sums = values.sum(1)
        away = (sums - 1).abs().nan_to_num()
        if not self._independent and values.shape[1] > 1 and bool((away > _ROUNDED).any()):
            raise self._wrong(
                "rows that sum to 1, or model.head=sigmoid", f"{float(sums[away.argmax()]):.4g}"
            )
        return values

    def _wrong(self, expected: str, got: str) -> ModelError:
        return ModelError(
            "the function gives no probabilities of the photos' classes",
            where=self._name,
            expected=expected,
            got=got,
        )


def photos_of(images: torch.Tensor, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Photos (B, H, W, C) uint8 of images (B, C, H, W) that were normalised, rounded."""
    mean, std = (
        torch.tensor(values, device=images.device).view(1, -1, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    pixels = (images.detach().float() * std + mean) / preprocess.scale
    photos: NDArray[np.uint8] = (
        pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    )
    return photos
