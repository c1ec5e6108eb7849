"""The smallest change that flips each decision, as far as one-step and iterated attacks find it.

Every size found is an upper bound of the true one: a smaller change may exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.adversarial.norms import LARGEST, ROOT_MEAN_SQUARE, column
from xai_audit.run.sample import seed_of
from xai_audit.schema import ATTACKS

if TYPE_CHECKING:
    from xai_audit.adversarial.decision import Decision
    from xai_audit.adversarial.norms import Norm

# Number of budgets that a single step tries: the largest and its halves, down to a 128th.
_HALVES = 8
# Halvings of the way to a change that flips; the least factor is then known to a 64th.
_HALVINGS = 6
# Rounds of bisection of an iterated attack's budget, each with all its steps.
_ROUNDS = 3
# The next budget is never less than this share of the best: what fails costs all its steps.
_LEAST = 0.75
# A photo is done once no change below this share of the best flips it.
_CLOSE = 0.85
# Steps of an iterated attack together reach this many budgets far (Madry et al. 2018).
_REACH = 2.5


@dataclass(frozen=True)
class Settings:
    """The effort of the search.

    Attributes:
        most: largest budget, grey levels of 255.
        steps: of an iterated attack.
        seed: of the run.
    """

    most: float
    steps: int
    seed: int


@dataclass(frozen=True)
class Subjects:
    """B photos with the decisions to be attacked.

    Attributes:
        image_ids: B ids; randomness is seeded from them.
        pixels: (B, C, H, W) float32, 0..255, as the model sees them.
        kept: (B,) int64, the decisions.
        low: (B, C, H, W) float32 <= 0, how far each value may fall.
        high: (B, C, H, W) float32 >= 0, how far each value may rise.
    """

    image_ids: tuple[str, ...]
    pixels: torch.Tensor
    kept: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def of(self, rows: torch.Tensor) -> Subjects:
        """The photos ``rows`` (N,) int64."""
        ids = tuple(self.image_ids[row] for row in rows.tolist())
        kept, low, high = self.kept[rows], self.low[rows], self.high[rows]
        return Subjects(ids, self.pixels[rows], kept, low, high)

    def boxed(self, change: torch.Tensor) -> torch.Tensor:
        """``change`` (B, C, H, W) as far as pixels stay valid."""
        return torch.maximum(torch.minimum(change, self.high), self.low)


@dataclass(frozen=True)
class Found:
    """The smallest changes found that flip.

    Attributes:
        change: (B, C, H, W) float32, 0 where none flips.
        size: (B,) float32, inf where none flips.
    """

    change: torch.Tensor
    size: torch.Tensor

    def improved(self, rows: torch.Tensor, other: Found) -> Found:
        """With those of ``other``, of the photos ``rows`` (N,), that are smaller."""
        better = other.size < self.size[rows]
        return Found(
            self.change.index_copy(0, rows[better], other.change[better]),
            self.size.index_copy(0, rows[better], other.size[better]),
        )


def attacked(
    decision: Decision, subjects: Subjects, settings: Settings
) -> tuple[dict[str, Found], torch.Tensor]:
    """Attack -> its smallest changes, and (B,) bool: whether there is no gradient at the photo.

    ``fgsm`` and ``pgd`` are L-infinity, ``pgd_l2`` is L2. An iterated attack searches below the
    size that one step found, so it never finds a larger change.
    """
    if not len(subjects.kept):
        nothing = Found(subjects.pixels, subjects.pixels.new_zeros(0))
        return dict.fromkeys(ATTACKS, nothing), nothing.size.bool()
    _, gradient = decision.slope(subjects.pixels, subjects.kept)
    fgsm = one_step(decision, subjects, LARGEST, gradient, most=settings.most)
    straight = one_step(decision, subjects, ROOT_MEAN_SQUARE, gradient, most=settings.most)
    found = {
        "fgsm": fgsm,
        "pgd": iterated(decision, subjects, LARGEST, fgsm, settings=settings),
        "pgd_l2": iterated(decision, subjects, ROOT_MEAN_SQUARE, straight, settings=settings),
    }
    return found, gradient.abs().flatten(1).amax(1) == 0


def one_step(
    decision: Decision, subjects: Subjects, norm: Norm, gradient: torch.Tensor, *, most: float
) -> Found:
    """The smallest step against ``gradient`` that flips.

    Increasing budgets up to ``most`` are tried; the first change that flips is then bisected.
    Source: Goodfellow et al. 2015 for L-infinity.
    """
    way = norm.steepest_direction(gradient)
    low = torch.zeros(len(way), device=way.device)
    high = torch.full_like(low, torch.inf)
    for power in reversed(range(_HALVES)):
        rows = high.isinf().nonzero()[:, 0]
        if not len(rows):
            break
        budget = most / 2**power
        here = subjects.of(rows)
        flipped = decision.flips(here.pixels + here.boxed(way[rows] * budget), here.kept)
        high = high.index_fill(0, rows[flipped], budget)
        low = low.index_fill(0, rows[~flipped], budget)
    rows = high.isfinite().nonzero()[:, 0]
    nothing = Found(torch.zeros_like(way), torch.full_like(low, torch.inf))
    if not len(rows):
        return nothing
    found = _shortened(decision, subjects.of(rows), way[rows], norm, reach=(low[rows], high[rows]))
    return nothing.improved(rows, found)


def iterated(
    decision: Decision, subjects: Subjects, norm: Norm, first: Found, *, settings: Settings
) -> Found:
    """The smallest change that projected gradient descent finds, its budget bisected.

    Where even the largest budget flips nothing no smaller one is tried. Source: Madry et al. 2018.

    Args:
        decision: attacked.
        subjects: B photos.
        norm: of the ball that changes stay in.
        first: the smallest changes known already.
        settings: how hard to search.
    """
    best, low = first, torch.zeros_like(first.size)
    for turn in range(_ROUNDS):
        known = best.size.isfinite()
        going = known & (low < best.size * _CLOSE)
        rows = torch.nonzero(going if turn else torch.ones_like(known))[:, 0]
        if not len(rows):
            break
        halfway = torch.maximum((low + best.size) / 2, best.size * _LEAST)
        budget = torch.where(known, halfway, settings.most)[rows]
        found = _descended(decision, subjects.of(rows), norm, budget, turn=turn, settings=settings)
        missed = found.size.isinf()
        low = low.index_copy(0, rows[missed], budget[missed])
        best = best.improved(rows, found)
    return best


def _descended(
    decision: Decision,
    subjects: Subjects,
    norm: Norm,
    budget: torch.Tensor,
    *,
    turn: int,
    settings: Settings,
) -> Found:
    """The result of steps down the margin within ``budget`` (B,); a photo stops once flipped."""
    seeds = [seed_of(settings.seed, name, "adversarial", turn) for name in subjects.image_ids]
    change = subjects.boxed(norm.start(subjects.pixels, budget, seeds))
    rate = column(budget * _REACH / settings.steps)
    rows = torch.arange(len(budget), device=budget.device)
    for _ in range(settings.steps):
        here, now = subjects.of(rows), change[rows]
        margin, gradient = decision.slope(here.pixels + now, here.kept)
        going = margin >= 0
        rows, here = rows[going], here.of(going.nonzero()[:, 0])
        if not len(rows):
            break
        moved = now[going] + rate[rows] * norm.steepest_direction(gradient[going])
        change = change.index_copy(0, rows, here.boxed(norm.within(moved, budget[rows])))
    flipped = torch.ones_like(budget, dtype=torch.bool)
    if len(rows):
        flipped[rows] = decision.flips((subjects.pixels + change)[rows], subjects.kept[rows])
    nothing = Found(torch.zeros_like(change), torch.full_like(budget, torch.inf))
    rows = flipped.nonzero()[:, 0]
    if not len(rows):
        return nothing
    whole = torch.ones(len(rows), device=budget.device)
    reach = (torch.zeros_like(whole), whole)
    found = _shortened(decision, subjects.of(rows), change[rows], norm, reach=reach)
    return nothing.improved(rows, found)


def _shortened(
    decision: Decision,
    subjects: Subjects,
    way: torch.Tensor,
    norm: Norm,
    *,
    reach: tuple[torch.Tensor, torch.Tensor],
) -> Found:
    """The shortest piece of ``way`` that flips, between two factors; at the second it does."""
    low, high = reach
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        change = subjects.boxed(way * column(middle))
        flipped = decision.flips(subjects.pixels + change, subjects.kept)
        low, high = torch.where(flipped, low, middle), torch.where(flipped, middle, high)
    change = subjects.boxed(way * column(high))
    return Found(change, norm.size(change))
