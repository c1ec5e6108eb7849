"""The word for a cell of two runs, and the sentence that gives the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.compare.difference import IMAGES, PAIRS
from xai_audit.run.verdicts import AVAILABLE, CLEAR, CONFIRMED, SUSPECTED, marked
from xai_audit.schema import CARRIER_PULL, PULL, RELIANCE, WHOLE
from xai_audit.statistics.p_values import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Mapping

BETTER, WORSE, APPEARED, VANISHED = "better", "worse", "appeared", "vanished"
UNCLEAR, NO_CHANGE = "unclear", "no change"
# In the order in which they are shown.
ORDER = (APPEARED, WORSE, VANISHED, BETTER, UNCLEAR, NO_CHANGE)
# Verdicts of which nothing is open: the model was seen not to rely on the cue by itself.
_SETTLED = (SUSPECTED, AVAILABLE, CLEAR)
_EFFECTS = {
    RELIANCE: "what the cue's loss costs",
    PULL: "what the cue gives to photos of other classes",
    WHOLE: "what changing the whole photo does",
    CARRIER_PULL: "what its carriers' cue gives to photos of other classes",
}


def with_words(
    rows: list[dict[str, Any]], *, reference: str, noise: float, q: float
) -> list[dict[str, Any]]:
    """The ``rows`` with ``difference_q``, ``word`` and ``because``.

    q is Benjamini and Hochberg's (1995) over all rows: every cell of every run.

    Args:
        rows: the columns of COMPARISON but for these.
        reference: the name of the first run.
        noise: the smallest difference that is called a change.
        q: the false discovery rate.
    """
    p = np.array([row["difference_p"] for row in rows], np.float64)
    adjusted = benjamini_hochberg(p)
    found = []
    for row, value in zip(rows, adjusted.tolist(), strict=True):
        judged = row | {"difference_q": value}
        judged["word"] = word(judged, noise=noise, q=q)
        reason = marked(_because(judged, reference), judged.get("masks_made") is True)
        found.append(judged | {"because": reason})
    return found


def word(row: Mapping[str, Any], *, noise: float, q: float) -> str:
    """The word for a row of COMPARISON.

    A change has q of at most ``q``, an estimate of at least ``noise`` and an interval without 0.
    It is ``vanished`` where a confirmed cue is settled otherwise now, and ``appeared`` where it is
    the other way round; ``no change`` is an interval within ``noise`` on either side of 0.
    """
    value, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    if low != low or value != value:
        return UNCLEAR
    before, after = row["verdict_reference"], row["verdict"]
    if row["difference_q"] <= q and abs(value) >= noise and (low > 0 or high < 0):
        if value < 0:
            return VANISHED if before == CONFIRMED and after in _SETTLED else BETTER
        return APPEARED if after == CONFIRMED and before in _SETTLED else WORSE
    return NO_CHANGE if -noise < low and high < noise else UNCLEAR


def _because(row: Mapping[str, Any], reference: str) -> str:
    """What was compared and found, in a sentence."""
    before, after = row["verdict_reference"], row["verdict"]
    if before is None or after is None:
        return f"{reference if after is None else row['run']} alone has this cell."
    low, high = row["difference_low"], row["difference_high"]
    if row["compared"] is None:
        asked = f"{row['n_reference']} pairs in {reference}, {row['n_run']} in {row['run']}"
        return f"Too little to compare: {asked}."
    how = {
        PAIRS: f"{row['n_compared']} pairs that both were asked",
        IMAGES: f"{row['n_compared']} photos that both were asked, with other donors",
    }.get(row["compared"], "unpaired, of what each was asked")
    what = _EFFECTS.get(row["question"], row["question"])
    value = row["difference"]
    text = f"{what[0].upper()}{what[1:]} {_moved(value)}"
    if low == low:
        text += f" (95 % interval {signed(low)} to {signed(high)})"
    text += f"; {how}."
    if low != low:
        text += " Too few groups of photos for an interval."
    elif row["word"] == NO_CHANGE and before != after and CONFIRMED in (before, after):
        text += " The verdict differs, but the effect does not by more than the noise threshold."
    return text


def _moved(value: float) -> str:
    size = f"{abs(value):.2f}"
    if size == "0.00":
        return "is as it was"
    return f"{'rose' if value > 0 else 'fell'} by {size}"


def signed(value: float | None) -> str:
    """A difference as ``+0.12``, ``−0.30`` or ``0.00``; a dash where undefined."""
    if value is None:
        return "–"
    text = f"{value + 0.0:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "\N{MINUS SIGN}")
