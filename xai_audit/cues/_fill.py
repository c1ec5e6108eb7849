"""The object removed from a photo, so that neither it nor its outline can be recognised."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.cues._copies import CELL, Copies
from xai_audit.vision.remembered import remembered

if TYPE_CHECKING:
    from xai_audit.types import Canvas

# An object's shadow, halo and ringing reach this far, as a share of the shorter side.
_HALO = 0.03
# Below this free share of a region, its free pixels are too few to fill the rest by copying.
_LEAST = 0.2
_ROUNDS = 5
# A remainder this small, as a share of the hole, is averaged instead of filled by copies.
_CRUMBS = 0.01
# A copy extends the hole by this much, so that the seam does not lie on its outline; px.
_OVERLAP = 1
# Cells on which colours are bent; px.
_BEND = 3
# Bytes of photos without their object that a process keeps: a donor serves many photos.
_KEPT = 64 * 2**20
# Mid-grey where nothing but object is known: any colour of the photo would be the object's.
_GREY = 118


def cleared(canvas: Canvas, region: torch.Tensor | None = None) -> torch.Tensor:
    """The photo (3, h, w) uint8 of ``canvas`` without its object, as far as that is known.

    It is not to be changed in place: the same is given again for the same photo.

    Args:
        canvas: left as it is.
        region: (h, w) share of each pixel. Only the region is filled, and from its own content if
            enough of it is free: a frame under an object stays a frame.
    """
    if canvas.object is None:
        return canvas.photo
    inside = None if region is None else region > 0
    return _cleared(canvas.photo, canvas.object, inside)


@remembered(_KEPT)
def _cleared(
    photo: torch.Tensor, covered: torch.Tensor, inside: torch.Tensor | None
) -> torch.Tensor:
    """``photo`` (3, h, w) without what ``covered`` (h, w) uint8 says; only within ``inside``."""
    hole = halo(covered)
    if inside is None:
        return filled(photo, hole)
    around = ~hole
    hole &= inside
    if not hole.any():
        return photo
    source = inside & ~hole
    if source.sum() < _LEAST * inside.sum():
        return filled(photo, hole, source=around)
    top, bottom, left, right = _box(inside)
    out = photo.clone()
    part = (slice(top, bottom), slice(left, right))
    out[:, *part] = filled(photo[:, *part], hole[part], source=source[part])
    return out


def halved(canvas: Canvas) -> Canvas:
    """``canvas`` at half its size, enough for descriptors of a few numbers."""
    photo = F.avg_pool2d(canvas.photo.float()[None], 2, ceil_mode=True, count_include_pad=False)
    covered = canvas.object
    if covered is not None:
        covered = F.max_pool2d(covered.float()[None], 2, ceil_mode=True)[0].to(torch.uint8)
    return replace(canvas, photo=photo[0].round().to(torch.uint8), object=covered)


def filled(
    photo: torch.Tensor, hole: torch.Tensor, *, source: torch.Tensor | None = None
) -> torch.Tensor:
    """``photo`` (3, h, w) uint8 with ``hole`` (h, w) bool covered by texture from around it.

    Shifted and mirrored copies of the photo itself, chosen by how well they continue the hole's
    surroundings and how much of it they cover, each with its colours bent to meet those at the seam
    (as Perez et al., Poisson Image Editing, SIGGRAPH 2003, but on a coarse grid), cut 1 px outside
    the hole. What no copy covers is averaged from its surroundings (pull-push:
    Gortler et al., The Lumigraph, SIGGRAPH 1996). Without any source the photo becomes grey.

    Args:
        photo: left as it is.
        hole: the pixels to be replaced.
        source: (h, w) bool, the pixels that may be copied; None: all but the hole.
    """
    if not hole.any():
        return photo.clone()
    known = ~hole if source is None else source & ~hole
    if not known.any():
        return torch.where(hole, torch.full_like(photo, _GREY), photo)
    image, todo = photo.float(), hole
    copies = Copies(image, known)
    for _ in range(_ROUNDS):
        copy = copies.best(image, todo, known=known)
        # Cells can meet where their pixels do not.
        if copy is None or not (todo & copy[1]).any():
            break
        image = _pasted(image, copy, todo, known)
        usable = copy[1]
        known, todo = known | (todo & usable), todo & ~usable
        if todo.sum() <= _CRUMBS * hole.sum():
            break
    if todo.any():
        image = torch.where(todo, averaged(image, known.float()), image)
    return image.round().clamp(0, 255).to(torch.uint8)


def halo(covered: torch.Tensor) -> torch.Tensor:
    """The object's pixels (h, w) bool and those near enough to show it; ``covered`` is uint8."""
    return grown(covered > 0, max(2, round(_HALO * min(covered.shape))))


def grown(mask: torch.Tensor, radius: int) -> torch.Tensor:
    """``mask`` (h, w) bool with everything within ``radius`` px along both axes."""
    out = mask.clone()
    for axis in (0, 1):
        reach = 0
        while reach < radius:
            # Each step at most doubles the reach, so the cost grows with its logarithm.
            step = min(reach + 1, radius - reach, mask.shape[axis])
            before, length = out.clone(), mask.shape[axis] - step
            out.narrow(axis, step, length).logical_or_(before.narrow(axis, 0, length))
            out.narrow(axis, 0, length).logical_or_(before.narrow(axis, step, length))
            reach += step
    return out


def averaged(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``image`` (C, h, w) where ``weight`` (h, w) is 1, elsewhere the average around it."""
    levels = [(image * weight, weight[None])]
    while max(levels[-1][1].shape[1:]) > 1:
        levels.append(_halved(*levels[-1]))
    value, known = levels.pop()
    out = value / known.clamp(min=1e-6)
    for value, known in reversed(levels):
        size = list(value.shape[1:])
        up = F.interpolate(out[None], size=size, mode="bilinear", align_corners=False)[0]
        out = value + (1 - known) * up
    return out


def _halved(value: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both at half the size: means of what is known, which counts as fully known from 1/4 on."""
    value = F.avg_pool2d(value[None], 2, ceil_mode=True)[0]
    known = F.avg_pool2d(known[None], 2, ceil_mode=True)[0]
    capped = (known * 4).clamp(max=1)
    return value * (capped / known.clamp(min=1e-6)), capped


def _pasted(
    image: torch.Tensor,
    copy: tuple[torch.Tensor, torch.Tensor],
    todo: torch.Tensor,
    known: torch.Tensor,
) -> torch.Tensor:
    """``image`` (3, h, w) with a copy where ``todo``, its colours bent to meet what is known."""
    top, bottom, left, right = _box(todo & copy[1], margin=CELL)
    part = (slice(top, bottom), slice(left, right))
    pixels, usable = copy[0][:, *part], copy[1][part]
    target, known = todo[part] & usable, known[part] & usable
    ring = grown(target, CELL) & known
    bent = pixels + _gap(image[:, *part] - pixels, ring)
    out = image.clone()
    # No feather: an average of two unrelated textures is smoother than both, so that it would draw
    # the outline. A cut that is bent to meet its surroundings is as rough as they are.
    laid = target | (grown(target, _OVERLAP) & known)
    out[:, *part] = torch.where(laid, bent, image[:, *part])
    return out


def _gap(difference: torch.Tensor, ring: torch.Tensor) -> torch.Tensor:
    """``difference`` (3, h, w) on the ring, spread smoothly over all; 0 without a ring."""
    if not ring.any():
        return torch.zeros_like(difference)
    weight = F.avg_pool2d(ring.float()[None, None], _BEND, ceil_mode=True)[0]
    value = F.avg_pool2d((difference * ring)[None], _BEND, ceil_mode=True)[0]
    seen = (weight > 0).float()
    smooth = averaged(value / weight.clamp(min=1e-6), seen[0])
    size = list(difference.shape[1:])
    return F.interpolate(smooth[None], size=size, mode="bilinear", align_corners=False)[0]


def _box(inside: torch.Tensor, margin: int = 0) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what is True with ``margin`` px around it, for slices."""
    ends = []
    for axis in (1, 0):
        places = inside.any(axis).nonzero()
        ends.append(max(int(places[0]) - margin, 0))
        ends.append(min(int(places[-1]) + 1 + margin, inside.shape[1 - axis]))
    return ends[0], ends[1], ends[2], ends[3]
