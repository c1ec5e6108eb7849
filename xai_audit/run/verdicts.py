"""What tables say, for every reader: the gravest verdict, the target kind to show, plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.language import mark, said, say
from xai_audit.run.files import scan
from xai_audit.schema import (
    CONFIRMING,
    DISCOVERED,
    MADE,
    PREFERRED_KINDS,
    PULL,
    RELIANCE,
    WHOLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from xai_audit.run.reader import Run

CONFIRMED, SUSPECTED = mark("confirmed"), mark("suspected")
AVAILABLE, CLEAR, UNDETERMINED = mark("available"), mark("clear"), mark("undetermined")
# The verdicts, gravest first: undetermined is graver than clear.
GRAVITY = (CONFIRMED, SUSPECTED, AVAILABLE, UNDETERMINED, CLEAR)
_CELL = ["class_name", "cue"]
_SHOWN = [
    *(*_CELL, "verdict", "effect", "effect_low", "effect_high"),
    *("question", "explained_by", "because"),
]
# What an unconfirmed cell is whose effect is significant.
USED_BELOW = mark("used, below the limit")
# The cue of summary.parquet that stands for every cue at once.
ALL_CUES = "all"
_WORDS = {
    "corner_top_left": mark("top left corner"),
    "corner_top_right": mark("top right corner"),
    "corner_bottom_left": mark("bottom left corner"),
    "corner_bottom_right": mark("bottom right corner"),
    ALL_CUES: mark("all cues at once"),
    "colour": mark("colour cast"),
    "jpeg_quality": mark("JPEG quality"),
    "file": mark("file metadata"),
    "object": mark("object"),
    "background": mark("background"),
    "border": mark("border"),
    "brightness": mark("brightness"),
    "contrast": mark("contrast"),
    "sharpness": mark("sharpness"),
    "resolution": mark("resolution"),
    "aspect_ratio": mark("aspect ratio"),
    "stamp": mark("stamp"),
}


def gravest(evidence: pd.DataFrame) -> pd.DataFrame:
    """One row a class and cue, in the table's order: of several methods the gravest verdict's.

    ``shown_question`` is the question that ``because`` gives the effect of: the one that
    confirmed (also carriers' alone), else ``reliance``, else ``pull`` where only that was measured.
    ``effect``, ``effect_low`` and ``effect_high`` are its estimate and 95 % interval, a change of
    probability.

    Args:
        evidence: rows of ``schema.EVIDENCE``.
    """
    ranked = evidence.assign(
        gravity=evidence["verdict"].map({verdict: n for n, verdict in enumerate(GRAVITY)}),
        by=evidence["method"].fillna(""),
        place=evidence.groupby(_CELL, sort=False).ngroup(),
    )
    ranked = ranked.sort_values(["place", "gravity", "by"], kind="stable")
    rows = ranked.drop_duplicates(_CELL).drop(columns=["gravity", "by", "place"])
    rows = rows.reset_index(drop=True)
    measured = rows[RELIANCE].notna() | rows[PULL].isna()
    rows["shown_question"] = rows["question"].where(
        rows["question"].notna(), measured.map({True: RELIANCE, False: PULL})
    )
    for end in ("", "_low", "_high"):
        rows[f"effect{end}"] = rows[f"{RELIANCE}{end}"]
        for question in CONFIRMING[1:]:
            shown = rows["shown_question"] == question
            rows[f"effect{end}"] = rows[f"{question}{end}"].where(shown, rows[f"effect{end}"])
    return rows


def is_used(low: float | None, q: float | None, most: float) -> bool:
    """Whether an effect is above 0: its whole 95 % interval is, and q is at most ``most``.

    A cell that is not confirmed and has such an effect is "used, below the limit".
    """
    return low is not None and q is not None and low > 0 and q <= most


def person_view(evidence: pd.DataFrame) -> pd.DataFrame:
    """The main columns of :func:`gravest`, sorted by verdict (gravest first), then by effect.

    What may be the object's own comes after what is not, whatever its effect.
    """
    rows = gravest(evidence)
    order = rows.assign(
        gravity=rows["verdict"].map({verdict: n for n, verdict in enumerate(GRAVITY)}),
        included=rows["object_included"].map(lambda known: known is True)
        | (rows["question"] == WHOLE),
        size=-rows["effect"].fillna(float("-inf")),
    )
    order = order.sort_values(["gravity", "included", "size", *_CELL], kind="stable")
    return order[_SHOWN].reset_index(drop=True)


def preferred_kind(kinds: Iterable[str]) -> str | None:
    """The first of ``schema.PREFERRED_KINDS`` that is among ``kinds``; None where none is."""
    known = {*kinds}
    return next((kind for kind in PREFERRED_KINDS if kind in known), None)


def preferred_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Method -> its preferred target kind, else the alphabetically first; methods in order.

    Args:
        frame: with ``method`` and ``target_kind``.
    """
    pairs = frame[["method", "target_kind"]].drop_duplicates()
    return {
        str(method): preferred_kind(kinds) or min(kinds)
        for method, kinds in pairs.groupby("method")["target_kind"]
    }


def kinds_in(files: Sequence[Path], schema: pa.Schema) -> dict[str, str]:
    """Method -> the target kind that tables use, of all rows of ``files``.

    Raises:
        OutputError: a file cannot be read.
    """
    import pandas as pd

    columns = ["method", "target_kind"]
    seen = [frame.drop_duplicates() for frame in scan(files, schema, columns)]
    return preferred_kinds(pd.concat(seen)) if seen else {}


def kinds_of_run(run: Run) -> dict[str, str]:
    """Method -> the target kind that flags and tables use, in the methods' alphabetical order.

    Raises:
        OutputError: the scores are missing or broken.
    """
    import pandas as pd

    seen = [f.drop_duplicates() for f in run.scan("scores", ["method", "target_kind"])]
    return preferred_kinds(pd.concat(seen)) if seen else {}


def of_kinds(kinds: dict[str, str]) -> ds.Expression:
    """The filter that keeps each method's rows of its preferred target kind."""
    where = ds.scalar(False)
    for method, kind in kinds.items():
        where = where | ((ds.field("method") == method) & (ds.field("target_kind") == kind))
    return where


def cue_words(cue: str) -> str:
    """A cue in plain words: ``corner_top_right`` is the "top right corner".

    A user's own cue, named by the import path of its class, goes by the last part of that name.
    """
    if cue.startswith(DISCOVERED):
        return say("discovered region {number}", number=cue.removeprefix(DISCOVERED))
    return said(_WORDS.get(cue, cue.replace(":", ".").rpartition(".")[2].replace("_", " ")))


_MADE = " (by masks that a network made)"  # as marked() says it in English


def are_made(record: Mapping[str, Any]) -> bool:
    """Whether a network made the masks of a run, by its ``run.json``."""
    return bool((record.get("masks") or {}).get("origin") == MADE)


def marked(sentence: str, made: bool) -> str:
    """``sentence``, marked before its full stop where the masks that it rests on were ``made``."""
    if not made:
        return sentence
    stop = next((stop for stop in (".", "。") if sentence.endswith(stop)), "")
    text = say("{sentence} (by masks that a network made)", sentence=sentence.removesuffix(stop))
    return f"{text}{stop}"


def unmarked(sentence: str) -> str | None:
    """The English ``sentence`` without its mark of made masks; None where it has none."""
    stop = "." if sentence.endswith(".") else ""
    plain = sentence.removesuffix(stop)
    return f"{plain.removesuffix(_MADE)}{stop}" if plain.endswith(_MADE) else None
