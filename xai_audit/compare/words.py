"""The word for a cell of two runs, and the sentence that gives the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.compare.difference import IMAGES, PAIRS
from xai_audit.language import mark, tell
from xai_audit.run.verdicts import AVAILABLE, CLEAR, CONFIRMED, SUSPECTED, marked
from xai_audit.schema import CARRIER_PULL, PULL, RELIANCE, WHOLE
from xai_audit.statistics.p_values import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Mapping

BETTER, WORSE, APPEARED = mark("better"), mark("worse"), mark("appeared")
VANISHED, UNCLEAR, NO_CHANGE = mark("vanished"), mark("unclear"), mark("no change")
# In the order in which they are shown.
ORDER = (APPEARED, WORSE, VANISHED, BETTER, UNCLEAR, NO_CHANGE)
# Verdicts of which nothing is open: the model was seen not to rely on the cue by itself.
_SETTLED = (SUSPECTED, AVAILABLE, CLEAR)
_EFFECTS = {
    RELIANCE: tell("What the cue's loss costs"),
    PULL: tell("What the cue gives to photos of other classes"),
    WHOLE: tell("What changing the whole photo does"),
    CARRIER_PULL: tell("What its carriers' cue gives to photos of other classes"),
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
    """What was compared and found, in a sentence or two."""
    before, after = row["verdict_reference"], row["verdict"]
    if before is None or after is None:
        return tell("{run} alone has this cell.", run=reference if after is None else row["run"])
    low, high = row["difference_low"], row["difference_high"]
    if row["compared"] is None:
        return tell(
            "Too little to compare: {n:d} pairs in {reference}, {other:d} in {run}.",
            n=row["n_reference"], reference=reference, other=row["n_run"], run=row["run"],
        )  # fmt: skip
    change = _moved(row["question"], row["difference"])
    if low == low:
        change = tell(
            "{MOVED} (95 % interval {low} to {high})",
            MOVED=change, low=signed(low), high=signed(high),
        )  # fmt: skip
    text = tell("{MOVED}; {HOW}.", MOVED=change, HOW=_how(row["compared"], row["n_compared"]))
    if low != low:
        text += " " + tell("Too few groups of photos for an interval.")
    elif row["word"] == NO_CHANGE and before != after and CONFIRMED in (before, after):
        text += " " + tell(
            "The verdict differs, but the effect does not by more than the noise threshold."
        )
    return text


def _how(compared: str, count: int) -> str:
    if compared == PAIRS:
        return tell("{n:d} pairs that both were asked", n=count)
    if compared == IMAGES:
        return tell("{n:d} photos that both were asked, with other donors", n=count)
    return tell("unpaired, of what each was asked")


def _moved(question: str, value: float) -> str:
    what, size = _EFFECTS.get(question, question), abs(value)
    if f"{size:.2f}" == "0.00":
        return tell("{WHAT} is as it was", WHAT=what)
    if value > 0:
        return tell("{WHAT} rose by {size:.2f}", WHAT=what, size=size)
    return tell("{WHAT} fell by {size:.2f}", WHAT=what, size=size)


def signed(value: float | None) -> str:
    """A difference as ``+0.12``, ``−0.30`` or ``0.00``; a dash where undefined."""
    if value is None:
        return "–"
    text = f"{value + 0.0:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "\N{MINUS SIGN}")
