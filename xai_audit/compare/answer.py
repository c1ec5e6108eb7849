"""The answer of a comparison in a few lines: what is gone, what is left, what appeared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.compare.measures import ACCURACY, CORE, SIMILARITY
from xai_audit.compare.words import APPEARED, BETTER, ORDER, VANISHED, WORSE
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import CONFIRMED, are_made, cue_words, marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.compare.comparison import Comparison
    from xai_audit.compare.shared import Shared

_NAMED = 5


def lines(comparison: Comparison) -> list[str]:
    """The answer first, then what it rests on; of several runs each with its name."""
    found = []
    for name, common in zip(comparison.names[1:], comparison.common, strict=True):
        head = f"{name}: " if len(comparison.names) > 2 else ""
        texts = [lead(comparison, name), *facts(comparison, name, common)]
        found += [f"{head}{text}" for text in texts]
    return found


def lead(comparison: Comparison, name: str) -> str:
    """What became of the confirmed cells: ``2 of 3 are gone: ...; 1 is left: ...``."""
    rows = cells(comparison, name)
    before = [row for row in rows if row["verdict_reference"] == CONFIRMED]
    gone = [row for row in before if row["word"] == VANISHED]
    left = [row for row in before if row not in gone and row["verdict"] == CONFIRMED]
    fell = [row for row in before if row["word"] == BETTER and row not in left]
    opened = [row for row in before if row not in gone and row not in left and row not in fell]
    appeared = [row for row in rows if row["word"] == APPEARED]
    if not before:
        parts = [f"nothing was confirmed in {comparison.names[0]}"]
    elif gone:
        parts = [f"{_of(len(gone), len(before))} gone: {_listed(gone)}"]
    elif left or fell:
        parts = [_none(len(before))]
    else:
        parts = []
    if left:
        parts.append(f"{len(left)} {_be(left)} left: {_listed(left, is_moved=True)}")
    if fell:
        parts.append(f"{len(fell)} fell, but {_be(fell)} undetermined now: {_listed(fell)}")
    if opened:
        some = f"{len(opened)} of the {len(before)}" if len(opened) < len(before) else "the"
        parts.append(f"what became of {some} confirmed cannot be told: {_listed(opened)}")
    new = f"{len(appeared)} appeared: {_listed(appeared)}" if appeared else "nothing appeared"
    parts.append(new)
    worse = [row for row in rows if row["word"] == WORSE and row not in left]
    if worse:
        parts.append(f"worse: {_listed(worse)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def cells(comparison: Comparison, name: str) -> list[dict[str, Any]]:
    """The cells of one run, by word, then the largest difference first; None where null."""
    table = comparison.table
    rows = rows_of(table[table["run"] == name])
    rows.sort(key=lambda row: (ORDER.index(row["word"]), -abs(row["difference"] or 0.0)))
    return rows


def facts(comparison: Comparison, name: str, common: Shared) -> Iterator[str]:
    """Words counted, accuracies, disagreements, what is shared and which settings differ."""
    rows = cells(comparison, name)
    both = [row for row in rows if row["verdict"] and row["verdict_reference"]]
    counts = {word: sum(row["word"] == word for row in both) for word in ORDER}
    said = [f"{count:,} {word}" for word, count in counts.items() if count]
    alone = f"; {len(rows) - len(both):,} in one audit alone" if len(both) < len(rows) else ""
    noise = f"changes of less than {comparison.noise:g} are taken for noise"
    yield f"class × cue: {', '.join(said)}{alone} ({noise})"
    table = comparison.measures
    whole = {
        row["measure"]: row
        for row in rows_of(table[(table["run"] == name) & (table["class_name"] == "")])
    }
    by_object = marked("accuracy by the object alone", some_made(comparison, name))
    for measure, words in ((ACCURACY, "accuracy"), (CORE, by_object)):
        if measure in whole:
            yield f"{words} {moved(whole[measure])}"
    if SIMILARITY in whole:
        row = whole[SIMILARITY]
        yield f"rank correlation of heatmaps {row['value']:.2f}, mean of {row['n_images']:,} photos"
    other = comparison.disagreements
    differ = other.loc[other["run"] == name, "image_id"]
    if common.photos:
        several = comparison.sides[0].several_labels
        how = "decided differently for a class" if several else "predicted differently"
        yield f"{differ.nunique():,} of {len(common.photos):,} shared photos are {how}"
    yield shared_line(common)
    if common.settings:
        yield f"settings that differ: {'; '.join(common.settings)}"


def some_made(comparison: Comparison, *names: str) -> bool:
    """Whether a network made the masks of the first run, or of those with these ``names``."""
    first, *others = comparison.sides
    sides = [first, *(side for side in others if side.name in names)]
    return any(are_made(side.run.record) for side in sides)


def moved(row: dict[str, Any]) -> str:
    """``98.0% to 97.0% (−1.0 points, 95 % interval −2.0 to +0.1; 300 shared photos)``."""
    ends = [row[f"difference{end}"] for end in ("", "_low", "_high")]
    text = f"{row['reference']:.1%} to {row['value']:.1%} ({points(ends[0])} points"
    if None not in ends:
        text += f", 95 % interval {points(ends[1])} to {points(ends[2])}"
    how = "unpaired" if row["compared"] == "unpaired" else f"{row['n_images']:,} shared photos"
    return f"{text}; {how})"


def shared_line(common: Shared) -> str:
    """What both runs have of the photos, classes and cells."""
    before, after = common.counts
    photos = f"{len(common.photos):,} photos (of {before:,} and {after:,})"
    classes = f"{len(common.classes):,} class{'es' * (len(common.classes) != 1)}"
    text = f"shared: {photos}, {classes}, {len(common.cells):,} class × cue"
    if common.changed:
        text += f"; behind {common.changed:,} names lie other photos"
    if not common.photos:
        text += "; without a shared photo all is compared unpaired"
    return text


def points(share: float) -> str:
    """A difference of shares in points of a percent: ``+1.3``, ``−0.2``, ``0.0``."""
    text = f"{100 * share + 0.0:+.1f}"
    return {"+0.0": "0.0", "-0.0": "0.0"}.get(text, text).replace("-", "\N{MINUS SIGN}")


def _of(count: int, total: int) -> str:
    whole = "the one confirmed cell is" if total == 1 else None
    return whole or f"{count} of {total} confirmed cells {'is' if count == 1 else 'are'}"


def _none(count: int) -> str:
    if count == 1:
        return "the one confirmed cell is not gone"
    return f"none of the {count} confirmed cells is gone"


def _be(rows: Sequence[object]) -> str:
    return "is" if len(rows) == 1 else "are"


def _listed(rows: Sequence[dict[str, Any]], *, is_moved: bool = False) -> str:
    """``rose by its border``, the first few; with ``is_moved`` also what became of it."""
    named = [
        marked(f"{row['class_name']} by its {cue_words(row['cue'])}", row["masks_made"] is True)
        + (f" ({row['word']})" if is_moved else "")
        for row in rows[:_NAMED]
    ]
    more = [f"{len(rows) - _NAMED} more"] if len(rows) > _NAMED else []
    return ", ".join([*named, *more])
