"""The answer of a run in short: what the log of a command ends with, and what a notebook shows."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.config.nodes import STAGES
from xai_audit.language import say
from xai_audit.report.accuracy import accuracy
from xai_audit.report.answers import (
    Finding,
    decisions,
    read_findings,
    undecided,
    worst_first,
)
from xai_audit.report.augmentation_section import augmentation_words
from xai_audit.report.decided import decided
from xai_audit.report.facts import read_facts
from xai_audit.report.lead import lead, limited_to
from xai_audit.report.sections import trust
from xai_audit.report.words import two
from xai_audit.run.files import rows_of
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import CONFIRMED, GRAVITY, marked
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.paths import RunPaths

log = logging.getLogger(__name__)

_SHOWN = 6  # confirmed findings
_OPEN = 2  # cues with what is undetermined of them


@dataclass(frozen=True)
class InShort:
    """The answer of a run in a screen.

    Attributes:
        lead: the answer in one or two sentences.
        findings: the confirmed, largest effect first, as many as shown.
        more: how many confirmed ones are not shown.
        facts: which cues were requested, accuracy, the number of each verdict, whether the maps can
            be trusted, what changed photos change; where known.
        open: what is undetermined and why, a line a cue, as many as shown.
        below_chance: where the model is no better than chance, what is wrong; else empty.
        warnings: those of the run.
    """

    lead: str
    findings: tuple[Finding, ...]
    more: int
    facts: tuple[str, ...]
    open: tuple[str, ...]
    below_chance: tuple[str, ...]
    warnings: tuple[str, ...]


def in_short(run: Run) -> InShort:
    """The answer of ``run``, as far as it has been computed.

    Raises:
        OutputError: a table is broken.
    """
    facts, findings = read_facts(run), read_findings(run)
    distinct = decisions(findings, tuple(facts.classes.values()))
    confirmed = worst_first([f for f in distinct if f.verdict == CONFIRMED])
    known = (
        limited_to(run),
        _accuracy(run),
        _counts(distinct),
        trusted_words(run),
        augmentation_words(run),
    )
    return InShort(
        lead=answer_sentence(run, distinct),
        findings=tuple(confirmed[:_SHOWN]),
        more=len(confirmed[_SHOWN:]),
        facts=tuple(text for text in known if text),
        open=tuple(_open_lines(findings)),
        below_chance=facts.below_chance,
        warnings=facts.warnings,
    )


def log_answer(paths: RunPaths) -> None:
    """Log the answer of a run in a few lines, and where its report is.

    Raises:
        OutputError: a table is broken.
    """
    run = Run(paths.root)
    short = in_short(run)
    for text in short.below_chance[:1]:
        log.info("read this first: %s", text)
    log.info("answer: %s", short.lead)
    for finding in short.findings:
        log.info("confirmed: %s", finding_line(finding))
    if short.more:
        log.info("confirmed: and %d more", short.more)
    for text in (*short.facts, *short.open):
        log.info("%s", text)
    for text in _progress(run):
        log.info("%s", text)
    shown, kind = run.paths.index_html, "report"
    if not (run.finished("report") and shown.is_file()):
        shown, kind = run.root, "tables"
    log.info("%s: %s", kind, spelled(shown.absolute()))


def _progress(run: Run) -> Iterator[str]:
    """Which stages are computed and which are not; nothing where all are, or a budget left some."""
    if "budget" in (run.record.get("evidence") or {}):
        return
    left = [name for name in STAGES if not run.finished(name)]
    done = [name for name in STAGES if name not in left]
    if left:
        also = f"; computed: {', '.join(done)}" if done else ""
        yield f"not computed: {', '.join(left)} (add to stages what is wanted){also}"


def answer_sentence(run: Run, findings: Sequence[Finding]) -> str:
    """The answer in one or two sentences, or what there is in its place.

    Args:
        run: with its tables.
        findings: those of one decision once; may be none.
    """
    if findings:
        return lead(findings, rows_of(run.summary) if run.has("summary") else [])
    if run.has("evidence"):
        return say("No photo could be examined.")
    return say("The evidence has not been measured yet.")


def finding_line(finding: Finding) -> str:
    """``rose by its border, 0.93 (95 % interval 0.90 to 0.95)``."""
    name, cue = finding.subject, finding.words
    text = say("{name} by its {cue}", name=name, cue=cue)
    if finding.both:
        text = say("{name} by the {cue}", name=name, cue=cue)
    if finding.effect is not None:
        text += say(", effect {effect}", effect=two(finding.effect))
        if finding.low is not None and finding.high is not None:
            text += say(
                " (95 % interval {low} to {high})", low=two(finding.low), high=two(finding.high)
            )
    text += say(", which may be the object's own") if finding.may_be_object else ""
    return marked(text, finding.masks_made)


def _accuracy(run: Run) -> str:
    """How many photos are predicted right, where labels are known."""
    if (several := decided(run)) is not None:
        return several.words
    known = accuracy(run)
    return "" if known is None else f"accuracy {known.value:.1%} of {known.n:,} photos"


def _counts(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    known = [f"{counts[verdict]:,} {verdict}" for verdict in GRAVITY if counts[verdict]]
    return f"class × cue: {', '.join(known)}" if known else ""


def trusted_words(run: Run) -> str:
    """Which methods' maps depend on what the model has learned; empty where not checked."""
    checked = trust(run)
    if checked is None:
        return ""
    failed, unknown = checked["failed"], [*checked["unknown"]]
    rest = [row["method"] for row in checked["rows"] if row["trusted"]]
    lists = [say(", ").join(names) for names in (rest, failed, unknown)]
    known = [
        say("{methods} trusted", methods=lists[0]),
        say("{methods} not trusted", methods=lists[1]),
        say("{methods} checked on too few photos", methods=lists[2]),
    ]
    found = [words for words, names in zip(known, lists, strict=True) if names]
    return say("heatmaps: {methods}", methods=say("; ").join(found))


def _open_lines(findings: Sequence[Finding]) -> Iterator[str]:
    cues = undecided(findings)
    for each in cues[:_OPEN]:
        names = f"{each.names[0]} and {each.count - 1} more" if each.count > 1 else each.names[0]
        yield f"undetermined: {each.cue} of {names}. {each.because}"
    if more := sum(each.count for each in cues[_OPEN:]):
        yield f"undetermined: and {more} more"
