"""The answer of a comparison in a few lines: what is gone, what is left, what appeared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.compare.measures import ACCURACY, CORE, SIMILARITY
from xai_audit.compare.words import APPEARED, BETTER, ORDER, VANISHED, WORSE
from xai_audit.language import mark, said, say, say_n
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import CONFIRMED, are_made, cue_words, marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.compare.comparison import Comparison
    from xai_audit.compare.shared import Shared

_NAMED = 5
MEASURE_WORDS = {ACCURACY: mark("accuracy"), CORE: mark("accuracy by the object alone")}


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
        parts = [say("nothing was confirmed in {name}", name=comparison.names[0])]
    elif gone:
        parts = [_gone(len(before), gone)]
    elif left or fell:
        parts = [_none(len(before))]
    else:
        parts = []
    if left:
        named = _listed(left, is_moved=True)
        parts.append(
            say_n(
                "{number} is left: {cells}",
                "{number} are left: {cells}",
                len(left), number=len(left), cells=named,
            )
        )  # fmt: skip
    if fell:
        parts.append(
            say_n(
                "{number} fell, but is undetermined now: {cells}",
                "{number} fell, but are undetermined now: {cells}",
                len(fell), number=len(fell), cells=_listed(fell),
            )
        )  # fmt: skip
    if opened:
        parts.append(_opened(len(before), opened))
    if appeared:
        parts.append(
            say("{number} appeared: {cells}", number=len(appeared), cells=_listed(appeared))
        )
    else:
        parts.append(say("nothing appeared"))
    worse = [row for row in rows if row["word"] == WORSE and row not in left]
    if worse:
        parts.append(say("worse: {cells}", cells=_listed(worse)))
    text = say("; ").join(parts)
    return f"{text[0].upper()}{text[1:]}" + say(".")


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
    found = say(", ").join(
        say("{number} {word}", number=f"{count:,}", word=said(word))
        for word, count in counts.items()
        if count
    )
    if len(both) < len(rows):
        found += say("; {number} in one audit alone", number=f"{len(rows) - len(both):,}")
    yield say(
        "class × cue: {counts} (changes of less than {noise} are taken for noise)",
        counts=found, noise=f"{comparison.noise:g}",
    )  # fmt: skip
    table = comparison.measures
    whole = {
        row["measure"]: row
        for row in rows_of(table[(table["run"] == name) & (table["class_name"] == "")])
    }
    for measure, words in MEASURE_WORDS.items():
        if measure in whole:
            named = marked(said(words), measure == CORE and some_made(comparison, name))
            yield say("{measure} {change}", measure=named, change=moved(whole[measure]))
    if SIMILARITY in whole:
        row = whole[SIMILARITY]
        yield say(
            "rank correlation of heatmaps {value}, mean of {number} photos",
            value=f"{row['value']:.2f}", number=f"{row['n_images']:,}",
        )  # fmt: skip
    other = comparison.disagreements
    differ = other.loc[other["run"] == name, "image_id"]
    if common.photos:
        counted = {"number": f"{differ.nunique():,}", "total": f"{len(common.photos):,}"}
        if comparison.sides[0].several_labels:
            yield say(
                "{number} of {total} shared photos are decided differently for a class", **counted
            )
        else:
            yield say("{number} of {total} shared photos are predicted differently", **counted)
    yield shared_line(common)
    if common.settings:
        each = [
            say("{key} {before}, then {after}", key=key, before=before, after=after)
            for key, before, after in common.settings
        ]
        yield say("settings that differ: {settings}", settings=say("; ").join(each))


def some_made(comparison: Comparison, *names: str) -> bool:
    """Whether a network made the masks of the first run, or of those with these ``names``."""
    first, *others = comparison.sides
    sides = [first, *(side for side in others if side.name in names)]
    return any(are_made(side.run.record) for side in sides)


def moved(row: dict[str, Any]) -> str:
    """``98.0% to 97.0% (−1.0 points, 95 % interval −2.0 to +0.1; 300 shared photos)``."""
    change, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    how = say("{number} shared photos", number=f"{row['n_images']:,}")
    if row["compared"] == "unpaired":
        how = say("unpaired")
    known = {"before": f"{row['reference']:.1%}", "after": f"{row['value']:.1%}"}
    known |= {"points": points(change), "how": how}
    if low is None or high is None:
        return say("{before} to {after} ({points} points; {how})", **known)
    return say(
        "{before} to {after} ({points} points, 95 % interval {low} to {high}; {how})",
        low=points(low), high=points(high), **known,
    )  # fmt: skip


def shared_line(common: Shared) -> str:
    """What both runs have of the photos, classes and cells."""
    before, after = common.counts
    text = say(
        "shared: {photos} photos (of {before} and {after}), {classes}, {cells} class × cue",
        photos=f"{len(common.photos):,}", before=f"{before:,}", after=f"{after:,}",
        classes=say_n(
            "{number} class", "{number} classes", len(common.classes),
            number=f"{len(common.classes):,}",
        ),
        cells=f"{len(common.cells):,}",
    )  # fmt: skip
    if common.changed:
        text += say("; behind {number} names lie other photos", number=f"{common.changed:,}")
    if not common.photos:
        text += say("; without a shared photo all is compared unpaired")
    return text


def points(share: float) -> str:
    """A difference of shares in points of a percent: ``+1.3``, ``−0.2``, ``0.0``."""
    text = f"{100 * share + 0.0:+.1f}"
    return {"+0.0": "0.0", "-0.0": "0.0"}.get(text, text).replace("-", "\N{MINUS SIGN}")


def _gone(total: int, gone: Sequence[dict[str, Any]]) -> str:
    if total == 1:
        return say("the one confirmed cell is gone: {cells}", cells=_listed(gone))
    return say_n(
        "{number} of {total} confirmed cells is gone: {cells}",
        "{number} of {total} confirmed cells are gone: {cells}",
        len(gone), number=len(gone), total=total, cells=_listed(gone),
    )  # fmt: skip


def _none(total: int) -> str:
    if total == 1:
        return say("the one confirmed cell is not gone")
    return say("none of the {total} confirmed cells is gone", total=total)


def _opened(total: int, opened: Sequence[dict[str, Any]]) -> str:
    if len(opened) == total:
        return say("what became of the confirmed cannot be told: {cells}", cells=_listed(opened))
    return say(
        "what became of {number} of the {total} confirmed cannot be told: {cells}",
        number=len(opened), total=total, cells=_listed(opened),
    )  # fmt: skip


def _listed(rows: Sequence[dict[str, Any]], *, is_moved: bool = False) -> str:
    """``rose by its border``, the first few; with ``is_moved`` also what became of it."""
    named = [
        marked(
            say("{name} by its {cue}", name=row["class_name"], cue=cue_words(row["cue"])),
            row["masks_made"] is True,
        )
        + (say(" ({word})", word=said(row["word"])) if is_moved else "")
        for row in rows[:_NAMED]
    ]
    more = [say("{number} more", number=len(rows) - _NAMED)] if len(rows) > _NAMED else []
    return say(", ").join([*named, *more])
