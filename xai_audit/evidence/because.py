"""The sentence that gives the reason for a cell's verdict, with the numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.evidence.carried_words import carried, is_too_few, shared, too_few, victims
from xai_audit.evidence.effect_words import TOLD, arms, effect, moved, numbers, pull, the
from xai_audit.evidence.plan import OTHERS
from xai_audit.run.verdicts import USED_BELOW, cue_words, is_used, marked
from xai_audit.schema import CARRIER_PULL, PULL, RELIANCE, WHOLE
from xai_audit.statistics.clusters import MIN_CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.evidence.verdict import Limits

_MANY = 500
_FORWARDS = " (evidence.max_forwards)"


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
        if several := row.get("redundant"):
            told = f"{several.words} explain this, each enough alone"
            return f"{_change(row)}, but {told}: {several.told(row['class_name'])}.{_besides(row)}"
        return f"{_change(row)}, but {the(by)} explains this.{_besides(row)}"
    sentence = {
        "confirmed": _confirmed,
        "suspected": _suspected,
        "available": _available,
        "undetermined": _undetermined,
    }
    text = sentence.get(row["verdict"], _clear)(row, limits)
    return f"{text}{arms(row) if row['way'] == 'added' else _object(row, limits)}"


def _confirmed(row: Mapping[str, Any], limits: Limits) -> str:
    also = _predicts(row)
    known = row["availability"] >= limits.availability and row["availability_q"] <= limits.q
    tail = f"; {also[0].lower()}{also[1:]}" if known else ""
    if row["question"] == CARRIER_PULL:
        return f"{carried(row)}{tail}.{victims(row)}"
    if several := row.get("redundant"):
        told = f"Of {several.words} each is enough alone: {several.told(row['class_name'])}"
        return f"{_change(row)}{tail}. {told}."
    pulled = victims(row) if row["question"] == PULL else ""
    return f"{_change(row)}{tail}.{shared(row)}{pulled}"


def _suspected(row: Mapping[str, Any], limits: Limits) -> str:
    return f"{_attends(row)}. {effect(row)}, {_short_of(row, limits)}."


def _available(row: Mapping[str, Any], limits: Limits) -> str:
    if row["way"] == "none":
        return f"{_predicts(row)}; it is not in the pixels, so a use of it cannot be tested."
    return f"{_predicts(row)}. {effect(row)}, {_short_of(row, limits)}."


def _clear(row: Mapping[str, Any], limits: Limits) -> str:
    if row["way"] == "none":
        return f"{_The(row)} does not reliably tell {row['class_name']} ({_auroc(row)}{_few(row)})."
    known = []
    if not math.isnan(row["availability"]):
        known.append(f"does not reliably tell the class ({_auroc(row)}{_few(row)})")
    elif row.get("n_groups") == 1:
        known.append("may tell the class or the one group that all its photos are of")
    if row.get("attention_trusted") is False:
        known.append(f"is not judged by its relevance: {row['method']}'s maps fail randomisation")
    elif not math.isnan(row["attention"]):
        known.append(f"draws no reliable extra relevance ({100 * row['attention']:+.0f} points)")
    also = f"; it {' and '.join(known)}" if known else ""
    return f"{effect(row)}, {_short_of(row, limits)}{also}."


def _undetermined(row: Mapping[str, Any], limits: Limits) -> str:
    cue, name, count = the(row["cue"]), row["class_name"], int(row["n_images"])
    if row["way"] == "none":
        if row.get("n_groups") == 1:
            return (
                f"All usable photos of {name} are of one group, so whether {cue} tells {name} or "
                "that group cannot be said; photos of a second group are needed."
            )
        return f"Too few usable images to say whether {cue} tells {name}; 5 would do."
    if why := _text(row.get("why")):
        return f"Whether {name} rests on {cue} could not be measured: {why.rstrip('.')}."
    if is_too_few(row, limits.reliance):
        return too_few(row)
    if count < limits.min_images or math.isnan(row["reliance"]):
        if row["n_read"] < limits.min_images:  # too few to pair, so that none was measured
            count = max(count, int(row["n_read"]))
        images = "image" if count == 1 else "images"
        return (
            f"Only {count} usable {images} to say whether {name} rests on {cue}; "
            f"at least {limits.min_images} are needed."
        )
    if math.isnan(row["reliance_high"]):
        groups = "1 group" if row["n_clusters"] == 1 else f"{int(row['n_clusters'])} groups"
        return (
            f"Only {count} images from {groups} to say whether {name} rests on {cue}; "
            f"images from at least {MIN_CLUSTERS} groups are needed."
        )
    if row["reliance_low"] >= limits.reliance:
        why = f"above the limit of {limits.reliance:.2f}, but chance may explain it"
        return f"{effect(row)}, {why} (q {row['reliance_q']:.2f}); {_enough(row, limits)}."
    return (
        f"{effect(row)}, an interval that reaches the limit of {limits.reliance:.2f}; "
        f"{_enough(row, limits)}."
    )


def _enough(row: Mapping[str, Any], limits: Limits) -> str:
    """How many images would decide, and where they are.

    So many as put the interval on one side of the limit; where it is above already, so many as
    lower the p-value far enough: each image halves the least that a test of signs can give.
    """
    if left := int(row.get("left_forwards") or 0):
        return f"the budget of forwards was spent before, and {left} were left out{_FORWARDS}"
    gap, count = abs(row["reliance"] - limits.reliance), int(row["n_images"])
    needed = (2 * row["sd"] / gap) ** 2 if gap > 0 else math.inf
    if row["reliance_low"] >= limits.reliance:
        needed = count + math.log2(max(row["reliance_q"] / limits.q, 1))
    if needed < _MANY:
        needed = 10 * math.ceil(max(needed, count + 1) / 10)
        text = f"about {needed:.0f} images would decide"
    else:
        text = f"more than {_MANY} images would decide"
    # Measured on others, the images are of other classes.
    if row["measured_on"] == OTHERS or needed <= row["n_read"]:
        return text + _more(row)
    if row.get("sampled"):
        return f"{text} (evidence.read_per_class, evidence.images_per_class)"
    return f"{text}; the class has {int(row['n_read'])} usable"


def _change(row: Mapping[str, Any]) -> str:
    """The effect of the question that confirmed a row."""
    if row["question"] == CARRIER_PULL:
        return carried(row)
    return pull(row) if row["question"] == PULL else effect(row)


def _more(row: Mapping[str, Any]) -> str:
    """The key that tests more images, where the plan's number of them limited the test."""
    return " (evidence.images_per_class)" if row["n_images"] >= row["wanted"] else ""


def _object(row: Mapping[str, Any], limits: Limits) -> str:
    """What of a property's effect is the object's own, or may be for want of masks."""
    used = row["verdict"] == "confirmed" or USED_BELOW in _short_of(row, limits)
    if row.get("object_included") is True:
        text = " Without object masks whole photos were changed, so it may be the object's own."
        return text if used else ""
    effect, low, high = (row.get(f"{WHOLE}{end}", math.nan) for end in ("", "_low", "_high"))
    if not low * high > 0 or not (used or abs(effect) >= TOLD):  # NaN is not above 0
        return ""
    given = row["measured_on"] == OTHERS or math.isnan(row["reliance"])
    ways = ("raises", "lowers") if given else ("lowers", "raises")
    change = f"{moved(effect, *ways, row['class_name'])}{numbers(row, WHOLE, '')}"
    share = min(max(row["object_share"], 0), 1)
    own = "" if math.isnan(row["object_share"]) else f": {share:.0%} of that is the object's own"
    return f" Changed on the whole photo, the object included, it {change}{own}."


def _short_of(row: Mapping[str, Any], limits: Limits) -> str:
    question = PULL if math.isnan(row["reliance"]) else RELIANCE
    if is_used(row[f"{question}_low"], row[f"{question}_q"], limits.q):
        return f"so it is {USED_BELOW} of {limits.reliance:.2f}"
    if row["reliance"] >= limits.reliance:
        return f"which chance may explain (q {row['reliance_q']:.2f})"
    return f"below the limit of {limits.reliance:.2f}"


def _attends(row: Mapping[str, Any]) -> str:
    points = f"{100 * row['attention']:.0f} points more than expected"
    share = "" if math.isnan(row["mass"]) else f"{row['mass']:.0%} of the relevance, "
    return f"{_The(row)} draws {share}{points}"


def _predicts(row: Mapping[str, Any]) -> str:
    return f"{_The(row)} alone tells {row['class_name']} ({_auroc(row)})"


def _few(row: Mapping[str, Any]) -> str:
    """That the class's groups are too few for a p-value, where they are."""
    known = not math.isnan(row["availability"]) and row.get("n_groups") is not None
    if not known or not math.isnan(row["availability_q"]):
        return ""
    return f", of {int(row['n_groups'])} groups, too few to exclude chance"


def _besides(row: Mapping[str, Any]) -> str:
    """The rest of the sentence for a cue with an effect that another cue explains."""
    if row["verdict"] == "suspected":
        return f" {_attends(row)}."
    return f" {_predicts(row)}." if row["verdict"] == "available" else ""


def _auroc(row: Mapping[str, Any]) -> str:
    return f"AUROC {row['availability']:.2f}"


def _The(row: Mapping[str, Any]) -> str:  # noqa: N802 - the capital is what it is for
    return f"The {cue_words(row['cue'])}"


def _text(value: object) -> str:
    """A cell of text; null, whichever way a frame spells it, is empty."""
    return value if isinstance(value, str) else ""
