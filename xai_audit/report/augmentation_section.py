"""The section on changed photos: which augmentations change decisions, maps and masses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.language import say, say_n
from xai_audit.report.answers import read_findings
from xai_audit.report.words import BY_MASKS, percent, two
from xai_audit.run.verdicts import CONFIRMED, cue_words, marked
from xai_audit.schema import OK, REGIONS
from xai_audit.statistics.shares import wilson_interval

if TYPE_CHECKING:
    import pandas as pd

    from xai_audit.report.facts import RunFacts
    from xai_audit.run.reader import Run

_NAMED = 2  # classes of a region
_SAID = 3  # augmentations in the sentence that change decisions
_KEY = ["augmentation", "strength"]


@dataclass(frozen=True)
class Changed:
    """The section.

    Attributes:
        sentence: how many decisions change, the augmentation that changes most first.
        n: photos of the sample that were decided.
        accuracy: of them as they are; None without labels.
        method: of the maps; None where none were compared.
        regions: region of a confirmed cue -> its words and classes.
        rows: an augmentation each, in the order of the sentence: ``words``, ``changed``, ``n``,
            ``low`` and ``high`` of the share, ``accuracy``, ``correlation`` and ``overlap`` (value
            and floor, or None), ``masses`` (region -> before, after and number of photos, or None).
    """

    sentence: str
    n: int
    accuracy: float | None
    method: str | None
    regions: dict[str, str]
    rows: tuple[dict[str, Any], ...]


def augmentation(run: Run, facts: RunFacts) -> Changed | None:
    """The section, None where no photo was changed.

    Raises:
        OutputError: a table is broken.
    """
    frame = _decided(run)
    if frame is None:
        return None
    regions = _confirmed(run)
    parts = _by_share(frame)
    once = frame.drop_duplicates("image_id")
    methods = frame["method"].dropna()
    return Changed(
        sentence=_sentence(parts),
        n=len(once),
        accuracy=_accuracy(once, "pred"),
        method=None if methods.empty else str(methods.iloc[0]),
        regions={
            region: _heading(
                region,
                facts.classes_first(names),
                made=facts.masks_made and region in BY_MASKS,
            )
            for region, names in regions.items()
        },
        rows=tuple(_row(words, part, regions) for words, part in parts),
    )


def augmentation_words(run: Run) -> str:
    """How many decisions of a sample change under which augmentations; empty where unknown."""
    frame = _decided(run)
    return "" if frame is None else _sentence(_by_share(frame))


def _decided(run: Run) -> pd.DataFrame | None:
    """The rows with a decision before and after."""
    frame = run.augmentation if run.has("augmentation") else None
    frame = None if frame is None else frame[frame["status"] == OK]
    return None if frame is None or frame.empty else frame


def _by_share(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each augmentation in words with its rows, the largest share of changed decisions first."""
    found = [
        (_words(str(name), float(str(strength))), rows)
        for (name, strength), rows in frame.groupby(_KEY, sort=False)
    ]
    return sorted(found, key=lambda part: -_share(part[1]))


def _share(rows: pd.DataFrame) -> float:
    return float(rows["changed"].astype(bool).mean())


def _words(name: str, strength: float) -> str:
    """``rotated by 15°``."""
    number = f"{strength:g}"
    return {
        "flip": say("flipped left to right"),
        "crop": say("cropped to the middle {share}", share=percent(1 - strength)),
        "rotate": say("rotated by {number}°", number=number),
        "colour": say("recoloured by up to {share}", share=percent(strength)),
        "blur": say("blurred by {number} px", number=number),
        "noise": say("covered with noise of {number} grey levels", number=number),
    }.get(name, f"{name} {number}")


def _sentence(parts: list[tuple[str, pd.DataFrame]]) -> str:
    """``Of 32 photos 9 are decided otherwise when rotated by 15°, ...``."""
    counts = [(words, int(rows["changed"].astype(bool).sum()), len(rows)) for words, rows in parts]
    n = max(size for _, _, size in counts)
    some = [(words, k) for words, k, _ in counts if k]
    none = [words for words, k, _ in counts if not k]
    if n == 1 and some:
        changes = _either([words for words, _ in some])
        return say(
            "The one photo that was changed is decided otherwise when {changes}.", changes=changes
        )
    if n == 1:
        return say(
            "The one photo that was changed is decided as before when {changes}.",
            changes=_either(none),
        )
    if not some:
        return say(
            "Of {total} photos none is decided otherwise when {changes}.",
            total=n, changes=_either(none),
        )  # fmt: skip
    (first, k), *others = some
    text = say_n(
        "Of {total} photos {number} is decided otherwise when {change}",
        "Of {total} photos {number} are decided otherwise when {change}",
        k, total=n, number=k, change=first,
    )  # fmt: skip
    for words, k in others[: _SAID - 1]:
        text += say(", {number} when {change}", number=k, change=words)
    if less := others[_SAID - 1 :]:
        changes = _either([words for words, _ in less])
        text += say(", as many or fewer when {changes}", changes=changes)
    if none:
        text += say("; none when {changes}", changes=_either(none))
    return text + say(".")


def _either(parts: list[str]) -> str:
    """``a, b or c``."""
    if len(parts) < 2:
        return "".join(parts)
    return say("{first} or {last}", first=say(", ").join(parts[:-1]), last=parts[-1])


def _confirmed(run: Run) -> dict[str, list[str]]:
    """Region -> classes that are confirmed to be decided by it."""
    found: dict[str, list[str]] = {}
    for finding in read_findings(run):
        if finding.verdict == CONFIRMED and finding.cue in REGIONS:
            found.setdefault(finding.cue, []).append(finding.class_name)
    return {region: found[region] for region in REGIONS if region in found}


def _heading(region: str, names: list[str], *, made: bool) -> str:
    named = say(", ").join(names[:_NAMED])
    if len(names) > _NAMED:
        named += say(" and {number} more", number=len(names) - _NAMED)
    return marked(say("{cue} of {names}", cue=cue_words(region), names=named), made)


def _row(words: str, rows: pd.DataFrame, regions: dict[str, list[str]]) -> dict[str, Any]:
    share = _share(rows)
    low, high = wilson_interval(share, len(rows))
    return {
        "words": words,
        "changed": int(rows["changed"].astype(bool).sum()),
        "n": len(rows),
        "low": low,
        "high": high,
        "accuracy": _accuracy(rows, "pred_after"),
        "correlation": _beside(rows, "rank_correlation"),
        "overlap": _beside(rows, "overlap"),
        "masses": {
            region: _mass(rows[rows["class_name"].isin(names)], region)
            for region, names in regions.items()
        },
    }


def _accuracy(rows: pd.DataFrame, column: str) -> float | None:
    known = rows[rows["label"].notna() & (rows["label"] >= 0)]
    return None if known.empty else float((known[column] == known["label"]).mean())


def _beside(rows: pd.DataFrame, name: str) -> tuple[str, str] | None:
    """The mean over photos in words and that of its floor; None where no map was compared."""
    both = rows[[name, f"{name}_floor"]].dropna().astype(np.float64)
    if both.empty:
        return None
    value, floor = both.mean().tolist()
    return two(value), two(floor)


def _mass(rows: pd.DataFrame, region: str) -> dict[str, Any] | None:
    """Mean mass before and after of the photos where both are known."""
    both = rows[[f"mass_{region}", f"mass_{region}_after"]].dropna().astype(np.float64)
    if both.empty:
        return None
    before, after = both.mean().tolist()
    return {"before": before, "after": after, "n": len(both)}
