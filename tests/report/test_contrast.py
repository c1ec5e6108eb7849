"""Text on the page has the contrast that WCAG 2.2 AA asks for (1.4.3), light and dark."""

from __future__ import annotations

import re

import pytest

from xai_audit.report.templating import environment

# Colour of the text, of what is behind it.
PAIRS = [
    *((text, back) for text in ("ink", "soft", "accent") for back in ("paper", "panel")),
    *((text, "paper") for text in ("warn", "right", "wrong")),
    ("soft", "track"),
    ("on-confirmed", "confirmed"),
    ("on-light", "suspected"),
    ("on-light", "available"),
]


def colours(scheme: str) -> dict[str, str]:
    css = environment().get_template("_style.css.j2").render(gradient="")
    light, dark = re.findall(r":root \{([^}]*)\}", css)[:2]
    named = re.compile(r"--([\w-]+): (#[0-9a-f]{3,6});")
    first, second = (dict(named.findall(each)) for each in (light, dark))
    return first | (second if scheme == "dark" else {})


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    linear = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return sum(w * each for w, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "back"), PAIRS)
def test_text_is_read_easily(scheme, text, back):
    known = colours(scheme)
    least, most = sorted(luminance(known[name]) for name in (text, back))
    assert (most + 0.05) / (least + 0.05) >= 4.5


def test_the_formula_is_that_of_wcag():
    assert (luminance("#fff") + 0.05) / (luminance("#000") + 0.05) == pytest.approx(21)
    assert luminance("#777777") == pytest.approx(0.1845, abs=1e-4)  # 4.48 : 1 on white
