"""The verdict of each cell, from all questions, with overlapping cues resolved to one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_audit.evidence.because import because
from xai_audit.evidence.carried_words import is_too_few
from xai_audit.evidence.carriers import COMMON, LEAST_CARRIERS
from xai_audit.evidence.naming import Suspect, explained
from xai_audit.evidence.redundant import BACKGROUND, redundant, sought, with_redundant
from xai_audit.schema import CARRIER_PULL, CONFIRMING, DISCOVERED, PULL, QUESTIONS, RELIANCE, WHOLE
from xai_audit.statistics.p_values import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xai_audit.evidence.redundant import Redundant
    from xai_audit.statistics.estimate import Estimate

_CELL = ["class_name", "cue"]


def judge(
    cells: pd.DataFrame,
    left: Mapping[tuple[str, str, str], float],
    limits: Limits,
    joint: Mapping[tuple[str, tuple[str, ...]], Estimate] | None = None,
) -> pd.DataFrame:
    """The ``cells`` with q columns, ``question``, ``explained_by``, ``verdict`` and ``because``.

    And with ``necessity``, ``sufficiency`` and ``redundant_with``: see
    :func:`~xai_audit.evidence.redundant.with_redundant`.

    q is that of Benjamini and Hochberg (1995), over all cells of one question. ``question`` is the
    one that shows that the decision depends on the cue, ``reliance`` before ``pull``, None where
    neither does. Of cues that overlap only the one that explains the others' effect stays
    ``confirmed``; see :func:`~xai_audit.evidence.naming.explained`.

    Args:
        cells: one row per class, cue and method, with the measured columns of EVIDENCE, ``sd`` of
            the differences, ``wanted`` pairs, the cue's ``way``, ``why`` nothing was measured or
            None, and ``carriers``, the set of the photos that carry the cue.
        left: (class, cue, other cue) -> the share of the cue's effect left with the other's
            content put back; absent is unknown.
        limits: from which on a finding counts.
        joint: (class, cues) -> what its photos lose when all of these are taken away at once.
    """
    judged = _questioned(cells, limits)
    several = redundant(judged, joint or {}, limits)
    judged = with_redundant(judged, several)
    confirmed = judged["question"].notna()
    judged["explained_by"] = _explained_by(judged[confirmed], left, judged, several)
    named = confirmed & judged["explained_by"].isna()
    judged["verdict"] = _verdicts(judged, named, confirmed, limits)
    judged["because"] = [because(row, limits) for row in _rows(judged)]
    return judged


def candidates(cells: pd.DataFrame, limits: Limits) -> dict[str, dict[str, str]]:
    """Class -> cue -> the question that confirms it, before overlapping cues are resolved."""
    judged = _questioned(cells, limits)
    confirmed = judged[judged["question"].notna()].drop_duplicates(_CELL)
    found: dict[str, dict[str, str]] = {}
    for name, cue, question in zip(*(confirmed[c] for c in (*_CELL, "question")), strict=True):
        found.setdefault(name, {})[cue] = question
    return found


def sets(cells: pd.DataFrame, limits: Limits) -> dict[str, list[tuple[str, ...]]]:
    """Class -> the sets of cues that may be redundant, to be taken away at once."""
    return sought(_questioned(cells, limits), limits)


def _rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in cells.to_dict("records")]


def _questioned(cells: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """A copy with the q columns and ``question``: which question confirms each row, or None.

    This is the only place that decides it for one cue by itself. Reliance confirms with enough
    images; pull confirms only where the cue is also available, since any damage to a photo might
    have a pull. The pull of carriers confirms without: other photos of the class do the same damage
    and have no effect. It does so where carriers are so few that the typical half of the class,
    which reliance and pull are measured with, is not theirs; and of a property only where the
    carriers' own photos need it (the most blurred photo, or the widest, damages more than others).
    A property that is changed on whole photos confirms where its surroundings alone tell the class:
    a cast lies on the object too, where a model may see it best, but the object's own colour tells
    nothing of its surroundings.
    """
    judged = _corrected(cells)
    enough = judged["n_images"] >= limits.min_images
    relied = enough & _found(judged, RELIANCE, limits)
    pulled = _found(judged, PULL, limits) & _found(judged, "availability", limits)
    many = judged["n_carriers"] >= LEAST_CARRIERS
    many &= judged["n_carrier_pairs"] >= limits.min_images
    needed = judged["area"].notna() | (judged["carrier_reliance_low"] >= limits.reliance)
    carried = many & needed & (judged["carrier_share"] < COMMON)
    carried &= _found(judged, CARRIER_PULL, limits)
    whole = _found(judged, WHOLE, limits) & _found(judged, "availability", limits)
    judged["question"] = None
    found = (relied, pulled, whole, carried)
    for question, is_found in reversed([*zip(CONFIRMING, found, strict=True)]):
        judged["question"] = judged["question"].mask(is_found, question)
    return judged


def _corrected(cells: pd.DataFrame) -> pd.DataFrame:
    """A copy with the q columns; what is the same for several methods is one test.

    Attention has no q where the method's maps are not trusted.
    """
    judged = cells.reset_index(drop=True)
    for question in (*QUESTIONS, CARRIER_PULL, WHOLE):
        first = ~judged.duplicated(_CELL)
        if question == "attention":
            first = judged["attention_trusted"] != False  # noqa: E712 - null is not checked
        q = np.full(len(judged), np.nan)
        q[first] = benjamini_hochberg(judged.loc[first, f"{question}_p"].to_numpy(np.float64))
        judged[f"{question}_q"] = q
        if question != "attention":
            judged[f"{question}_q"] = judged.groupby(_CELL)[f"{question}_q"].transform("max")
    return judged


def _found(cells: pd.DataFrame, question: str, limits: Limits) -> pd.Series:
    """Whether a question is answered with yes.

    A model that uses the object depends a little on everything, so an effect above 0 is no
    evidence: for reliance and pull the whole interval must lie above the limit.
    """
    if question in CONFIRMING:
        value, least = cells[f"{question}_low"], limits.reliance
    else:
        value, least = cells[question], getattr(limits, question)
    return (value >= least) & (cells[f"{question}_q"] <= limits.q)


def _explained_by(
    confirmed: pd.DataFrame,
    left: Mapping[tuple[str, str, str], float],
    cells: pd.DataFrame,
    several: Mapping[str, Redundant],
) -> list[str | None]:
    """The cue that explains each row of ``cells``, or None."""
    found: dict[tuple[str, str], str] = {}
    effects = confirmed[RELIANCE]
    for question in CONFIRMING[1:]:
        effects = effects.mask(confirmed["question"] == question, confirmed[question])
    pulls = confirmed["question"].isin([PULL, CARRIER_PULL])
    rows = confirmed.assign(effect=effects, pulls=pulls).drop_duplicates(_CELL)
    left_of: dict[str, dict[tuple[str, str], float]] = {}
    for (of, p, q), share in left.items():
        left_of.setdefault(of, {})[p, q] = share
    for name, group in rows.groupby("class_name"):
        suspects = [
            Suspect(
                cue,
                effect,
                math.inf if math.isnan(area) else area,
                discovered=cue.startswith(DISCOVERED),
                pulls=pulls,
                place=cue != BACKGROUND,
                carriers=carriers,
                needed=needed,
            )
            for cue, effect, area, pulls, carriers, needed in zip(
                group["cue"],
                group["effect"].astype(float),
                group["area"].astype(float),
                group["pulls"],
                group["carriers"],
                group["carrier_reliance"].astype(float),
                strict=True,
            )
        ]
        by_cue = explained(suspects, left_of.get(str(name), {}))
        if cues := several.get(str(name)):
            by_cue = cues.settled(by_cue, left_of.get(str(name), {}))
        found |= {(str(name), cue): by for cue, by in by_cue.items()}
    return [found.get(cell) for cell in zip(cells["class_name"], cells["cue"], strict=True)]


def _verdicts(
    cells: pd.DataFrame, named: pd.Series, confirmed: pd.Series, limits: Limits
) -> NDArray[np.str_]:
    """The verdict of each row; the first that applies."""
    file_only = cells["way"] == "none"
    unknown = pd.Series(
        [_is_open(row, limits) for row in _rows(cells)], index=cells.index, dtype=bool
    )
    return np.select(
        [
            named,
            ~confirmed & unknown,
            ~file_only & _found(cells, "attention", limits),
            _found(cells, "availability", limits),
        ],
        ["confirmed", "undetermined", "suspected", "available"],
        default="clear",
    )


def _is_open(row: Mapping[str, Any], limits: Limits) -> bool:
    """Whether an unconfirmed cell is undetermined: too little was measured to decide.

    A cue that is not in the pixels is open where availability is unknown. Any other is open with
    fewer than ``min_images``, with too few clusters of them for an interval, where one or two
    photos carry it with an effect, or where the interval reaches the limit and either fewer pairs
    were measured than were wanted, or the effect is significant and its estimate reaches the limit
    too.
    """
    if row["way"] == "none":
        return math.isnan(row["availability"])
    if is_too_few(row, limits.reliance):
        return True
    if row["n_images"] < limits.min_images or math.isnan(row["reliance_high"]):
        return True
    if row["reliance_high"] < limits.reliance:
        return False
    likely = row["reliance"] >= limits.reliance and row["reliance_q"] <= limits.q
    return bool(likely or row["n_images"] < row["wanted"])


@dataclass(frozen=True)
class Limits:
    """The limits that verdicts are decided with.

    Attributes:
        q: the false discovery rate.
        reliance: smallest change of probability; the whole interval of reliance or pull must lie
            above it.
        attention: smallest share of the relevance in excess of what is expected.
        availability: smallest AUROC.
        min_images: with fewer images reliance and pull are undetermined.
    """

    q: float
    reliance: float
    attention: float
    availability: float
    min_images: int
