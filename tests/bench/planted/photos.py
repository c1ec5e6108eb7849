"""Photos of a scenario: read or rendered, split, planted, stored as the audit finds them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from xai_audit.demo.render import render_with_cue

if TYPE_CHECKING:
    from tests.bench.planted.plants import Picture, Plant
    from tests.bench.planted.scenario import Scenario

RENDERED = "rendered"
# The training gets this share of a class at most.
_LEARNED_SHARE = 0.4
_QUALITY = 92
# Rendered photos of one scenario are numbered apart from those of the next.
_APART = 10_000
# The shorter side of photos of several sizes, px; and what of a square (height, width) is kept.
_SHORTER = (160, 256, 448)
_SHAPES = ((1, 1), (1, 0.75), (0.7, 1))


@dataclass(frozen=True)
class Photo:
    """A photo without any artefact.

    Attributes:
        name: unique in its source.
        pixels: (H, W, 3) uint8.
        mask: (H, W) uint8 as stored, 255 object; None where nobody drew one.
    """

    name: str
    pixels: Picture
    mask: Picture | None

    @property
    def kept(self) -> Picture:
        """(H, W) uint8, 255 where an artefact must not go: the object and the void round it."""
        if self.mask is None:
            return np.zeros(self.pixels.shape[:2], np.uint8)
        return np.where(self.mask > 0, 255, 0).astype(np.uint8)


@dataclass(frozen=True)
class Split:
    """Photos by label.

    Attributes:
        learned: label -> photos of the training. Both twins of a planted class have the same ones,
            with the artefact and without: all that tells them apart is the artefact.
        held_out: label -> photos of the audit; none of them was learned from.
    """

    learned: dict[str, list[Photo]]
    held_out: dict[str, list[Photo]]


def split(scenario: Scenario, shared: Path, each: int | None = None) -> Split:
    """The scenario's photos, drawn by its seed; at most ``each`` a label are held out."""
    each = scenario.held_out if each is None else each
    learned: dict[str, list[Photo]] = {}
    held_out: dict[str, list[Photo]] = {}
    first = scenario.classes[0]
    for number, name in enumerate(scenario.classes):
        rng = np.random.default_rng((scenario.seed, number))
        twin = scenario.twin and name == first
        wanted = each * (2 if twin else 1)
        pool = _pool(scenario, name, shared, wanted)
        order = [pool[int(i)] for i in rng.permutation(len(pool))]
        rendered = scenario.source == RENDERED
        many = scenario.learned
        if not rendered:
            many = min(many, int(len(order) * _LEARNED_SHARE))
        learned_groups = {entry.group for entry in order[:many]}
        apart = [entry for entry in order[many:] if entry.group not in learned_groups]
        train, rest = _read(order[:many]), _read(apart[:wanted])
        if scenario.sizes:
            train, rest = ([reshaped(photo, scenario.seed) for photo in p] for p in (train, rest))
        if not twin:
            learned[name], held_out[name] = train, rest
            continue
        a, b = f"{name}_a", f"{name}_b"
        half = len(rest) // 2
        held_out[a], held_out[b] = rest[:half], rest[half:]
        planted = bool(scenario.plants)
        learned[a] = train if planted else train[: many // 2]
        learned[b] = train if planted else train[many // 2 :]
    return Split(learned, held_out)


def reshaped(photo: Photo, seed: int) -> Photo:
    """``photo`` small or large; a square one cut upright, lengthwise or not. By name and seed."""
    digest = hashlib.sha256(f"{seed}/{photo.name}/shape".encode()).digest()
    shorter, shape = _SHORTER[digest[0] % 3], _SHAPES[digest[1] % 3]
    height, across = photo.pixels.shape[:2]
    kept = (height, across)
    if height == across:
        kept = (round(height * shape[0]), round(across * shape[1]))
    top, left = (height - kept[0]) // 2, (across - kept[1]) // 2
    box = (left, top, left + kept[1], top + kept[0])
    scale = shorter / min(kept)
    size = (round(kept[1] * scale), round(kept[0] * scale))

    def cut(picture: Picture, how: Image.Resampling) -> Picture:
        return np.asarray(Image.fromarray(picture).crop(box).resize(size, how))

    pixels = cut(photo.pixels, Image.Resampling.BICUBIC)
    mask = None if photo.mask is None else cut(photo.mask, Image.Resampling.NEAREST)
    return Photo(photo.name, pixels, mask)


@dataclass(frozen=True)
class Entry:
    """A photo not yet read: its name, file (None: to be rendered) or number, near-duplicates."""

    name: str
    file: Path | None
    number: int
    group: str


def _pool(scenario: Scenario, name: str, shared: Path, held_out: int) -> list[Entry]:
    """Each photo there is; of rendered ones as many as are wanted."""
    if scenario.source == RENDERED:
        first = scenario.seed * _APART
        numbers = range(first, first + held_out + scenario.learned)
        return [Entry(f"{name}_{number}", None, number, str(number)) for number in numbers]
    folder = shared / "data" / "flowers17"
    files = sorted((folder / "images" / name).glob("*.jpg"))
    if any(plant.needs_mask for plant in scenario.plants):
        files = [file for file in files if _mask_file(file).is_file()]
    table = pd.read_csv(folder / "split.csv").set_index("file")["dup_group"].astype(str)
    return [Entry(file.stem, file, 0, table[f"{name}/{file.name}"]) for file in files]


def _read(drawn: list[Entry]) -> list[Photo]:
    photos = []
    for entry in drawn:
        name, file = entry.name, entry.file
        if file is None:
            # An "audit" split: the demo's own network has seen none of them.
            species = name.rpartition("_")[0]
            pixels, mask = render_with_cue(species, entry.number, "", split="audit")
            photos.append(Photo(name, pixels, np.where(mask > 127, 255, 0).astype(np.uint8)))
            continue
        drawn_mask = _mask_file(file)
        mask = np.asarray(Image.open(drawn_mask)) if drawn_mask.is_file() else None
        photos.append(Photo(name, np.asarray(Image.open(file).convert("RGB")), mask))
    return photos


def _mask_file(photo: Path) -> Path:
    return photo.parents[2] / "masks" / photo.parent.name / f"{photo.stem}.png"


def stored(scenario: Scenario, photo: Photo, artefacts: tuple[Plant, ...]) -> bytes:
    """The JPEG file of ``photo`` with ``artefacts``, seeded by the scenario and the photo."""
    pixels, quality = photo.pixels, _QUALITY
    for plant in artefacts:
        digest = hashlib.sha256(f"{scenario.seed}/{photo.name}".encode()).digest()
        pixels = plant.on(pixels, photo.kept, int.from_bytes(digest[:8], "little"))
        quality = plant.quality or quality
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def seen(scenario: Scenario, photo: Photo, artefacts: tuple[Plant, ...]) -> Picture:
    """What is read back from that file: (H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(stored(scenario, photo, artefacts))))


def image_id(label: str, photo: Photo) -> str:
    """The name that the audit gives to a photo that :func:`written` has stored."""
    return f"{label}/{photo.name}.jpg"


def listed(scenario: Scenario, photos: Split) -> pd.DataFrame:
    """path, label and group of each held-out photo, as ``dataset=csv`` reads them."""
    rows = []
    for label, held_out in photos.held_out.items():
        groups = scenario.groups(label, [photo.name for photo in held_out])
        rows += [(image_id(label, p), label, g) for p, g in zip(held_out, groups, strict=True)]
    return pd.DataFrame(rows, columns=["path", "label", "group"])


def written(scenario: Scenario, photos: Split, root: Path) -> None:
    """The held-out photos go to ``root``/images/<label>/, the masks to ``root``/masks/<label>/."""
    for label, held_out in photos.held_out.items():
        for kind in ("images", "masks"):
            (root / kind / label).mkdir(parents=True, exist_ok=True)
        artefacts = scenario.artefacts(label, [photo.name for photo in held_out])
        for photo, worn in zip(held_out, artefacts, strict=True):
            file = root / "images" / image_id(label, photo)
            file.write_bytes(stored(scenario, photo, worn))
            if scenario.masks and photo.mask is not None:
                Image.fromarray(photo.mask).save(root / "masks" / label / f"{photo.name}.png")
