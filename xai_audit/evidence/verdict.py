"""The three questions joined to one verdict a cell, and overlapping cues told apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_audit.evidence.because import because
from xai_audit.evidence.naming import Suspect, explained
from xai_audit.schema import DISCOVERED, QUESTIONS
from xai_audit.statistics.p_values import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_CELL = ["class_name", "cue"]


@dataclass(frozen=True)
class Limits:
    """From where on a finding counts.

    Attributes:
        q: the false discovery rate.
        reliance: smallest change of probability, also of pull; the whole interval lies above it.
        attention: smallest share of the relevance beyond what is expected.
        availability: smallest AUROC.
        min_images: fewer say nothing about reliance.
    """

    q: float
    reliance: float
    attention: float
    availability: float
    min_images: int


def judge(
    cells: pd.DataFrame, beyond: Mapping[tuple[str, str, str], float], limits: Limits
) -> pd.DataFrame:
    """The ``cells`` with their q columns, ``verdict``, ``explained_by`` and ``because``.

    q is Benjamini and Hochberg's over all cells of one question. Of cues that overlap only the
    one that explains the others' effect stays ``confirmed``; see
    :func:`~xai_audit.evidence.naming.explained`.

    Args:
        cells: one row a class, cue and method, with the columns of EVIDENCE that are measured,
            and ``sd`` of the differences, ``wanted`` pairs, the cue's ``way``, and ``why`` nothing
            was measured, or None.
        beyond: (class, cue, other cue) -> the share of the cue's effect left with the other's
            content put back; absent is unknown.
        limits: from where on a finding counts.
    """
    judged = _corrected(cells)
    confirmed = _confirmed(judged, limits)
    judged["explained_by"] = _explained_by(judged[confirmed], beyond, judged, limits)
    named = confirmed & judged["explained_by"].isna()
    judged["verdict"] = _verdicts(judged, named, confirmed, limits)
    judged["because"] = [because(row, limits) for row in _rows(judged)]
    return judged


def candidates(cells: pd.DataFrame, limits: Limits) -> dict[str, dict[str, str]]:
    """Class -> the cues that the decision depends on, before overlapping ones are told apart.

    Each with the question that says so: ``reliance``, or ``pull`` where only that does.
    """
    judged = _corrected(cells)
    confirmed = judged[_confirmed(judged, limits)].drop_duplicates(_CELL)
    relied = _found(confirmed, "reliance", limits)
    found: dict[str, dict[str, str]] = {}
    for name, cue, own in zip(confirmed["class_name"], confirmed["cue"], relied, strict=True):
        found.setdefault(name, {})[cue] = "reliance" if own else "pull"
    return found


def _rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in cells.to_dict("records")]


def _corrected(cells: pd.DataFrame) -> pd.DataFrame:
    """A copy with the q columns; what is the same for several methods is one test.

    Attention has none where the method's maps are not to be trusted.
    """
    judged = cells.reset_index(drop=True)
    for question in QUESTIONS:
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

    A model that uses the object leans a little on everything, so that an effect above 0 says
    nothing: of reliance and pull the whole interval lies above the limit.
    """
    if question in ("reliance", "pull"):
        value, least = cells[f"{question}_low"], limits.reliance
    else:
        value, least = cells[question], getattr(limits, question)
    return (value >= least) & (cells[f"{question}_q"] <= limits.q)


def _confirmed(cells: pd.DataFrame, limits: Limits) -> pd.Series:
    """Whether the decision depends on the cue, whatever explains it."""
    enough = cells["n_images"] >= limits.min_images
    pulled = _found(cells, "pull", limits) & _found(cells, "availability", limits)
    return (enough & _found(cells, "reliance", limits)) | pulled


def _explained_by(
    confirmed: pd.DataFrame,
    beyond: Mapping[tuple[str, str, str], float],
    cells: pd.DataFrame,
    limits: Limits,
) -> list[str | None]:
    """The cue that explains each row of ``cells``, or None."""
    found: dict[tuple[str, str], str] = {}
    relied = _found(confirmed, "reliance", limits)
    effects = confirmed["reliance"].where(relied, confirmed["pull"])
    rows = confirmed.assign(effect=effects, pulls=~relied).drop_duplicates(_CELL)
    for name, group in rows.groupby("class_name"):
        suspects = [
            Suspect(
                cue,
                effect,
                math.inf if math.isnan(area) else area,
                discovered=cue.startswith(DISCOVERED),
                pulls=pulls,
            )
            for cue, effect, area, pulls in zip(
                group["cue"],
                group["effect"].astype(float),
                group["area"].astype(float),
                group["pulls"],
                strict=True,
            )
        ]
        left = {(p, q): share for (of, p, q), share in beyond.items() if of == name}
        found |= {(str(name), cue): by for cue, by in explained(suspects, left).items()}
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
    """Whether too little was seen to call an unconfirmed cell anything but undetermined.

    For what only the file tells: whether availability is unknown. Else fewer than ``min_images``,
    or an interval that reaches the limit with fewer pairs than were wanted, or that holds it where
    there is an effect for sure and it is likely to be as large.
    """
    if row["way"] == "none":
        return math.isnan(row["availability"])
    if row["n_images"] < limits.min_images or math.isnan(row["reliance"]):
        return True
    if row["reliance_high"] < limits.reliance:
        return False
    likely = row["reliance"] >= limits.reliance and row["reliance_q"] <= limits.q
    return bool(likely or row["n_images"] < row["wanted"])
