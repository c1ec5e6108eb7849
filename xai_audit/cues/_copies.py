"""The shifted or mirrored copy of a photo that best continues the surroundings of a hole in it."""

from __future__ import annotations

import torch
import torch.nn.functional as F

# Copies move by whole cells; px.
CELL = 8
# Cost of a copy that covers nothing, in units of the background's own variance.
_COVER = 3.0
# A copy that covers less of the rest, or meets less of its ring, is not worth its seams.
_LEAST_COVER = 0.03
# A cell counts as free from this share of its pixels on.
_WHOLE = 0.9
# Axes of (3, h, w): as it is, and left to right; light and ground know up from down.
_FLIPS = ((), (2,))


class Copies:
    """All copies of one photo by whole cells, as they are and mirrored, searched by FFT.

    Args:
        image: (3, h, w) float32.
        source: (h, w) bool, the pixels that may be copied.
    """

    def __init__(self, image: torch.Tensor, source: torch.Tensor) -> None:
        self._image, self._source = image, source
        share, cells = _cells(image, source)
        self._fft_size = [2 * side for side in share.shape]
        mean = _mean(cells, share)
        self._mean = mean
        self._spread = float(_mean((cells - mean).square(), share).sum()) + 1e-3
        self._spectra = []
        for flip in _FLIPS:
            mirrored = source.flip([axis - 1 for axis in flip])
            share, cells = _cells(image.flip(flip), mirrored)
            # Cells that are free throughout: half-free ones would count for pixels they lack.
            whole = torch.fft.rfft2((share > _WHOLE).float(), s=self._fft_size)
            self._spectra.append(torch.cat([self._spectrum(share, cells - mean), whole[None]]))

    def best(
        self, image: torch.Tensor, todo: torch.Tensor, *, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The copy (3, h, w) and which of its pixels are free (h, w) bool; None without a good one.

        Args:
            image: (3, h, w) float32 as filled so far.
            todo: (h, w) bool, the pixels still to be covered.
            known: (h, w) bool, the pixels that the copy has to continue.
        """
        wanted = F.avg_pool2d(todo.float()[None, None], CELL, ceil_mode=True)[0, 0]
        near = F.max_pool2d((wanted > 0).float()[None, None], 5, stride=1, padding=2)[0, 0]
        share, cells = _cells(image, known)
        ring = share * near
        cover = torch.fft.rfft2(wanted, s=self._fft_size).conj()
        edge = self._spectrum(ring, cells - self._mean).conj()
        costs = torch.stack([self._cost(cover, edge, spectrum) for spectrum in self._spectra])
        covered = costs[:, 0] / wanted.sum()
        met = costs[:, 2].clamp(min=1e-3)
        cost = costs[:, 1].clamp(min=0) / met / self._spread + _COVER * (1 - covered)
        cost += torch.where(costs[:, 2] < 0.05 * ring.sum(), _COVER, 0.0)
        cost[covered < _LEAST_COVER] = torch.inf
        # The photo where it is, a perfect match that covers nothing.
        cost[0, 0, 0] = torch.inf
        index = int(cost.argmin())
        if not torch.isfinite(cost.flatten()[index]):
            return None
        flip, place = divmod(index, cost[0].numel())
        return self._moved(_FLIPS[flip], divmod(place, cost.shape[2]))

    def _spectrum(self, share: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Of the weight, the weighted colours and their squares: (5, 2h, w + 1) complex."""
        planes = torch.cat([share[None], share * cells, (share * cells.square()).sum(0)[None]])
        spectrum: torch.Tensor = torch.fft.rfft2(planes, s=self._fft_size)
        return spectrum

    def _cost(self, cover: torch.Tensor, edge: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        """For each shift: cells covered, squared mismatch at the ring, cells met at the ring."""
        mismatch = edge[0] * copy[4] + edge[4] * copy[0] - 2 * (edge[1:4] * copy[1:4]).sum(0)
        products = torch.stack([cover * copy[5], mismatch, edge[0] * copy[0]])
        cost: torch.Tensor = torch.fft.irfft2(products, s=self._fft_size)
        return cost

    def _moved(
        self, flip: tuple[int, ...], place: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The copy with pixel (y, x) from (y, x) + shift of the mirrored photo."""
        shift = [
            (p - size if p >= size // 2 else p) * CELL
            for p, size in zip(place, self._fft_size, strict=True)
        ]
        pixels = torch.zeros_like(self._image)
        usable = torch.zeros_like(self._source)
        to, of = [], []
        for offset, side in zip(shift, self._source.shape, strict=True):
            to.append(slice(max(-offset, 0), side - max(offset, 0)))
            of.append(slice(max(offset, 0), side - max(-offset, 0)))
        pixels[:, *to] = self._image.flip(flip)[:, *of]
        usable[*to] = self._source.flip([axis - 1 for axis in flip])[*of]
        return pixels, usable


def _cells(image: torch.Tensor, free: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The share (h, w) of each cell that is free and the mean colour (3, h, w) of that share."""
    weight = free.float()
    planes = torch.cat([weight[None], image * weight])
    pooled = F.avg_pool2d(planes[None], CELL, ceil_mode=True)[0]
    return pooled[0], pooled[1:] / pooled[0].clamp(min=1e-6)


def _mean(cells: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The mean (3, 1, 1) of cells (3, h, w) weighted by share."""
    return (cells * share).sum((1, 2), keepdim=True) / share.sum().clamp(min=1e-6)
