"""Words for what is undetermined: what is missing, and how many images would decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.evidence.carried_words import is_too_few, too_few
from xai_audit.evidence.effect_words import effect
from xai_audit.evidence.plan import OTHERS
from xai_audit.language import tell
from xai_audit.run.verdicts import cue_words
from xai_audit.statistics.clusters import MIN_CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.evidence.verdict import Limits

_MANY = 500


def undetermined(row: Mapping[str, Any], limits: Limits) -> str:
    """Why too little is known of a cell, and how many images would decide."""
    cue, name, count = cue_words(row["cue"]), row["class_name"], int(row["n_images"])
    cell = {"name": name, "cue": cue}
    if row["way"] == "none":
        if row.get("n_groups") == 1:
            return tell(
                "All usable photos of {name} are of one group, so whether the {cue} tells {name} "
                "or that group cannot be said; photos of a second group are needed.",
                **cell,
            )
        return tell(
            "Too few usable images to say whether the {cue} tells {name}; 5 would do.", **cell
        )
    if isinstance(why := row.get("why"), str) and why:
        return tell(
            "Whether {name} rests on the {cue} could not be measured: {why}.",
            why=why.rstrip("."), **cell,
        )  # fmt: skip
    if is_too_few(row, limits.reliance):
        return too_few(row)
    if count < limits.min_images or math.isnan(row["reliance"]):
        if row["n_read"] < limits.min_images:  # too few to pair, so that none was measured
            count = max(count, int(row["n_read"]))
        least = limits.min_images
        if count == 1:
            return tell(
                "Only 1 usable image to say whether {name} rests on the {cue}; at least {least:d} "
                "are needed.",
                least=least, **cell,
            )  # fmt: skip
        return tell(
            "Only {n:d} usable images to say whether {name} rests on the {cue}; at least "
            "{least:d} are needed.",
            n=count, least=least, **cell,
        )  # fmt: skip
    if math.isnan(row["reliance_high"]):
        return _of_groups(row, cell)
    told = {"CHANGE": effect(row), "ENOUGH": _enough(row, limits)}
    if row["reliance_low"] >= limits.reliance:
        return tell(
            "{CHANGE}, above the limit of {limit:.2f}, but chance may explain it (q {q:.2f}); "
            "{ENOUGH}.",
            limit=limits.reliance, q=row["reliance_q"], **told,
        )  # fmt: skip
    return tell(
        "{CHANGE}, an interval that reaches the limit of {limit:.2f}; {ENOUGH}.",
        limit=limits.reliance, **told,
    )  # fmt: skip


def _of_groups(row: Mapping[str, Any], cell: Mapping[str, str]) -> str:
    """That the images are of too few groups."""
    count = int(row["n_images"])
    groups, least = int(row["n_clusters"]), MIN_CLUSTERS
    if groups == 1:
        return tell(
            "Only {n:d} images from 1 group to say whether {name} rests on the {cue}; images "
            "from at least {least:d} groups are needed.",
            n=count, least=least, **cell,
        )  # fmt: skip
    return tell(
        "Only {n:d} images from {groups:d} groups to say whether {name} rests on the {cue}; "
        "images from at least {least:d} groups are needed.",
        n=count, groups=groups, least=least, **cell,
    )  # fmt: skip


def _enough(row: Mapping[str, Any], limits: Limits) -> str:
    """How many images would decide, and where they are.

    So many as put the interval on one side of the limit; where it is above already, so many as
    lower the p-value far enough: each image halves the least that a test of signs can give.
    """
    if left := int(row.get("left_forwards") or 0):
        return tell(
            "the budget of forwards was spent before, and {left:d} were left out "
            "(evidence.max_forwards)",
            left=left,
        )
    gap, count = abs(row["reliance"] - limits.reliance), int(row["n_images"])
    needed = (2 * row["sd"] / gap) ** 2 if gap > 0 else math.inf
    if row["reliance_low"] >= limits.reliance:
        needed = count + math.log2(max(row["reliance_q"] / limits.q, 1))
    if needed < _MANY:
        needed = 10 * math.ceil(max(needed, count + 1) / 10)
        text = tell("about {needed:d} images would decide", needed=needed)
    else:
        text = tell("more than {many:d} images would decide", many=_MANY)
    # Measured on others, the images are of other classes.
    if row["measured_on"] == OTHERS or needed <= row["n_read"]:
        if row["n_images"] >= row["wanted"]:  # the plan's number of them limited the test
            return tell("{ENOUGH} (evidence.images_per_class)", ENOUGH=text)
        return text
    if row.get("sampled"):
        return tell("{ENOUGH} (evidence.read_per_class, evidence.images_per_class)", ENOUGH=text)
    return tell("{ENOUGH}; the class has {n:d} usable", ENOUGH=text, n=int(row["n_read"]))
