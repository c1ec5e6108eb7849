"""The section on adversarial changes: how small they are and where they lie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.language import mark, said
from xai_audit.report.material import photos
from xai_audit.report.overlay import Look
from xai_audit.report.picture import Cells, Overlay, photo_picture
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import ATTACKS, OK, REGIONS

if TYPE_CHECKING:
    import pandas as pd

    from xai_audit.report.facts import RunFacts
    from xai_audit.run.reader import Run

# The attack of which sizes are shown, and the one of which energy is: that of a sign is even.
_SIZE, _ENERGY = "pgd", "pgd_l2"
_WORDS = {"fgsm": mark("FGSM, one step"), "pgd": mark("PGD"), "pgd_l2": mark("PGD in L2")}
# Statuses of decisions that were attacked with all budgets, and of those that could not be.
_TRIED, _BLIND = (OK, "not_flipped"), "no_gradient"
# Photos shown, smallest changes first.
_SHOWN = 8
_FOLDER = "adversarial"
_MOST_CLASSES = 20


def adversarial(run: Run, facts: RunFacts, *, folder: str, tile: int) -> dict[str, Any] | None:
    """The section, None where nothing was attacked.

    ``tried`` and ``flipped`` decisions, ``blind`` ones that have no gradient to be attacked by, the
    ``median`` size over all tried (None where most are not flipped), ``most`` (the largest budget),
    a row an attack, a row a class decided for (the most off the object first) and the pictures;
    sizes are grey levels of 255.

    Args:
        run: with its tables.
        facts: of the run.
        folder: of the galleries, relative to the report's.
        tile: shorter side of a picture, px.

    Raises:
        OutputError: the table is broken.
    """
    if not run.has("adversarial"):
        return None
    frame = run.adversarial
    blind = int(((frame["status"] == _BLIND) & (frame["attack"] == _SIZE)).sum())
    frame = frame[frame["status"].isin(_TRIED)]
    if frame.empty and not blind:
        return None
    rows = {attack: _row(attack, frame[frame["attack"] == attack]) for attack in ATTACKS}
    size, energy = rows[_SIZE], rows[_ENERGY]
    flipped = frame[(frame["attack"] == _ENERGY) & (frame["status"] == OK)]
    where = {r: region["energy"] for r, region in energy["regions"].items() if region is not None}
    return {
        **{key: size[key] for key in ("tried", "flipped", "median")},
        "blind": blind,
        "most": (run.record.get("adversarial") or {}).get("max_epsilon"),
        "rows": list(rows.values()),
        "where": {cue_words(r): share for r, share in where.items() if "corner" not in r},
        "regions": {r: cue_words(r) for r in where},
        "classes": _classes(flipped, facts)[:_MOST_CLASSES],
        "pictures": _pictures(run, facts, flipped, folder=folder, tile=tile),
    }


def _row(attack: str, frame: pd.DataFrame) -> dict[str, Any]:
    """One attack: flipped decisions, median size, and mean energy and lift by region."""
    flipped = frame[frame["status"] == OK]
    size = "rms" if attack == _ENERGY else "epsilon"
    sizes = frame[size].fillna(math.inf).to_numpy()
    median = float(np.median(sizes)) if len(sizes) else math.inf
    return {
        "words": said(_WORDS[attack]),
        "tried": len(frame),
        "flipped": len(flipped),
        "median": median if math.isfinite(median) else None,
        "regions": {region: _region(flipped, region) for region in REGIONS},
    }


def _classes(flipped: pd.DataFrame, facts: RunFacts) -> list[dict[str, Any]]:
    """One row per predicted class, the largest lift off the object first."""
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
        regions = (row["regions"][region] for region in REGIONS[1:])
        return max((region["lift"] for region in regions if region is not None), default=0.0)

    return sorted(rows, key=off_object, reverse=True)


def _region(flipped: pd.DataFrame, region: str) -> dict[str, float] | None:
    """Mean energy, and lift: mean energy over mean area, of the photos where both are known."""
    both = np.stack([flipped[f"{what}_{region}"] for what in ("energy", "area")]).astype(np.float64)
    known = np.isfinite(both).all(0)
    if not known.any():
        return None
    energy, area = both[:, known].mean(1).tolist()
    return {"energy": energy, "lift": energy / area} if area > 0 else None


def _pictures(
    run: Run, facts: RunFacts, flipped: pd.DataFrame, *, folder: str, tile: int
) -> list[dict[str, Any]]:
    """The photos flipped by the smallest changes, with the energy of the change drawn over them."""
    shown = flipped.sort_values(["rms", "image_id"]).head(_SHOWN)
    files = photos(run, shown["image_id"], facts.dataset_root)
    look = Look(facts.preprocess, facts.border, tile)
    pictures = []
    for row in shown.to_dict("records"):
        image_id = row["image_id"]
        # The root of the energy: its peaks alone would hide the rest.
        strength = np.sqrt(np.asarray(row["change_map"], np.float32))
        cells = Cells.of(strength, row["change_height"], row["change_width"])
        motif = Overlay(files[image_id], look, cells=cells)
        pictures.append(
            {
                "picture": photo_picture(f"{folder}/{_FOLDER}", motif),
                "image_id": image_id,
                "words": f"{facts.class_of(row['pred'])} → {facts.class_of(row['flipped_to'])}",
                "size": float(row["rms"]),
            }
        )
    return pictures
