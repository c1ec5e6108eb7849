"""Scenarios of another trunk, of photos of several sizes and shapes, and without masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.bench.planted.scenario import CONTROL, CONVNEXT, Scenario
from tests.bench.planted.scenarios import DRAWN, PLANTS, REAL

if TYPE_CHECKING:
    from tests.bench.planted.plants import Plant

_PLANTS = dict(PLANTS)
# From scratch, half a minute on one core.
_EPOCHS = 15


def _made(name: str, source: str, seed: int, plant: str | None, **more: Any) -> Scenario:
    sets = REAL if source == "flowers17" else DRAWN
    plants: tuple[Plant, ...] = (_PLANTS[plant],) if plant else ()
    kind = {} if plant else {"kind": CONTROL}
    return Scenario(name, source, sets[seed % len(sets)], seed, plants, **kind, **more)


def trunks() -> list[Scenario]:
    """Rendered twins for a small ConvNeXt, one with an artefact on a share; two controls."""
    worn = ("border_flat", "text_bottom_right", "sticker", "cast_warm")
    keys = {"epochs": _EPOCHS, "trunk": CONVNEXT}
    return [
        *(
            _made(f"{CONVNEXT}_{name}", "rendered", 900 + number, name, **keys)
            for number, name in enumerate(worn)
        ),
        _made(
            f"{CONVNEXT}_share_text_bottom_right_25", "rendered", 910, worn[1], share=0.25, **keys
        ),
        *(
            _made(f"{CONVNEXT}_control_{number:02d}", "rendered", 920 + number, None, **keys)
            for number in range(2)
        ),
    ]


def sizes() -> list[Scenario]:
    """Twins and controls of photos small and large, upright and lengthwise."""
    worn = (
        ("border_stripes", "flowers17"),
        ("background_sand", "flowers17"),
        ("text_top_left", "rendered"),
        ("sticker", "rendered"),
    )
    return [
        *(
            _made(f"sizes_{name}", source, 930 + number, name, sizes=True)
            for number, (name, source) in enumerate(worn)
        ),
        *(
            _made(f"sizes_control_{source}", source, 940 + number, None, sizes=True)
            for number, source in enumerate(("flowers17", "rendered"))
        ),
    ]


def maskless() -> list[Scenario]:
    """Twins and controls of which the audit has no masks."""
    return [
        *(
            # Of other classes a corner text was not learned: without an effect nothing is asked.
            _made(f"maskless_{name}", "flowers17", seed, name, masks=False)
            for name, seed in (("border_flat", 950), ("text_bottom_right", 952))
        ),
        *(
            _made(f"maskless_control_{source}", source, 960 + number, None, masks=False)
            for number, source in enumerate(("flowers17", "rendered"))
        ),
    ]


def varied() -> list[Scenario]:
    """All of them."""
    return [*trunks(), *sizes(), *maskless()]
