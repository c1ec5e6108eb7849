"""The pairs behind a finding, made again: a photo, and the same photo with either donor's cue.

Loads torch: the pixels come from the cues themselves, as when they were measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from xai_audit.evidence.plan import Pair, discovered
from xai_audit.report.transplanted import WITH, WITHOUT, Transplanted
from xai_audit.schema import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from xai_audit.work.audit import Audit


def view_of(audit: Audit) -> Callable[[Transplanted], Image.Image | None]:
    """Gives the picture of a Transplanted, None where a photo cannot be read or changed."""
    last: dict[object, list[Image.Image]] = {}

    def view(motif: Transplanted) -> Image.Image | None:
        key = tuple(motif.pair.values())
        if key not in last:  # its other pictures follow
            last.clear()
            drawn = drawn_pairs(audit, [motif.pair])
            last[key] = drawn[0][1] if drawn else []
        panels = last[key]
        return panels[("", WITH, WITHOUT).index(motif.end)] if panels else None

    return view


def drawn_pairs(
    audit: Audit, rows: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], list[Image.Image]]]:
    """Each row of TRANSPLANTS with the model's view of its photo, with the cue and without it.

    A pair whose photos can no longer be read or changed is left out.
    """
    from xai_audit.evidence.source import cues_of
    from xai_audit.evidence.views import PairViews
    from xai_audit.vision.canvas import Source, seen

    source = Source(
        rows=audit.usable(),
        masks=audit.masks,
        root=audit.dataset.root,
        preprocess=audit.noted_facts().preprocess,
        max_pixels=audit.settings.max_pixels,
        num_workers=0,
        opener=audit.opener,
    )
    views, found = PairViews(source, cues_of(audit)), []
    for row in rows:
        (one,) = views[[[_pair(row)]]].by_photo()
        canvas = source.read(row["image_id"])
        if one is None or canvas is None or not one.done:
            continue
        photo = seen(canvas.photo, canvas.preprocess)
        panels = [_image(view) for view in (photo, *(one.views[end] for end in one.ends))]
        found.append((row, panels))
    return found


def _pair(row: Mapping[str, Any]) -> Pair:
    name, cue = str(row["class_name"]), str(row["cue"])
    return Pair(
        class_name=name,
        cue=discovered(cue, name) if cue.startswith(DISCOVERED) else cue,
        question=str(row["question"]),
        image=str(row["image_id"]),
        donor_with=str(row["donor_with"]),
        donor_without=str(row["donor_without"]),
    )


def _image(view: torch.Tensor) -> Image.Image:
    return Image.fromarray(view.permute(1, 2, 0).contiguous().numpy())
