"""The galleries: per class and reason a contact sheet, and each picture once on its own."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.errors import ImageProblem
from xai_audit.flags.outliers import MISTAKE, REASONS
from xai_audit.report.material import Material, gather
from xai_audit.report.overlay import Look, draw
from xai_audit.report.picks import UNFLAGGED, Key, pick
from xai_audit.report.sheet import Cell, Thumbnail, cell_side, contact_sheet, thumbnail
from xai_audit.report.words import caption_of, measure
from xai_audit.run.paths import safe_name
from xai_audit.run.score_rows import kinds_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from xai_audit.report.caption import Caption
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.settings import ReportSettings
    from xai_audit.run.paths import RunPaths

    MaskOf = Callable[[str], NDArray[np.generic] | None]

log = logging.getLogger(__name__)

# Pictures whose heatmaps are read together: few scans of the parts, little memory.
_AT_ONCE = 4096
_QUALITY = 88


@dataclass(frozen=True)
class Shown:
    """One picture on a sheet: its own file, its place, and the same in words."""

    href: str
    cell: Cell
    alt: str


@dataclass(frozen=True)
class SheetFile:
    """A contact sheet on disk; paths are relative to the class's folder, sizes in px."""

    reason: str
    file: str
    width: int
    height: int
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class ClassGallery:
    """The sheets of one class; ``folder`` is a safe name inside the gallery's folder."""

    class_name: str
    folder: str
    sheets: tuple[SheetFile, ...]


@dataclass(frozen=True)
class _Drawn:
    """A picture that is on disk: what its thumbnails need."""

    href: str
    image_id: str
    thumb: Image.Image
    caption: Caption
    row: dict[str, Any]
    flags: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Studio:
    """What drawing any picture of the run takes."""

    facts: RunFacts
    look: Look
    mask_of: MaskOf
    several_methods: bool

    def draw(self, key: Key, material: Material, folder: Path) -> _Drawn:
        """Draw and save the picture ``key`` into ``folder``."""
        image_id, method = key
        row = material.scores[key]
        flags = [
            flag
            for flag in material.flags.get(image_id, ())
            if flag["method"] == method or flag["reason"] == MISTAKE
        ]
        told = method if self.several_methods else None
        caption = caption_of(row, flags, facts=self.facts, method=told)
        overlay = draw(
            material.files.get(image_id),
            material.heatmaps.get(key),
            caption,
            look=self.look,
            mask=self._mask(image_id),
        )
        name = _file_name(image_id, method)
        overlay.image.save(folder / name, quality=_QUALITY)
        thumb = thumbnail(overlay.image.crop((0, 0, *overlay.photo)), cell_side(self.look.tile))
        by_reason = {flag["reason"]: flag for flag in flags}
        return _Drawn(f"{folder.name}/{name}", image_id, thumb, caption, row, by_reason)

    def _mask(self, image_id: str) -> NDArray[np.generic] | None:
        """The object's mask; a photo whose mask cannot be had is drawn without."""
        try:
            return self.mask_of(image_id)
        except ImageProblem as exc:
            log.warning("no mask drawn for %s: %s", image_id, exc)
            return None


def build_gallery(
    paths: RunPaths,
    folder: Path,
    *,
    facts: RunFacts,
    settings: ReportSettings,
    mask_of: MaskOf,
) -> list[ClassGallery]:
    """The galleries drawn into ``folder``, classes in the model's order."""
    kinds = kinds_of_run(paths)
    picks = pick(paths, kinds, per_reason=settings.per_reason, seed=settings.seed)
    look = Look(facts.preprocess, facts.border, settings.tile)
    studio = _Studio(facts, look, mask_of, several_methods=len(kinds) > 1)
    place = {name: i for i, name in enumerate(facts.classes.values())}
    order = sorted(picks, key=lambda name: (place.get(name, len(place)), name))
    galleries = []
    for names in _batches(order, picks):
        keys = {key for name in names for keys in picks[name].values() for key in keys}
        material = gather(paths, keys, kinds, root=facts.dataset_root)
        galleries += [_class_gallery(name, picks[name], material, studio, folder) for name in names]
    return galleries


def class_folder(class_name: str) -> str:
    """The name of a class's folder: readable, safe, and no other class's."""
    return f"{safe_name(class_name)[:60]}-{_digest(class_name)}"


def _class_gallery(
    name: str,
    reasons: Mapping[str, list[Key]],
    material: Material,
    studio: _Studio,
    folder: Path,
) -> ClassGallery:
    """One class: every picture drawn once, then laid out by reason."""
    home = folder / class_folder(name)
    singles = home / "images"
    singles.mkdir(parents=True)
    keys = dict.fromkeys(key for keys in reasons.values() for key in keys)
    drawn = {key: studio.draw(key, material, singles) for key in keys if key in material.scores}
    sheets = [
        _sheet(reason, pictures, home, cell_side(studio.look.tile))
        for reason in (*REASONS, UNFLAGGED)
        if (pictures := [drawn[key] for key in reasons.get(reason, ()) if key in drawn])
    ]
    return ClassGallery(name, home.name, tuple(sheets))


def _sheet(reason: str, pictures: list[_Drawn], home: Path, side: int) -> SheetFile:
    """The contact sheet of one reason, saved as ``<reason>.jpg``."""
    told = [measure(reason, picture.flags.get(reason), picture.row) for picture in pictures]
    cells = [Thumbnail(p.thumb, p.caption, words) for p, words in zip(pictures, told, strict=True)]
    image, places = contact_sheet(cells, side)
    file = f"{reason}.jpg"
    image.save(home / file, quality=_QUALITY)
    shown = tuple(
        Shown(p.href, cell, f"{p.image_id}: {p.caption.headline}; {words}")
        for p, cell, words in zip(pictures, places, told, strict=True)
    )
    return SheetFile(reason, file, image.width, image.height, shown)


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


def _file_name(image_id: str, method: str) -> str:
    """A file name for a picture: readable, safe, and no other picture's."""
    stem = safe_name(image_id.rsplit("/", 1)[-1].rsplit(".", 1)[0])[:60]
    return f"{stem}-{_digest(image_id, method)}.jpg"


def _digest(*parts: str) -> str:
    """Ten hex digits that tell texts apart which a safe name does not."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=5).hexdigest()
