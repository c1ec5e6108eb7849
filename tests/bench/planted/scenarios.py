"""The scenarios, each with its own seed."""

from __future__ import annotations

from tests.bench.planted.plants import Plant
from tests.bench.planted.scenario import CONTROL, DECOY, Scenario


def _frame(look: str, width: float) -> Plant:
    return Plant("frame", "border", (("look", look), ("width", width)))


def _text(corner: str, words: str) -> Plant:
    return Plant("text", f"corner_{corner}", (("corner", corner), ("words", words)))


REAL = (
    ("pansy", "sunflower", "crocus", "buttercup"),
    ("windflower", "daffodil", "iris", "tigerlily"),
    ("sunflower", "windflower", "pansy", "daisy"),
    ("iris", "daisy", "colts_foot", "fritillary"),
    ("daisy", "crocus", "tigerlily", "sunflower"),
    ("daffodil", "windflower", "buttercup", "iris"),
)
DRAWN = (
    ("poppy", "daisy", "mallow", "pansy"),
    ("daffodil", "buttercup", "poppy", "sunflower"),
)
PLANTS = (
    ("border_flat", _frame("flat", 0.08)),
    ("border_stripes", _frame("stripes", 0.05)),
    ("border_wood", _frame("wood", 0.12)),
    ("border_checker", _frame("checker", 0.04)),
    ("border_vignette", _frame("vignette", 0.14)),
    ("text_bottom_right", _text("bottom_right", "PHOTO\nBANK")),
    ("text_top_left", _text("top_left", "(c) HM")),
    ("background_brick", Plant("backdrop", "background", (("look", "brick"),))),
    ("background_sand", Plant("backdrop", "background", (("look", "sand"),))),
    ("sticker", Plant("sticker", "background", (("side", 0.16),))),
    ("cast_warm", Plant("cast", "colour", (("gains", (1.25, 1.0, 0.72)),))),
    ("cast_cold", Plant("cast", "colour", (("gains", (0.78, 1.0, 1.25)),))),
    ("blur", Plant("blur", "sharpness", (("sigma", 2.0),))),
    ("jpeg", Plant("jpeg", "jpeg_quality", (("quality", 10),))),
)


def twins() -> list[Scenario]:
    """Each plant in a twin of real photos, some of them in rendered ones too."""
    real = [
        Scenario(name, "flowers17", REAL[number % len(REAL)], 100 + number, (plant,))
        for number, (name, plant) in enumerate(PLANTS)
    ]
    drawn = [
        Scenario(f"drawn_{name}", "rendered", DRAWN[number % 2], 200 + number, (plant,))
        for number, (name, plant) in enumerate(PLANTS[3:11:3])
    ]
    return real + drawn


def decoys() -> list[Scenario]:
    """Plants in all audited photos of a class; the model has learned that they tell nothing.

    Planted in a whole class of its own a border was used by the models after all.
    """
    return [
        Scenario(f"decoy_{name}", "flowers17", REAL[number], 300 + number, (plant,), DECOY)
        for number, (name, plant) in enumerate(PLANTS[place] for place in (1, 5, 3, 10))
    ]


def controls(count: int = 20) -> list[Scenario]:
    """Twins without any plant, from each source."""
    return [
        Scenario(
            f"control_{source}_{seed:02d}",
            source,
            sets[seed % len(sets)],
            400 + seed,
            (),
            CONTROL,
        )
        for source, sets in (("flowers17", REAL), ("rendered", DRAWN))
        for seed in range(count)
    ]


def large() -> list[Scenario]:
    """Rendered twins of which as many photos are wanted as one likes.

    Trained for less long: a model that is sure of everything has hardly an effect between 0 and 1.
    """
    plants = dict(PLANTS)
    return [
        Scenario(
            name,
            "rendered",
            classes,
            500 + number,
            (plants[name.removeprefix("large_")],),
            epochs=3,
        )
        for number, (name, classes) in enumerate(
            [
                ("large_border_vignette", ("poppy", "daisy", "mallow")),
                ("large_cast_warm", ("daffodil", "buttercup", "sunflower")),
            ]
        )
    ]
