"""A photo of a class in which a cue stands out and everything else is dimmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.dataset as ds
from PIL import Image, ImageEnhance

from xai_audit.report.material import photos
from xai_audit.report.overlay import Look, open_photo, outline_mask
from xai_audit.report.picture import Cells, Spotlight, photo_picture
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import of_kinds
from xai_audit.schema import BANDS, DISCOVERED, REGIONS
from xai_audit.vision.geometry import CORNERS, at_end, view, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.report.answers import Finding
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import Picture, ReportSettings
    from xai_audit.run.reader import Run
    from xai_audit.vision.opening import Opener

# Share of brightness and colour that what is not the cue keeps.
_DIM = 0.35
_MOST_CARRIERS = 6
_CARRIER = ("class_name", "cue", "image_id")


def spotlights(
    run: Run,
    findings: Sequence[Finding],
    kinds: dict[str, str],
    *,
    facts: RunFacts,
    settings: ReportSettings,
    folder: str,
) -> dict[tuple[str, str], list[Picture]]:
    """(class, cue) -> its pictures, not drawn yet; none for a class without a fitting photo.

    They are of the photos that carry the cue, the largest effect first, where these are known,
    else of one photo.

    Args:
        run: with its tables.
        findings: that are shown.
        kinds: method -> target kind; the photos are chosen by the first one's scores.
        facts: of the run.
        settings: of the report.
        folder: of the pictures, relative to the report's.
    """
    if not findings or not kinds:  # an empty filter has no type that Arrow could compare
        return {}
    chosen = _chosen(run, findings, dict(list(kinds.items())[:1]))
    shown = {cell: [image_id] for cell, image_id in chosen.items()} | _carriers(run, findings)
    wanted = {image_id for ids in shown.values() for image_id in ids}
    files = photos(run, wanted, facts.dataset_root)
    regions = discovered_regions(run, findings)
    look = Look(facts.preprocess, None, settings.tile)
    found: dict[tuple[str, str], list[Picture]] = {}
    for (name, cue), ids in shown.items():
        share = facts.border if cue == "border" else facts.corner
        for number, image_id in enumerate(ids):
            motif = Spotlight(
                files[image_id],
                look,
                cue,
                share=(share or None) if cue in BANDS else None,
                cells=regions.get((name, cue)),
                masks=settings.masks if cue == "background" else None,
            )
            title = f"{name} {cue}" + (f" {number + 1}" if number else "")
            found.setdefault((name, cue), []).append(photo_picture(folder, motif, title))
    return found


def _carriers(run: Run, findings: Sequence[Finding]) -> dict[tuple[str, str], list[str]]:
    """(class, cue) -> the photos that carry it, the largest effect first, as many as are shown."""
    cells = {(f.class_name, f.cue) for f in findings if f.row.get("n_carriers")}
    if not cells or not run.has("carriers"):
        return {}
    rows = run.carriers.sort_values(["effect", "image_id"], ascending=[False, True])
    found: dict[tuple[str, str], list[str]] = {}
    for name, cue, image_id in zip(*(rows[c] for c in _CARRIER), strict=True):
        mine = found.setdefault((name, cue), [])
        if (name, cue) in cells and len(mine) < _MOST_CARRIERS:
            mine.append(image_id)
    return {cell: ids for cell, ids in found.items() if ids}


def _chosen(
    run: Run, findings: Sequence[Finding], kinds: dict[str, str]
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
    for frame in run.scan("scores", columns, where):
        frame["right"] = frame["label"].eq(frame["pred"])
        for name, rows in frame.groupby("class_name"):
            for cue in by_class[str(name)]:
                column = f"mass_{cue}" if cue in REGIONS else "confidence"
                ranked = rows.dropna(subset=[column])
                ranked = ranked.sort_values(["right", column, "image_id"]).tail(1)
                for row in zip(*(ranked[c] for c in ("right", column, "image_id")), strict=True):
                    best[str(name), cue] = max(row, best.get((str(name), cue), row))
    return {cell: image_id for cell, (_, _, image_id) in best.items()}


def discovered_regions(run: Run, findings: Sequence[Finding]) -> dict[tuple[str, str], Cells]:
    """(class, cue) -> the discovered region that the cue is."""
    wanted = {(f.class_name, f.cue) for f in findings if f.cue.startswith(DISCOVERED)}
    if not wanted or not run.has("clusters"):
        return {}
    return {
        cell: Cells.of(row["region"], row["height"], row["width"])
        for row in rows_of(run.clusters)
        if (cell := (row["class_name"], row["cue"])) in wanted
    }


def lit(
    motif: Spotlight, mask: NDArray[np.generic] | None, opener: Opener | None = None
) -> Image.Image | None:
    """The photo with the cue's region as it is and outlined, all else dimmed.

    None where the photo cannot be read; the whole photo as it is where the cue has no region.

    Args:
        motif: what is drawn.
        mask: the object (H, W) in the photo, or None; used where the region is all but the object.
        opener: the dataset's, which reads its photos; None for local files.
    """
    path, tile, (size, _) = motif.photo.path, motif.look.tile, motif.photo.stamp
    found = None if path is None else open_photo(path, tile, opener, size=size)
    if found is None:
        return None
    photo, stored = found
    region = _region(motif, (photo.height, photo.width), stored, mask)
    if region is None:
        return photo
    muted = ImageEnhance.Brightness(ImageEnhance.Color(photo).enhance(_DIM)).enhance(_DIM)
    drawn = np.where(region[..., None], np.asarray(photo), np.asarray(muted))
    outline_mask(drawn, region)
    return Image.fromarray(drawn)


def _region(
    motif: Spotlight,
    shape: tuple[int, int],
    stored: tuple[int, int],
    mask: NDArray[np.generic] | None,
) -> NDArray[np.bool_] | None:
    """The cue's region (h, w) in the photo as drawn, None for a property or an unknown object."""
    if motif.cells is not None:
        return _cells(motif.cells.array > 0, shape, stored, motif.look)
    if motif.masks is not None:
        return None if mask is None else _off_object(shape, mask)
    return None if motif.share is None else _band(motif.cue, shape, motif.share)


def _band(cue: str, shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """The border band or a corner square (h, w), ``share`` of the shorter side wide."""
    height, width = shape
    side = max(1, round(share * min(shape)))
    region = np.zeros(shape, dtype=bool)
    if cue == "border":
        region[:] = True
        region[slice(*within(height, side)), slice(*within(width, side))] = False
        return region
    down, across = CORNERS[cue.removeprefix("corner_")]
    region[slice(*at_end(height, side, far=down)), slice(*at_end(width, side, far=across))] = True
    return region


def _off_object(shape: tuple[int, int], mask: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The pixels (h, w) of the photo as drawn that are not object."""
    # For 0/1, bool and 0..255 coverage.
    coverage = np.asarray(mask, np.uint8)
    whole = Image.fromarray((coverage > coverage.max(initial=0) / 2).astype(np.uint8) * 255)
    small = whole.resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(small) <= 127


def _cells(
    cells: NDArray[np.bool_], shape: tuple[int, int], stored: tuple[int, int], look: Look
) -> NDArray[np.bool_]:
    """A region on the heatmap's grid, (h, w) in the photo as drawn."""
    grid, geometry = cells.shape, view(stored, look.preprocess)
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
