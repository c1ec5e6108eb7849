"""What a budget of forwards left open: which of several confirmed cues of a class it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.language import tell
from xai_audit.run.verdicts import CONFIRMED, cue_words

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd


def with_untold(judged: pd.DataFrame, asked: Collection[str]) -> pd.DataFrame:
    """A copy whose ``because`` says where a class's confirmed cues were not told apart.

    Cues that overlap are confirmed together: a frame is a part of the background.

    Args:
        judged: the rows of EVIDENCE, of an audit with a budget of forwards.
        asked: the classes of which each confirmed cue was measured with each other's content.
    """
    # What is put on for a test overlaps nothing that a photo has.
    confirmed = judged[(judged["verdict"] == CONFIRMED) & (judged["way"] != "added")]
    cues = confirmed.groupby("class_name")["cue"].unique().to_dict()
    told = judged["because"].copy()
    for at, name, cue in zip(
        confirmed.index, confirmed["class_name"], confirmed["cue"], strict=True
    ):
        others = [cue_words(other) for other in cues[name] if other != cue]
        if others and name not in asked:
            told[at] += " " + _untold(others)
    return judged.assign(because=told)


def _untold(others: list[str]) -> str:
    some = tell("the {cue}", cue=others[0])
    for other in others[1:]:
        some = tell("{SOME} or {OTHER}", SOME=some, OTHER=tell("the {cue}", cue=other))
    return tell(
        "Whether it is not rather {CUES} was not asked: the budget of forwards was spent before "
        "(evidence.max_forwards).",
        CUES=some,
    )
