"""How little flips a decision, and where: the adversarial table as the page shows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.report.caption import Caption
from xai_audit.report.material import photo_files
from xai_audit.report.overlay import Look, draw
from xai_audit.run.cue_words import REGION_WORDS
from xai_audit.run.score_rows import collect
from xai_audit.schema import ADVERSARIAL, ATTACKS, OK, REGIONS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from xai_audit.report.facts import RunFacts
    from xai_audit.run.paths import RunPaths

# The attack whose size is told, and the one whose energy is: a sign puts its own everywhere alike.
_SIZE, _ENERGY = "pgd", "pgd_l2"
_WORDS = {"fgsm": "FGSM, one step", "pgd": "PGD", "pgd_l2": "PGD in L2"}
# Statuses of decisions that were attacked with all budgets, and of those that could not be.
_TRIED, _BLIND = (OK, "not_flipped"), "no_gradient"
# Photos shown, smallest changes first.
_SHOWN, _QUALITY = 8, 88
_FOLDER = "adversarial"
_MOST_CLASSES = 20


def adversarial(
    paths: RunPaths, facts: RunFacts, *, folder: Path, tile: int
) -> dict[str, Any] | None:
    """What the section tells, None where nothing was attacked; pictures are drawn into ``folder``.

    ``tried`` and ``flipped`` decisions, ``blind`` ones that have no gradient to be attacked by, the
    ``median`` size over all tried (None where most are not flipped), ``most`` (the largest budget),
    a row an attack, a row a class decided for (the most off the object first) and the pictures;
    sizes are grey levels of 255.

    Args:
        paths: of the run.
        facts: of the run.
        folder: the gallery's, as it is being made.
        tile: shorter side of a picture, px.

    Raises:
        OutputError: ``paths.adversarial`` cannot be read.
    """
    if not paths.adversarial.exists() or not facts.is_finished("adversarial"):
        return None
    frame = collect([paths.adversarial], ADVERSARIAL, ADVERSARIAL.names)
    blind = int(((frame["status"] == _BLIND) & (frame["attack"] == _SIZE)).sum())
    frame = frame[frame["status"].isin(_TRIED)]
    if frame.empty and not blind:
        return None
    rows = {attack: _row(attack, frame[frame["attack"] == attack]) for attack in ATTACKS}
    size, energy = rows[_SIZE], rows[_ENERGY]
    flipped = frame[(frame["attack"] == _ENERGY) & (frame["status"] == OK)]
    where = {r: told["energy"] for r, told in energy["regions"].items() if told is not None}
    return {
        **{key: size[key] for key in ("tried", "flipped", "median")},
        "blind": blind,
        "most": (facts.told.get("adversarial") or {}).get("max_epsilon"),
        "rows": list(rows.values()),
        "where": {REGION_WORDS[r]: share for r, share in where.items() if "corner" not in r},
        "regions": {r: REGION_WORDS[r] for r in where},
        "classes": _classes(flipped, facts)[:_MOST_CLASSES],
        "pictures": _pictures(paths, facts, flipped, folder=folder, tile=tile),
    }


def _row(attack: str, frame: pd.DataFrame) -> dict[str, Any]:
    """One attack: how often and with how little it flips, and mean energy and lift by region."""
    flipped = frame[frame["status"] == OK]
    size = "rms" if attack == _ENERGY else "epsilon"
    sizes = frame[size].fillna(math.inf).to_numpy()
    median = float(np.median(sizes)) if len(sizes) else math.inf
    return {
        "words": _WORDS[attack],
        "tried": len(frame),
        "flipped": len(flipped),
        "median": median if math.isfinite(median) else None,
        "regions": {region: _region(flipped, region) for region in REGIONS},
    }


def _classes(flipped: pd.DataFrame, facts: RunFacts) -> list[dict[str, Any]]:
    """A row a class that was decided for, the largest lift off the object first."""
    rows: list[dict[str, Any]] = [
        {
            "words": facts.class_of(pred),
            "flipped": len(photos),
            "median": float(photos["rms"].median()),
            "regions": {region: _region(photos, region) for region in REGIONS},
        }
        for pred, photos in flipped.groupby("pred")
    ]

    def off_object(row: dict[str, Any]) -> float:
        told = (row["regions"][region] for region in REGIONS[1:])
        return max((region["lift"] for region in told if region is not None), default=0.0)

    return sorted(rows, key=off_object, reverse=True)


def _region(flipped: pd.DataFrame, region: str) -> dict[str, float] | None:
    """Mean energy, and lift: mean energy over mean area, of the photos where both are known."""
    both = flipped[[f"energy_{region}", f"area_{region}"]].dropna().astype("float64").mean()
    energy, area = (float(value) for value in both)
    return {"energy": energy, "lift": energy / area} if energy == energy and area > 0 else None


def _pictures(
    paths: RunPaths, facts: RunFacts, flipped: pd.DataFrame, *, folder: Path, tile: int
) -> list[dict[str, Any]]:
    """The photos that flip by the least, each under the size of its change."""
    shown = flipped.sort_values(["rms", "image_id"]).head(_SHOWN)
    if shown.empty:
        return []
    wanted = ds.field("image_id").isin(pa.array(shown["image_id"], pa.string()))
    files = photo_files(paths, wanted, facts.dataset_root)
    look = Look(facts.preprocess, facts.border, tile)
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    pictures = []
    for place, row in enumerate(shown.to_dict("records")):
        shape = int(row["change_height"]), int(row["change_width"])
        # The root of the energy: its peaks alone would hide the rest.
        strength = np.sqrt(np.asarray(row["change_map"], np.float32).reshape(shape))
        decided, other = facts.class_of(row["pred"]), facts.class_of(row["flipped_to"])
        overlay = draw(
            files.get(row["image_id"]), strength, Caption(decided, other, None, None), look=look
        )
        file = folder / _FOLDER / f"{place:02d}.jpg"
        overlay.image.crop((0, 0, *overlay.photo)).save(file, quality=_QUALITY)
        pictures.append(
            {
                "file": f"{_FOLDER}/{file.name}",
                "width": overlay.photo[0],
                "height": overlay.photo[1],
                "image_id": row["image_id"],
                "words": f"{decided} → {other}",
                "size": float(row["rms"]),
            }
        )
    return pictures
