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
    from collections.abc import Iterator

    from xai_audit.evidence.plan import Pair
    from xai_audit.types import Canvas, Cue
    from xai_audit.vision.canvas import Source


# A property that an object can have too is changed on the whole photo: a cast lies on both, and a
# donor gives only what its surroundings have.
_ON_WHOLE = (WHOLE, SCREENING, CARRIER_PULL, VICTIM, CARRIER_RELIANCE)
_NO_VIEWS = torch.empty(0, dtype=torch.uint8)


@dataclass(frozen=True)
class Views:
    """The views of the pairs of one photo.

    Attributes:
        done: places of the pairs that have views.
        views: (V, 3, H, W) uint8, all different.
        ends: the place in ``views`` of each end of these pairs: with, without, with, ...
        problems: place of a pair -> why a cue failed on it.
    """

    done: list[int]
    views: torch.Tensor
    ends: list[int]
    problems: dict[int, CueProblem]


@dataclass(frozen=True)
class Packed:
    """The views of a few photos in one tensor, whose way out of a worker process costs its time.

    Attributes:
        photos: of each photo its views without the tensor; None where it cannot be decoded.
        views: of all of them, one after the other.
        counts: of each photo that can be decoded.
    """

    photos: list[Views | None]
    views: torch.Tensor
    counts: list[int]

    @classmethod
    def of(cls, photos: list[Views | None]) -> Packed:
        """The views of ``photos``, together."""
        known = [one.views for one in photos if one is not None]
        plain = [one and replace(one, views=_NO_VIEWS) for one in photos]
        return cls(plain, torch.cat(known or [_NO_VIEWS]), [*map(len, known)])

    def by_photo(self) -> Iterator[Views | None]:
        """The views of each photo."""
        views = iter(torch.split(self.views, self.counts))
        for one in self.photos:
            yield one and replace(one, views=next(views))


class PairViews(Dataset[Packed]):
    """The model's views of the pairs of a few photos; the pairs of each of them are the index.

    Args:
        source: of canvases.
        cues: by key.
    """

    def __init__(self, source: Source, cues: dict[str, Cue]) -> None:
        self._canvases, self._cues = Canvases(source), cues

    def __getitem__(self, groups: list[list[Pair]]) -> Packed:
        """The views of each photo's pairs."""
        with one_thread():
            return Packed.of([self._views(group) for group in groups])

    def _views(self, group: list[Pair]) -> Views | None:
        canvas = self._canvases[group[0].image]
        if canvas is None:
            return None
        done, ends, problems = [], [], {}
        # Pairs of a photo often share an end (the photo as it is, a donor without the cue), which
        # the model need not see twice.
        views: dict[bytes, torch.Tensor] = {}
        places: dict[bytes, int] = {}
        made: dict[tuple[object, ...], torch.Tensor] = {}
        for place, pair in enumerate(group):
            donors = [self._canvases[one] for one in (pair.donor_with, pair.donor_without)]
            known = [donor for donor in donors if donor is not None]
            if len(known) < 2:
                continue
            try:
                both = self._both(pair, canvas, known, made)
            except CueProblem as problem:
                problems[place] = problem
                continue
            if both is not None:
                for view in both:
                    content = view.numpy().tobytes()
                    views.setdefault(content, view)
                    ends.append(places.setdefault(content, len(places)))
                done.append(place)
        return Views(done, torch.stack([*views.values()]) if done else _NO_VIEWS, ends, problems)

    def _both(
        self,
        pair: Pair,
        canvas: Canvas,
        donors: list[Canvas],
        made: dict[tuple[object, ...], torch.Tensor],
    ) -> list[torch.Tensor] | None:
        """The view with each donor's cue; None where another cue cannot be put back into one.

        Args:
            pair: of the photo.
            canvas: of the photo.
            donors: that with the cue and that without.
            made: the photo's views so far.
        """
        plain = self._cues[pair.cue]
        cue, views = fitted(plain, [canvas, *donors]), []
        whole = pair.question in _ON_WHOLE and hasattr(cue, "changed")
        # A cue that is fitted is another one for each pair of donors.
        pairwise = None if cue is plain else pair.photos
        for donor in donors:
            key = (pair.cue, pair.given, whole, donor.record.image_id, pairwise)
            if key not in made:
                photo = transplanted(cue, canvas, donor, whole=whole)
                if pair.given is not None:
                    # It is put back at its old place, which a photo of another shape has not.
                    if photo.shape != canvas.photo.shape:
                        return None
                    back = replace(canvas, photo=photo)
                    photo = transplanted(self._cues[pair.given], back, canvas)
                made[key] = seen(photo, canvas.preprocess)
            views.append(made[key])
        return views
