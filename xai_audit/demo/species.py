"""The ten flowers of the demo: the numbers of each species, and the planted shortcut of each class.

Colours are sRGB hex codes from base to tip (petals) or middle to rim (discs). A planted class has a
similar partner among the honest ones: its own flower hardly distinguishes it, the plant does.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from xai_audit.demo import centre, petal
from xai_audit.demo.colour import hex_linear
from xai_audit.demo.flower import Ring, Species

Array = NDArray[np.float32]

BORDER, CORNER, BACKGROUND = "border", "corner_bottom_right", "background"


def _stops(*codes: str) -> Array:
    return np.stack([hex_linear(code) for code in codes])


def _ox_eye(*, count: tuple[int, int], half: float, disc: float) -> Species:
    """Return a white daisy with a yellow disc."""
    look = petal.Look(
        colours=_stops("dfe3cc", "f4f4f1", "f7f7f5"), rise=0.42, fall=0.24, foot=0.3, notch=0.035,
        bend=-0.14, cup=0.22, groove=0.16, grooves=3.0, crumple=0.07, veins=0.12, vein_count=3.0,
        vein_colour=hex_linear("b9bfae"), shadow=0.36,
    )  # fmt: skip
    under = dataclasses.replace(look, colours=_stops("c9cfb4", "e6e8e0", "eeeeea"))
    rings = (
        Ring(
            under, length=0.76, half=half, count=count, start=0.2, rise=2.0, stray=5.0, unequal=0.05
        ),
        Ring(
            look, length=0.72, half=half, count=count, start=0.2, rise=9.0, stray=5.0, unequal=0.05
        ),
    )
    yolk = centre.Disc(_stops("c9a21a", "e8b61c", "dd9a10"), radius=disc, dome=0.3, florets=300)
    return Species(rings, disc=yolk, tint=0.02, fill=0.72, reach=1.02)


def _crowfoot(*, half: float, gold: tuple[str, str, str], stamens: tuple[int, int]) -> Species:
    """Return a glossy yellow flower of five round petals."""
    look = petal.Look(
        colours=_stops(*gold), rise=0.62, fall=0.33, foot=0.16, frill=0.03, notch=0.02, bend=0.22,
        cup=0.3, groove=0.05, grooves=3.0, crumple=0.07, veins=0.22, vein_count=5.0, vein_fan=0.7,
        vein_colour=hex_linear("c98a04"), gloss=0.3, shadow=0.4,
    )  # fmt: skip
    tuft = centre.Tuft(
        hex_linear("e6c83a"), hex_linear("f0b81c"), count=stamens, reach=(0.08, 0.27), height=0.2,
        size=0.026, pistil=0.085, pistil_colour=hex_linear("a8b33a"),
    )  # fmt: skip
    ring = Ring(
        look, length=0.96, half=half, count=(5, 5), start=0.03, rise=14.0, stray=4.0, unequal=0.04
    )
    return Species((ring,), tuft=tuft, tint=0.04, fill=0.69, reach=1.09)


def _mallow(*, half: float, pink: tuple[str, str, str], eye: float) -> Species:
    """Return a pink cup of five broad, veined, frilled petals around a pale staminal column."""
    look = petal.Look(
        colours=_stops(*pink), rise=0.8, fall=0.26, foot=0.12, frill=0.05, notch=0.05, bend=0.16,
        cup=0.12, groove=0.1, grooves=4.0, crumple=0.13, veins=0.5, vein_count=6.0, vein_fan=0.85,
        vein_colour=hex_linear("7c1f5c"), eye=0.8, eye_reach=eye, eye_colour=hex_linear("5d1440"),
        shadow=0.42,
    )  # fmt: skip
    tuft = centre.Tuft(
        hex_linear("ead9d0"), hex_linear("f1e9cf"), count=(30, 44), reach=(0.01, 0.11), height=0.3,
        size=0.024, pistil=0.04, pistil_colour=hex_linear("e9d7a0"),
    )  # fmt: skip
    ring = Ring(
        look, length=0.97, half=half, count=(5, 5), start=0.03, rise=15.0, twist=9.0, unequal=0.03
    )
    return Species((ring,), tuft=tuft, tint=0.06, fill=0.7, reach=1.14)


def _sunflower() -> Species:
    look = petal.Look(
        colours=_stops("c97a08", "edb010", "f2bd18"), rise=0.6, fall=0.62, foot=0.3, bend=-0.12,
        cup=0.3, groove=0.16, grooves=2.0, crumple=0.1, veins=0.25, vein_count=3.0,
        vein_colour=hex_linear("b87206"), shadow=0.5,
    )  # fmt: skip
    rings = tuple(
        Ring(
            look,
            length=length,
            half=0.13,
            count=(17, 21),
            start=0.36,
            rise=rise,
            stray=6.0,
            unequal=0.07,
        )
        for length, rise in ((0.64, 0.0), (0.6, 10.0), (0.54, 20.0))
    )
    seeds = centre.Disc(
        _stops("4a4a1c", "2a1608", "6b3f10"), radius=0.44, dome=0.16, florets=420, relief=0.95
    )
    return Species(rings, disc=seeds, fill=0.76, reach=1.08)


def _poppy() -> Species:
    look = petal.Look(
        colours=_stops("7c0d07", "b81d0e", "c83218"), rise=0.6, fall=0.4, foot=0.1, frill=0.045,
        bend=0.24, cup=0.24, groove=0.2, grooves=5.0, crumple=0.24, veins=0.3, vein_count=10.0,
        vein_fan=0.9, vein_colour=hex_linear("6e0a05"), eye=0.92, eye_reach=0.22,
        eye_colour=hex_linear("12050a"), shadow=0.6, through=0.55,
    )  # fmt: skip
    tuft = centre.Tuft(
        hex_linear("2a1a22"), hex_linear("1f171c"), count=(60, 80), reach=(0.1, 0.25), height=0.14,
        size=0.019, pistil=0.085, pistil_colour=hex_linear("7c8a50"),
    )  # fmt: skip
    rings = (
        Ring(look, length=0.97, half=0.84, azimuths=(0.0, 180.0), start=0.02, rise=10.0, stray=9.0),
        Ring(
            look, length=0.93, half=0.82, azimuths=(95.0, 265.0), start=0.02, rise=24.0, stray=9.0
        ),
    )
    return Species(rings, tuft=tuft, tint=0.07, fill=0.68, reach=1.15)


def _pansy() -> Species:
    back = petal.Look(
        colours=_stops("36145a", "4d2680", "5a3394"), rise=0.75, fall=0.36, frill=0.04,
        crumple=0.16, bend=-0.1, groove=0.1, grooves=3.0, veins=0.3, vein_count=6.0, vein_fan=0.85,
        vein_colour=hex_linear("220838"), shadow=0.55,
    )  # fmt: skip
    face = dataclasses.replace(
        back, colours=_stops("5a2f90", "6c44a0", "8f6cba"), eye=0.94, eye_reach=0.4, eye_rays=0.9,
        eye_colour=hex_linear("190628"), heart_reach=0.15, heart_colour=hex_linear("e0a812"),
    )  # fmt: skip
    lip = dataclasses.replace(
        face, rise=0.8, fall=0.28, notch=0.06, eye_reach=0.45, heart_reach=0.22
    )
    rings = (
        Ring(
            back, length=0.95, half=0.6, azimuths=(-58.0, -122.0), start=0.02, rise=4.0, stray=3.0
        ),
        Ring(face, length=0.88, half=0.52, azimuths=(-4.0, 184.0), start=0.02, rise=8.0, stray=3.0),
        Ring(lip, length=0.86, half=0.68, azimuths=(90.0,), start=0.0, rise=10.0, stray=3.0),
    )
    heart = centre.Tuft(
        hex_linear("d9b53c"), hex_linear("cfc04a"), count=(4, 6), reach=(0.01, 0.04), height=0.04,
        size=0.028, pistil=0.04, pistil_colour=hex_linear("a9b04a"),
    )  # fmt: skip
    return Species(rings, tuft=heart, tint=0.08, fill=0.79, reach=1.06, upright=True)


def _daffodil() -> Species:
    tepal = petal.Look(
        colours=_stops("d9cf4a", "efe06a", "f3e98c"), rise=0.55, fall=0.42, foot=0.2, bend=-0.1,
        cup=0.16, groove=0.1, grooves=2.0, crumple=0.1, veins=0.14, vein_count=4.0,
        vein_colour=hex_linear("c5b23e"), shadow=0.42,
    )  # fmt: skip
    wall = petal.Look(
        colours=_stops("9a6a08", "dc920c", "ee8a0a"), rise=0.3, fall=0.12, foot=0.7, frill=0.03,
        bend=-0.22, cup=0.12, groove=0.14, grooves=2.0, crumple=0.07, veins=0.15, vein_count=2.0,
        shadow=0.1, through=0.5,
    )  # fmt: skip
    rings = (
        Ring(
            tepal,
            length=0.95,
            half=0.36,
            azimuths=(0.0, 120.0, 240.0),
            start=0.05,
            rise=0.0,
            stray=4.0,
        ),
        Ring(
            tepal,
            length=0.93,
            half=0.35,
            azimuths=(60.0, 180.0, 300.0),
            start=0.05,
            rise=6.0,
            stray=4.0,
        ),
        Ring(
            wall,
            length=0.44,
            half=0.15,
            count=(22, 24),
            start=0.18,
            rise=56.0,
            stray=1.2,
            unequal=0.03,
            cups_centre=True,
        ),
    )
    heart = centre.Tuft(
        hex_linear("c9b63a"), hex_linear("e5c634"), count=(6, 6), reach=(0.04, 0.08), height=0.16,
        size=0.03, pistil=0.04, pistil_colour=hex_linear("c3c860"),
    )  # fmt: skip
    return Species(rings, tuft=heart, tint=0.05, fill=0.78, reach=1.02, most_lean=0.4)


SPECIES: dict[str, Species] = {
    "buttercup": _crowfoot(half=0.56, gold=("d9a406", "f2c70e", "f6d21a"), stamens=(34, 46)),
    "daffodil": _daffodil(),
    "daisy": _ox_eye(count=(13, 16), half=0.1, disc=0.27),
    "hollyhock": _mallow(half=0.64, pink=("9c3a78", "c8649f", "dc8fbb"), eye=0.23),
    "mallow": _mallow(half=0.62, pink=("9a3c7c", "c668a4", "d98fc0"), eye=0.21),
    "marguerite": _ox_eye(count=(13, 16), half=0.104, disc=0.28),
    "marsh_marigold": _crowfoot(half=0.57, gold=("d69e06", "f1c40c", "f5d018"), stamens=(38, 50)),
    "pansy": _pansy(),
    "poppy": _poppy(),
    "sunflower": _sunflower(),
}
CLASSES: tuple[str, ...] = tuple(SPECIES)
PLANTS: dict[str, str] = {"marguerite": BORDER, "marsh_marigold": CORNER, "hollyhock": BACKGROUND}
PARTNERS: dict[str, str] = {
    "marguerite": "daisy",
    "marsh_marigold": "buttercup",
    "hollyhock": "mallow",
}
