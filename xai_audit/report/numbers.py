"""Numbers and facts as the page writes them."""

from __future__ import annotations


def times(lift: float | None) -> str:
    """A lift as a factor; a dash where undefined."""
    return "–" if lift is None else f"×{lift:.1f}"


def whole(number: int) -> str:
    """A count with thousands set apart by a thin space, as SI has it."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def fact(value: object) -> str:
    """A fact for people: floats to two decimals, everything else in its own words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {fact(part)}" for key, part in value.items())
    return f"{value:.2f}" if isinstance(value, float) else str(value)
