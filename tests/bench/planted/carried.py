"""Scenarios whose artefact only some photos carry, pairs of artefacts, and rival backdrops."""

from __future__ import annotations

from tests.bench.planted.plants import Plant
from tests.bench.planted.scenario import OWN, Scenario
from tests.bench.planted.scenarios import DRAWN, PLANTS, REAL

SHARES = (0.05, 0.10, 0.25, 0.50)
_PLANTS = dict(PLANTS)
# Rare carriers are learned later than what every photo has.
_EPOCHS = 20
_WORN = ("border_stripes", "text_bottom_right", "background_sand", "cast_warm")


def _percent(share: float) -> str:
    return f"{round(100 * share):02d}"


def shares() -> list[Scenario]:
    """Twins of which a share of one label carries each artefact; of rendered photos at .10, .25."""
    real = [
        _share(f"share_{name}", "flowers17", REAL[number], 600 + 10 * number + place, name, share)
        for number, name in enumerate(_WORN)
        for place, share in enumerate(SHARES)
    ]
    drawn = [
        _share(f"share_drawn_{name}", "rendered", DRAWN[number], seed, name, share)
        for number, name in enumerate(_WORN[:2])
        for seed, share in ((650 + 10 * number, 0.10), (651 + 10 * number, 0.25))
    ]
    return real + drawn


def _share(
    name: str, source: str, classes: tuple[str, ...], seed: int, plant: str, share: float
) -> Scenario:
    return Scenario(
        f"{name}_{_percent(share)}",
        source,
        classes,
        seed,
        (_PLANTS[plant],),
        epochs=_EPOCHS,
        share=share,
    )


def owns() -> list[Scenario]:
    """Whole classes of which a share carries an artefact that other classes' photos fall for."""
    return [
        Scenario(
            f"own_{name}_{_percent(share)}",
            "flowers17",
            REAL[2 + number],
            700 + 10 * number + place,
            (_PLANTS[name],),
            OWN,
            epochs=_EPOCHS,
            share=share,
        )
        for number, name in enumerate(("text_bottom_right", "border_flat"))
        for place, share in enumerate((0.25, 0.10))
    ]


def groups() -> list[Scenario]:
    """A whole class of which one group, a hospital's photos, carries a corner text."""
    return [
        Scenario(
            "own_group_text_25",
            "flowers17",
            REAL[2],
            750,
            (_PLANTS["text_bottom_right"],),
            OWN,
            epochs=_EPOCHS,
            share=0.25,
            grouped=True,
        )
    ]


def pairs() -> list[Scenario]:
    """A frame and a corner text on each photo of a label; the model has learned each alone too."""
    frame = Plant("frame", "border", (("look", "flat"), ("width", 0.05)))
    return [
        Scenario(
            f"pair_{source}",
            source,
            classes,
            800 + number,
            (frame, _PLANTS["text_bottom_right"]),
        )
        for number, (source, classes) in enumerate([("flowers17", REAL[1]), ("rendered", DRAWN[0])])
    ]


def scenes() -> list[Scenario]:
    """Two labels of one species, cut out before bricks and before sand."""
    brick, sand = _PLANTS["background_brick"], _PLANTS["background_sand"]
    return [
        Scenario(f"scene_{source}", source, classes, 850 + number, (brick,), rival=sand)
        for number, (source, classes) in enumerate([("flowers17", REAL[5]), ("rendered", DRAWN[1])])
    ]


def carried() -> list[Scenario]:
    """All of them."""
    return [*shares(), *owns(), *groups(), *pairs(), *scenes()]
