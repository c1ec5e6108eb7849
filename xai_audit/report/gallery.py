"""The galleries: by class and reason the photos that deserve a look, beside some without a flag."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from xai_audit.flags.outliers import MISTAKE, REASONS
from xai_audit.report.material import gather
from xai_audit.report.overlay import Look
from xai_audit.report.picture import Shown, class_folder, photo_picture
from xai_audit.report.words import UNFLAGGED, caption_of
from xai_audit.run.sample import hash_order
from xai_audit.run.verdicts import of_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.material import Material
    from xai_audit.report.picture import Picture, ReportSettings
    from xai_audit.report.words import UNFLAGGED, Caption
    from xai_audit.run.reader import Run

# Number of pictures with rows read in one scan of the parts: few scans, little memory.
_AT_ONCE = 4096
# One picture: an image explained by a method.
Key = tuple[str, str]


@dataclass(frozen=True)
class Sheet:
    """The photos of one class that are shown for one reason, most suspicious first."""

    reason: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class ClassGallery:
    """The sheets of one class; ``folder`` is a safe name inside the gallery's folder."""

    class_name: str
    folder: str
    sheets: tuple[Sheet, ...]


def galleries(
    run: Run, kinds: dict[str, str], *, facts: RunFacts, settings: ReportSettings, folder: str
) -> list[ClassGallery]:
    """The gallery of each class, classes in the model's order; no picture is drawn.

    Args:
        run: with its tables.
        kinds: method -> target kind.
        facts: of the run.
        settings: of the report.
        folder: of the galleries, relative to the report's.
    """
    picks = pick(run, kinds, per_reason=settings.per_reason, seed=settings.seed)
    look = Look(facts.preprocess, facts.border, settings.tile)
    found = []
    order, several = facts.classes_first(picks), run.has("decisions")
    for names in [[name] for name in order] if several else _batches(order, picks):
        keys = {key for name in names for keys in picks[name].values() for key in keys}
        own = names[0] if several else None
        material = gather(run, keys, kinds, root=facts.dataset_root, class_name=own)
        found += [
            _class_gallery(
                name,
                picks[name],
                {
                    key: (
                        overlay_picture(material, key, look, masks=settings.masks, folder=folder),
                        _caption(material, key, facts, several=len(kinds) > 1),
                    )
                    for key in dict.fromkeys(k for keys in picks[name].values() for k in keys)
                    if key in material.scores
                },
            )
            for name in names
        ]
    return found


def overlay_picture(
    material: Material, key: Key, look: Look, *, masks: str, folder: str, heat: bool = True
) -> Picture:
    """The picture of a photo under a method's heatmap, in its class's folder of the galleries.

    Whichever section shows it, it is the same file.
    """
    motif = material.overlay(key, look, masks=masks, heat=heat)
    return photo_picture(f"{folder}/{class_folder(motif.photo.class_name)}/images", motif)


def _caption(material: Material, key: Key, facts: RunFacts, *, several: bool) -> Caption:
    image_id, method = key
    flags = [
        flag
        for flag in material.flags.get(image_id, ())
        if flag["method"] == method or flag["reason"] == MISTAKE
    ]
    return caption_of(material.scores[key], flags, facts=facts, method=method if several else None)


def _class_gallery(
    name: str, reasons: Mapping[str, list[Key]], pictures: Mapping[Key, tuple[Picture, Caption]]
) -> ClassGallery:
    """One class: its pictures by reason."""
    sheets = []
    for reason in (*REASONS, UNFLAGGED):
        shown = tuple(
            Shown(picture, key[0], caption.headline, caption.right, caption.lines(reason))
            for key in reasons.get(reason, ())
            if key in pictures
            for picture, caption in [pictures[key]]
        )
        if shown:
            sheets.append(Sheet(reason, shown))
    return ClassGallery(name, class_folder(name), tuple(sheets))


def _batches(order: list[str], picks: Mapping[str, Mapping[str, list[Key]]]) -> Iterator[list[str]]:
    """Classes in runs of at most ``_AT_ONCE`` pictures, one class at the least."""
    batch: list[str] = []
    size = 0
    for name in order:
        count = sum(len(keys) for keys in picks[name].values())
        if batch and size + count > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += count
    if batch:
        yield batch


def pick(
    run: Run, kinds: Mapping[str, str], *, per_reason: int, seed: int
) -> dict[str, dict[str, list[Key]]]:
    """Class -> reason -> pictures, most suspicious first; ``unflagged`` last in each class."""
    chosen: dict[str, dict[str, list[Key]]] = defaultdict(dict)
    columns = ["image_id", "class_name", "method", "reason", "rank"]
    top = run.collect("flags", columns, ds.field("rank") <= per_reason)
    top = top.sort_values(["class_name", "rank"], kind="stable")
    for class_name, reason, image_id, method in zip(
        *(top[name] for name in ("class_name", "reason", "image_id", "method")), strict=True
    ):
        chosen[class_name].setdefault(reason, []).append((image_id, method))
    for class_name, pictures in _unflagged(run, kinds, count=per_reason, seed=seed).items():
        chosen[class_name][UNFLAGGED] = pictures
    return dict(chosen)


def _unflagged(
    run: Run, kinds: Mapping[str, str], *, count: int, seed: int
) -> dict[str, list[Key]]:
    """Class -> up to ``count`` images without any flag, drawn by a hash of seed and image_id."""
    flagged = {id_ for frame in run.scan("flags", ["image_id"]) for id_ in frame.image_id}
    drawn: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    first = dict(list(kinds.items())[:1])
    for frame in run.scan("scores", ["image_id", "class_name", "method"], of_kinds(first)):
        for name, rows in frame.groupby("class_name"):
            class_name = str(name)
            tickets = [
                (hash_order(seed, image_id), image_id, method)
                for image_id, method in zip(rows["image_id"], rows["method"], strict=True)
                if image_id not in flagged
            ]
            drawn[class_name] = heapq.nsmallest(count, drawn[class_name] + tickets)
    return {
        class_name: [(image_id, method) for _, image_id, method in tickets]
        for class_name, tickets in drawn.items()
        if tickets
    }
