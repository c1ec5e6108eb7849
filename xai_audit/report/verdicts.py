"""The audit's answer as the page shows it: lead, cards, matrix, and what is still open."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.report.answers import (
    Finding,
    Undecided,
    decisions,
    mostly_open,
    probabilities,
    read_findings,
    undecided,
    worst_first,
)
from xai_audit.report.lead import a_budget_left_most, lead, limited_to
from xai_audit.report.plots.carriers import Doses, doses
from xai_audit.report.plots.forest import Forest, forest
from xai_audit.report.proof import proofs
from xai_audit.report.spotlight import spotlights
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import (
    ALL_CUES,
    AVAILABLE,
    CONFIRMED,
    SUSPECTED,
    UNDETERMINED,
    cue_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import Picture, ReportSettings
    from xai_audit.report.proof import Proof
    from xai_audit.run.reader import Run

# What one page can hold; evidence.parquet and groups.parquet hold everything.
MOST_CARDS, MOST_CLASSES, MOST_GROUPS = 24, 60, 60


@dataclass(frozen=True)
class Card:
    """A confirmed finding with what the page shows beside its sentence.

    Attributes:
        finding: the cell.
        with_cue: mean probability of the class with its cue, None where not kept.
        without_cue: the same with another class's cue.
        explains: words of the wider cues that this one explains.
        picture: a photo of the class, or None.
        carriers: pictures of more photos that carry the cue.
        proof: a photo with and without the cue, or None.
    """

    finding: Finding
    with_cue: float | None
    without_cue: float | None
    explains: tuple[str, ...]
    picture: Picture | None
    carriers: tuple[Picture, ...] = ()
    proof: Proof | None = None


@dataclass(frozen=True)
class MatrixRow:
    """A class and its finding for each cue of the matrix, None where not examined."""

    class_name: str
    cells: tuple[Finding | None, ...]


@dataclass(frozen=True)
class Answer:
    """Everything that the page shows of the evidence.

    Attributes:
        lead: the answer in one or two sentences.
        limited: what it is limited to, a budget or some cues; else empty.
        photos_decide: whether most is undetermined, and more photos or masks would decide it.
        verdicts: verdict -> number of findings, those of one decision counted once.
        total: number of pairs of class and cue.
        classes: how many were examined.
        decided: how many have a confirmed cue.
        cues: (name, words) of those examined, in the tables' order.
        made: words of the cues that rest on masks which a network made.
        cards: the confirmed, largest effect first, as many as shown.
        matrix: worst classes first, as many as shown.
        open: what is undetermined, most classes first.
        summary: rows of SUMMARY, every cue at once first, then the largest gap.
        groups: rows of GROUPS, lowest accuracy first, as many as shown.
        groups_left_out: how many are not shown.
        plot: the forest plot, or None.
        doses: the plot of carriers, or None.
        limits: those that the verdicts were decided with (``evidence.limits.Limits``), by name;
            empty where run.json does not have them.
    """

    lead: str
    limited: str
    photos_decide: bool
    verdicts: Counter[str]
    total: int
    classes: int
    decided: int
    cues: tuple[tuple[str, str], ...]
    made: tuple[str, ...]
    cards: tuple[Card, ...]
    matrix: tuple[MatrixRow, ...]
    open: tuple[Undecided, ...]
    summary: tuple[dict[str, Any], ...]
    groups: tuple[dict[str, Any], ...]
    groups_left_out: int
    plot: Forest | None
    doses: Doses | None
    limits: dict[str, float]


def build_answer(
    run: Run, kinds: dict[str, str], *, facts: RunFacts, settings: ReportSettings, folder: str
) -> Answer | None:
    """The answer; None where the evidence stage has not run or has to run again.

    Args:
        run: with its tables.
        kinds: method -> target kind.
        facts: of the run.
        settings: of the report.
        folder: of its pictures, relative to the report's.
    """
    findings = read_findings(run)
    if not findings:
        return None
    told = decisions(findings, tuple(facts.classes.values()))
    confirmed = worst_first([f for f in told if f.verdict == CONFIRMED])
    pictures = spotlights(
        run, confirmed[:MOST_CARDS], kinds, facts=facts, settings=settings, folder=folder
    )
    proved = proofs(run, confirmed, kinds, facts=facts, settings=settings, folder=folder)
    summary = _summary(rows_of(run.summary) if run.has("summary") else [])
    groups = rows_of(run.groups) if run.has("groups") else []
    cues = tuple((cue, cue_words(cue)) for cue in dict.fromkeys(f.cue for f in findings))
    place = {name: i for i, name in enumerate(facts.classes.values())}
    return Answer(
        lead=lead(told, summary),
        limited=limited_to(run),
        photos_decide=mostly_open(told) and not a_budget_left_most(told),
        verdicts=Counter(f.verdict for f in told),
        total=len(findings),
        classes=len({f.class_name for f in findings}),
        decided=len({name for f in confirmed for name in f.names}),
        cues=cues,
        made=tuple(dict.fromkeys(f.words for f in findings if f.masks_made)),
        cards=_cards(run, confirmed[:MOST_CARDS], findings, pictures, proved),
        matrix=tuple(matrix(findings, [cue for cue, _ in cues], place)[:MOST_CLASSES]),
        open=tuple(undecided(findings)),
        summary=tuple(summary),
        groups=tuple(_lowest(groups)[:MOST_GROUPS]),
        groups_left_out=max(0, len(groups) - MOST_GROUPS),
        plot=forest(findings),
        doses=doses(findings),
        limits=run.record.get("limits") or {},
    )


def matrix(
    findings: Iterable[Finding], cues: Sequence[str], place: dict[str, int]
) -> list[MatrixRow]:
    """A row a class, those with a confirmed cue first, the larger effect before the smaller.

    Args:
        findings: of all classes.
        cues: the columns.
        place: class -> its place in the model's order, which settles ties.
    """
    by_class: dict[str, dict[str, Finding]] = defaultdict(dict)
    for finding in findings:
        by_class[finding.class_name][finding.cue] = finding

    def worst(name: str) -> tuple[Any, ...]:
        mine = by_class[name].values()
        counts = Counter(f.verdict for f in mine)
        confirmed = [f for f in mine if f.verdict == CONFIRMED]
        surely = [f for f in confirmed if not f.may_be_object]
        effect = max((f.effect or 0.0 for f in surely or confirmed), default=0.0)
        graver = [-counts[v] for v in (SUSPECTED, AVAILABLE, UNDETERMINED)]
        last = (*graver, place.get(name, len(place)), name)
        return (not confirmed, not surely, -effect, *last)

    return [
        MatrixRow(name, tuple(by_class[name].get(cue) for cue in cues))
        for name in sorted(by_class, key=worst)
    ]


def _cards(
    run: Run,
    confirmed: Sequence[Finding],
    findings: Iterable[Finding],
    pictures: dict[tuple[str, str], list[Picture]],
    proved: dict[tuple[str, str], Proof],
) -> tuple[Card, ...]:
    known = probabilities(run, confirmed)
    explains: dict[tuple[str, str], list[str]] = defaultdict(list)
    for finding in findings:
        if finding.row["explained_by"] is not None:
            explains[finding.class_name, finding.row["explained_by"]].append(finding.words)
    cards = []
    for finding in confirmed:
        cell = finding.class_name, finding.cue
        with_cue, without_cue = known.get((*cell, finding.question), (None, None))
        others = [explains.get((name, finding.cue), []) for name in finding.names]
        explained = tuple(dict.fromkeys(words for each in others for words in each))
        first, *more = pictures.get(cell, [None])
        carriers = tuple(picture for picture in more if picture is not None)
        proof = proved.get(cell)
        cards.append(Card(finding, with_cue, without_cue, explained, first, carriers, proof))
    return tuple(cards)


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    named = [row | {"words": cue_words(row["cue"])} for row in rows]
    return sorted(named, key=lambda row: (row["cue"] != ALL_CUES, -(row["gap"] or 0.0), row["cue"]))


def _lowest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the lowest accuracy first, unknown ones last."""
    return sorted(rows, key=lambda row: 2.0 if row["accuracy"] is None else row["accuracy"])
