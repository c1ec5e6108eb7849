"""The model's views of the pairs of a photo, with each donor's cue; made by worker processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from xai_audit.errors import CueProblem
from xai_audit.schema import CARRIER_PULL, CARRIER_RELIANCE, SCREENING, VICTIM, WHOLE
from xai_audit.vision.canvas import Canvases, fitted, one_thread, seen, transplanted

if TYPE_CHECKING:
    from xai_audit.evidence.plan import Pair
    from xai_audit.types import Canvas, Cue
    from xai_audit.vision.canvas import Source


# A property that an object can have too is changed on the whole photo: a cast lies on both, and a
# donor gives only what its surroundings have.
_ON_WHOLE = (WHOLE, SCREENING, CARRIER_PULL, VICTIM, CARRIER_RELIANCE)


@dataclass(frozen=True)
class Views:
    """The views of the pairs of one photo.

    Attributes:
        done: places of the pairs that have views.
        views: (V, 3, H, W) uint8, all different; None where there are none.
        ends: the place in ``views`` of each end of these pairs: with, without, with, ...
        problems: place of a pair -> why a cue failed on it.
    """

    done: list[int]
    views: torch.Tensor | None
    ends: list[int]
    problems: dict[int, CueProblem]


class PairViews(Dataset["Views | None"]):
    """The model's views of the pairs of one photo; these pairs are the index.

    Args:
        source: of canvases.
        cues: by key.
    """

    def __init__(self, source: Source, cues: dict[str, Cue]) -> None:
        self._canvases, self._cues = Canvases(source), cues

    def __getitem__(self, group: list[Pair]) -> Views | None:
        """The views of the pairs of a photo; None where it cannot be decoded."""
        with one_thread():
            return self._views(group)

    def _views(self, group: list[Pair]) -> Views | None:
        canvas = self._canvases[group[0].image]
        if canvas is None:
            return None
        done, ends, problems = [], [], {}
        # Pairs of a photo often share an end (the photo as it is, a donor without the cue), which
        # the model need not see twice.
        views: dict[bytes, torch.Tensor] = {}
        places: dict[bytes, int] = {}
        for place, pair in enumerate(group):
            donors = [self._canvases[one] for one in (pair.donor_with, pair.donor_without)]
            known = [donor for donor in donors if donor is not None]
            if len(known) < 2:
                continue
            try:
                both = self._both(pair, canvas, known)
            except CueProblem as problem:
                problems[place] = problem
                continue
            if both is not None:
                for view in both:
                    content = view.numpy().tobytes()
                    views.setdefault(content, view)
                    ends.append(places.setdefault(content, len(places)))
                done.append(place)
        return Views(done, torch.stack([*views.values()]) if done else None, ends, problems)

    def _both(self, pair: Pair, canvas: Canvas, donors: list[Canvas]) -> list[torch.Tensor] | None:
        """The view with each donor's cue; None where another cue cannot be put back into one."""
        cue, views = fitted(self._cues[pair.cue], [canvas, *donors]), []
        whole = pair.question in _ON_WHOLE and hasattr(cue, "changed")
        for donor in donors:
            photo = transplanted(cue, canvas, donor, whole=whole)
            if pair.given is not None:
                # A cue is put back at its old place, which a photo of another shape does not have.
                if photo.shape != canvas.photo.shape:
                    return None
                back = replace(canvas, photo=photo)
                photo = transplanted(self._cues[pair.given], back, canvas)
            views.append(seen(photo, canvas.preprocess))
        return views
