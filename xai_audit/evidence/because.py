"""The sentence that gives the reason for a cell's verdict, with the numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.evidence.carried_words import carried, shared, victims
from xai_audit.evidence.effect_words import TOLD, arms, changed, effect, pull
from xai_audit.evidence.open_words import undetermined
from xai_audit.evidence.plan import OTHERS
from xai_audit.language import tell
from xai_audit.run.verdicts import cue_words, is_used, marked
from xai_audit.schema import CARRIER_PULL, PULL, RELIANCE, WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.evidence.verdict import Limits


def because(row: Mapping[str, Any], limits: Limits) -> str:
    """One plain sentence, two at most, that says why the row has its verdict.

    After it what else was measured of a stamp, or what of a property may be the object's own. It
    is marked where it rests on masks that a network made.

    Args:
        row: a judged row: the columns of EVIDENCE with ``sd``, ``way`` and ``why``, and
            ``sampled``, whether the class has more photos than were read.
        limits: from which on a finding counts.
    """
    return marked(_reason(row, limits), row.get("masks_made") is True)


def _reason(row: Mapping[str, Any], limits: Limits) -> str:
    if by := _text(row.get("explained_by")):
        change = _change(row)
        if several := row.get("redundant"):
            told = several.told(row["class_name"])
            text = tell(
                "{CHANGE}, but {CUES} explain this, each enough alone: {TAKEN}.",
                CHANGE=change, CUES=several.words, TAKEN=told,
            )  # fmt: skip
        else:
            cue = cue_words(by)
            text = tell("{CHANGE}, but the {cue} explains this.", CHANGE=change, cue=cue)
        return f"{text}{_besides(row)}"
    sentence = {
        "confirmed": _confirmed,
        "suspected": _suspected,
        "available": _available,
        "undetermined": undetermined,
    }
    text = sentence.get(row["verdict"], _clear)(row, limits)
    return f"{text}{arms(row) if row['way'] == 'added' else _object(row, limits)}"


def _confirmed(row: Mapping[str, Any], limits: Limits) -> str:
    change = _change(row)
    if row["availability"] >= limits.availability and row["availability_q"] <= limits.q:
        text = tell(
            "{CHANGE}; the {cue} alone tells {name} (AUROC {auroc:.2f}).",
            CHANGE=change, **_values(row),
        )  # fmt: skip
    else:
        text = _sentence(change)
    if row["question"] == CARRIER_PULL:
        return f"{text}{victims(row)}"
    if several := row.get("redundant"):
        told = several.told(row["class_name"])
        alone = tell("Of {CUES} each is enough alone: {TAKEN}.", CUES=several.words, TAKEN=told)
        return f"{text} {alone}"
    return f"{text}{shared(row)}{victims(row) if row['question'] == PULL else ''}"


def _suspected(row: Mapping[str, Any], limits: Limits) -> str:
    return f"{_sentence(_attends(row))} {_limited(row, limits)}"


def _available(row: Mapping[str, Any], limits: Limits) -> str:
    if row["way"] == "none":
        return tell(
            "{PREDICTS}; it is not in the pixels, so a use of it cannot be tested.",
            PREDICTS=_predicts(row),
        )
    return f"{_sentence(_predicts(row))} {_limited(row, limits)}"


def _limited(row: Mapping[str, Any], limits: Limits) -> str:
    return tell("{CHANGE}, {LIMIT}.", CHANGE=effect(row), LIMIT=_short_of(row, limits))


def _clear(row: Mapping[str, Any], limits: Limits) -> str:
    if row["way"] == "none":
        if _is_few(row):
            return tell(
                "The {cue} does not reliably tell {name} (AUROC {auroc:.2f}, of {n:d} groups, too "
                "few to exclude chance).",
                n=int(row["n_groups"]), **_values(row),
            )  # fmt: skip
        return tell("The {cue} does not reliably tell {name} (AUROC {auroc:.2f}).", **_values(row))
    known = []
    if not math.isnan(row["availability"]):
        auroc = row["availability"]
        known.append(
            tell(
                "does not reliably tell the class (AUROC {auroc:.2f}, of {n:d} groups, too few to "
                "exclude chance)",
                auroc=auroc, n=int(row["n_groups"]),
            )
            if _is_few(row) else
            tell("does not reliably tell the class (AUROC {auroc:.2f})", auroc=auroc)
        )  # fmt: skip
    elif row.get("n_groups") == 1:
        known.append(tell("may tell the class or the one group that all its photos are of"))
    if row.get("attention_trusted") is False:
        known.append(
            tell(
                "is not judged by its relevance: {method}'s maps fail randomisation",
                method=row["method"],
            )
        )
    elif not math.isnan(row["attention"]):
        points = 100 * row["attention"]
        known.append(
            tell("draws no reliable extra relevance ({points:+.0f} points)", points=points)
        )
    if not known:
        return _limited(row, limits)
    values = {"CHANGE": effect(row), "LIMIT": _short_of(row, limits), "FIRST": known[0]}
    if len(known) == 1:
        return tell("{CHANGE}, {LIMIT}; it {FIRST}.", **values)
    return tell("{CHANGE}, {LIMIT}; it {FIRST} and {SECOND}.", SECOND=known[1], **values)


def _change(row: Mapping[str, Any]) -> str:
    """The effect of the question that confirmed a row."""
    if row["question"] == CARRIER_PULL:
        return carried(row)
    return pull(row) if row["question"] == PULL else effect(row)


def _object(row: Mapping[str, Any], limits: Limits) -> str:
    """What of a property's effect is the object's own, or may be for want of masks."""
    used = row["verdict"] == "confirmed" or _below(row, limits)
    if row.get("object_included") is True:
        text = tell(
            "Without object masks whole photos were changed, so it may be the object's own."
        )
        return f" {text}" if used else ""
    effect, low, high = (row.get(f"{WHOLE}{end}", math.nan) for end in ("", "_low", "_high"))
    if not low * high > 0 or not (used or abs(effect) >= TOLD):  # NaN is not above 0
        return ""
    given = row["measured_on"] == OTHERS or math.isnan(row["reliance"])
    change = changed(row, WHOLE, ("raises", "lowers") if given else ("lowers", "raises"))
    if math.isnan(row["object_share"]):
        return " " + tell(
            "Changed on the whole photo, the object included, it {CHANGE}.", CHANGE=change
        )
    return " " + tell(
        "Changed on the whole photo, the object included, it {CHANGE}: {share:.0%} of that is the "
        "object's own.",
        CHANGE=change, share=min(max(row["object_share"], 0), 1),
    )  # fmt: skip


def _short_of(row: Mapping[str, Any], limits: Limits) -> str:
    limit = limits.reliance
    if _below(row, limits):
        return tell("so it is used, below the limit of {limit:.2f}", limit=limit)
    if row["reliance"] >= limit:
        return tell("which chance may explain (q {q:.2f})", q=row["reliance_q"])
    return tell("below the limit of {limit:.2f}", limit=limit)


def _below(row: Mapping[str, Any], limits: Limits) -> bool:
    """Whether it is used, below the limit."""
    question = PULL if math.isnan(row["reliance"]) else RELIANCE
    return is_used(row[f"{question}_low"], row[f"{question}_q"], limits.q)


def _attends(row: Mapping[str, Any]) -> str:
    cue, points = cue_words(row["cue"]), 100 * row["attention"]
    if math.isnan(row["mass"]):
        return tell(
            "The {cue} draws {points:.0f} points more than expected", cue=cue, points=points
        )
    return tell(
        "The {cue} draws {mass:.0%} of the relevance, {points:.0f} points more than expected",
        cue=cue, mass=row["mass"], points=points,
    )  # fmt: skip


def _predicts(row: Mapping[str, Any]) -> str:
    return tell("The {cue} alone tells {name} (AUROC {auroc:.2f})", **_values(row))


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    cue = cue_words(row["cue"])
    return {"cue": cue, "name": row["class_name"], "auroc": row["availability"]}


def _is_few(row: Mapping[str, Any]) -> bool:
    """Whether the class's groups are too few for a p-value."""
    known = not math.isnan(row["availability"]) and row.get("n_groups") is not None
    return known and math.isnan(row["availability_q"])


def _besides(row: Mapping[str, Any]) -> str:
    """The rest of the sentence for a cue with an effect that another cue explains."""
    if row["verdict"] == "suspected":
        return f" {_sentence(_attends(row))}"
    return f" {_sentence(_predicts(row))}" if row["verdict"] == "available" else ""


def _sentence(clause: str) -> str:
    return tell("{CLAUSE}.", CLAUSE=clause)


def _text(value: object) -> str:
    """A cell of text; null, whichever way a frame spells it, is empty."""
    return value if isinstance(value, str) else ""
