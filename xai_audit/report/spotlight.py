"""A photo of a class in which a cue stands out and everything else is dimmed."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.dataset as ds
from PIL import Image, ImageEnhance

from xai_audit.errors import ImageProblem
from xai_audit.report.answers import read_rows
from xai_audit.report.material import gather
from xai_audit.report.overlay import open_photo, outline_mask
from xai_audit.run.paths import RunPaths, safe_name
from xai_audit.run.scan import scan
from xai_audit.run.score_rows import kinds_of_run, of_kinds
from xai_audit.schema import BANDS, CLUSTERS, DISCOVERED, REGIONS, SCORES
from xai_audit.vision.geometry import view

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from xai_audit.report.answers import Finding
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.gallery import MaskOf

log = logging.getLogger(__name__)

# Share of brightness and colour that what is not the cue keeps.
_DIM = 0.35
_QUALITY = 88


@dataclass(frozen=True)
class Spotlight:
    """A picture on disk.

    Attributes:
        file: its name in the folder of plots.
        width: px.
        height: px.
        image_id: the photo shown.
        outlined: whether the cue is a region that the picture sets off.
    """

    file: str
    width: int
    height: int
    image_id: str
    outlined: bool


def spotlights(
    paths: RunPaths,
    findings: Sequence[Finding],
    folder: Path,
    *,
    facts: RunFacts,
    tile: int,
    mask_of: MaskOf,
) -> dict[tuple[str, str], Spotlight]:
    """(class, cue) -> its picture, drawn into ``folder``; none where no photo can be read."""
    if not findings:  # an empty filter has no type that Arrow could compare
        return {}
    kinds = dict(list(kinds_of_run(paths).items())[:1])
    chosen = _chosen(paths, findings, kinds)
    keys = {(image_id, method) for image_id in chosen.values() for method in kinds}
    files = gather(paths, keys, kinds, root=facts.dataset_root).files if keys else {}
    clusters = _clusters(paths, findings)
    drawn = {}
    for cell, image_id in chosen.items():
        opened = open_photo(files[image_id], tile) if image_id in files else None
        if opened is None:
            continue
        photo, stored = opened
        shape = photo.height, photo.width
        region = (
            _cells(clusters[cell], shape, stored, facts)
            if cell in clusters
            else _region(cell[1], shape, facts, mask_of, image_id)
        )
        image = photo if region is None else _lit(photo, region)
        file = f"{safe_name(' '.join(cell))[:60]}-{_digest(*cell)}.jpg"
        image.save(folder / file, quality=_QUALITY)
        drawn[cell] = Spotlight(file, *image.size, image_id, outlined=region is not None)
    return drawn


def _chosen(
    paths: RunPaths, findings: Sequence[Finding], kinds: dict[str, str]
) -> dict[tuple[str, str], str]:
    """(class, cue) -> the photo that shows it best.

    That is a rightly predicted one with the most relevance in the cue's region or, where the cue
    has none, the most confidence.
    """
    best: dict[tuple[str, str], tuple[bool, float, str]] = {}
    by_class: dict[str, list[str]] = {}
    for finding in findings:
        by_class.setdefault(finding.class_name, []).append(finding.cue)
    where = of_kinds(kinds) & ds.field("class_name").isin(sorted(by_class))
    columns = ["image_id", "class_name", "label", "pred", "confidence"]
    columns += [f"mass_{region}" for region in REGIONS]
    for frame in scan(RunPaths.parts(paths.scores), SCORES, columns, where):
        frame["right"] = frame["label"].eq(frame["pred"])
        for name, rows in frame.groupby("class_name"):
            for cue in by_class[str(name)]:
                column = f"mass_{cue}" if cue in REGIONS else "confidence"
                ranked = rows.dropna(subset=[column])
                ranked = ranked.sort_values(["right", column, "image_id"]).tail(1)
                for row in zip(*(ranked[c] for c in ("right", column, "image_id")), strict=True):
                    best[str(name), cue] = max(row, best.get((str(name), cue), row))
    return {cell: image_id for cell, (_, _, image_id) in best.items()}


def _clusters(
    paths: RunPaths, findings: Sequence[Finding]
) -> dict[tuple[str, str], dict[str, Any]]:
    """(class, cue) -> the row of the discovered region that the cue is."""
    wanted = {(f.class_name, f.cue) for f in findings if f.cue.startswith(DISCOVERED)}
    if not wanted:
        return {}
    rows = read_rows(paths.clusters, CLUSTERS)
    return {cell: row for row in rows if (cell := (row["class_name"], row["cue"])) in wanted}


def _region(
    cue: str, shape: tuple[int, int], facts: RunFacts, mask_of: MaskOf, image_id: str
) -> NDArray[np.bool_] | None:
    """The cue's region (h, w) in the photo as drawn, None for a property or an unknown object."""
    if cue == "background":
        return _off_object(shape, mask_of, image_id)
    share = facts.border if cue == "border" else facts.corner
    if cue not in BANDS or not share:
        return None
    height, width = shape
    side = max(1, round(share * min(shape)))
    region = np.zeros(shape, dtype=bool)
    if cue == "border":
        region[:] = True
        region[side : height - side, side : width - side] = False
        return region
    rows = slice(0, side) if "_top_" in cue else slice(height - side, height)
    columns = slice(0, side) if cue.endswith("_left") else slice(width - side, width)
    region[rows, columns] = True
    return region


def _off_object(shape: tuple[int, int], mask_of: MaskOf, image_id: str) -> NDArray[np.bool_] | None:
    """Where the object is not, (h, w) in the photo as drawn."""
    try:
        mask = mask_of(image_id)
    except ImageProblem as exc:
        log.warning("no mask drawn for %s: %s", image_id, exc)
        return None
    if mask is None:
        return None
    # 0/1, bool and 0..255 coverage alike.
    coverage = np.asarray(mask, np.uint8)
    whole = Image.fromarray((coverage > coverage.max(initial=0) / 2).astype(np.uint8) * 255)
    small = whole.resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(small) <= 127


def _cells(
    cluster: Mapping[str, Any], shape: tuple[int, int], stored: tuple[int, int], facts: RunFacts
) -> NDArray[np.bool_]:
    """A discovered region, told on the heatmap's grid, (h, w) in the photo as drawn."""
    grid = int(cluster["height"]), int(cluster["width"])
    cells = np.asarray(cluster["region"], dtype=bool).reshape(grid)
    geometry = view(stored, facts.preprocess)
    places, inside = [], []
    for axis in (0, 1):
        # Centres of the drawn pixels in px of the photo, then of the view, then of the grid.
        centres = (np.arange(shape[axis]) + 0.5) * stored[axis] / shape[axis]
        at = np.array([geometry.to_view(c, c)[axis] for c in centres])
        cell = np.floor(at * grid[axis] / geometry.crop[axis]).astype(int)
        inside.append((cell >= 0) & (cell < grid[axis]))
        places.append(cell.clip(0, grid[axis] - 1))
    region: NDArray[np.bool_] = cells[np.ix_(*places)] & np.outer(*inside)
    return region


def _lit(photo: Image.Image, region: NDArray[np.bool_]) -> Image.Image:
    """The photo with ``region`` (h, w) as it is and outlined, all else dimmed."""
    muted = ImageEnhance.Brightness(ImageEnhance.Color(photo).enhance(_DIM)).enhance(_DIM)
    drawn = np.where(region[..., None], np.asarray(photo), np.asarray(muted))
    outline_mask(drawn, region)
    return Image.fromarray(drawn)


def _digest(*parts: str) -> str:
    """Ten hex digits that tell texts apart which a safe name does not."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=5).hexdigest()
