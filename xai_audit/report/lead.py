"""The answer in a sentence or two, for who reads no further."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xai_audit.language import listed, say, say_n, spoken
from xai_audit.report.answers import likely_effect, mostly_open, worst_first
from xai_audit.report.words import two
from xai_audit.run.verdicts import ALL_CUES, CONFIRMED, UNDETERMINED, cue_words, marked
from xai_audit.schema import CARRIER_PULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.report.answers import Finding
    from xai_audit.run.reader import Run

# Classes named.
_SHOWN = 5
# What the reason of a pair holds that a budget left out.
_BUDGET = "(evidence.max_forwards)"


def lead(findings: Sequence[Finding], summary: Sequence[dict[str, Any]] = ()) -> str:
    """The classes with a confirmed cue, and how much accuracy depends on cues, in sentences.

    Where most pairs of class and cue are undetermined, it begins with that.

    Args:
        findings: at least one; those of one decision once.
        summary: rows of SUMMARY; that of every cue at once is given.
    """
    confirmed = worst_first([f for f in findings if f.verdict == CONFIRMED])
    classes = len({name for f in findings for name in f.names})
    cues, opens = len({f.cue for f in findings}), mostly_open(findings)
    examined = say_n(
        "the one cue examined", "any of the {number} cues examined", cues, number=f"{cues:,}"
    )
    sentences = [_open(findings)] if opens else []
    if confirmed:
        sentences += _found(confirmed, classes)
    elif all(f.verdict == UNDETERMINED for f in findings):
        sentences.append(
            say_n(
                "Whether {number} class relies on {cues} could not be determined.",
                "Whether {number} classes rely on {cues} could not be determined.",
                classes, number=classes, cues=examined,
            )
        )  # fmt: skip
    elif opens:
        sentences.append(say("Among the rest no class was found to rely on {cues}.", cues=examined))
    else:
        sentences.append(say("No class was found to rely on {cues}.", cues=examined))
    sentences += _likely(findings)
    together = next((row for row in summary if row["cue"] == ALL_CUES), None)
    if together and None not in (together["accuracy_with"], together["accuracy_without"]):
        sentence = say(
            "When every cue at once comes from another class, accuracy goes from {high} to {low}.",
            high=f"{together['accuracy_with']:.0%}",
            low=f"{together['accuracy_without']:.0%}",
        )
        sentences.append(marked(sentence, _made(findings)))
    return spoken().gap.join(sentences)


def limited_to(run: Run) -> str:
    """What the answer is limited to: a budget of time, the cues of ``cues=[...]``; mostly empty."""
    return spoken().gap.join(filter(None, [_budget(run), _only_requested(run)]))


def _budget(run: Run) -> str:
    noted, counts = run.record.get("evidence") or {}, run.record.get("counts") or {}
    if (budget := noted.get("budget")) is None or not run.has("evidence"):
        return ""
    photos = counts.get("ok", 0)
    numbers = {
        "photos": f"{photos:,}",
        "all": f"{photos + counts.get('left_out', 0):,}",
        "forwards": f"{noted['max_forwards']:,}",
    }
    if noted.get("first_look"):
        return say(
            "This is a first look, at {photos} of {all} photos with at most {forwards} forwards of "
            "transplants, the most telling first; cues that overlap may not be told apart yet. The "
            "audit goes on from there and writes this report anew.",
            **numbers,
        )
    return say(
        "This is a first answer (budget={budget}), from {photos} of {all} photos and at most "
        "{forwards} forwards of transplants, the most telling first; cues that overlap may not be "
        "told apart yet. The same command goes on from there, and without budget= to the end.",
        budget=budget,
        **numbers,
    )


def _only_requested(run: Run) -> str:
    cues = (run.record.get("evidence") or {}).get("requested_cues")
    if cues is None or not run.has("evidence"):
        return ""
    return say_n(
        "Only {number} cue was examined, as requested: {cues}.",
        "Only {number} cues were examined, as requested: {cues}.",
        len(cues), number=len(cues), cues=say(", ").join(map(cue_words, cues)),
    )  # fmt: skip


def _made(findings: Sequence[Finding]) -> bool:
    """Whether some rest on masks that a network made."""
    return any(finding.masks_made for finding in findings)


def _open(findings: Sequence[Finding]) -> str:
    count = sum(f.verdict == UNDETERMINED for f in findings)
    total = sum(len(f.names) for f in findings)
    if a_budget_left_most(findings):
        return say(
            "{number} of {total} pairs of class and cue are undetermined, most of them because "
            "the budget of forwards was spent before.",
            number=f"{count:,}",
            total=f"{total:,}",
        )
    return say(
        "For {number} of {total} pairs of class and cue there were too few photos to decide.",
        number=f"{count:,}",
        total=f"{total:,}",
    )


def a_budget_left_most(findings: Sequence[Finding]) -> bool:
    """Whether more than half of what is undetermined was not measured for a budget's sake."""
    opens = [f for f in findings if f.verdict == UNDETERMINED]
    return 2 * sum(_BUDGET in f.because for f in opens) > len(opens)


def _likely(findings: Sequence[Finding]) -> list[str]:
    """The undetermined pairs with a large effect, in a sentence; none where there is none."""
    found = [f for f in findings if f.verdict == UNDETERMINED and likely_effect(f)]
    if not found:
        return []
    found.sort(key=likely_effect, reverse=True)
    named = [
        say("{name} by its {cue} ({effect})", name=f.subject, cue=f.words, effect=two(f.effect))
        for f in found[:_SHOWN]
    ]
    cells = listed([*named, *_more(len(found))])
    sentence = say("Large effects that so few photos do not decide: {cells}.", cells=cells)
    return [marked(sentence, _made(found))]


def _found(confirmed: Sequence[Finding], classes: int) -> list[str]:
    """The classes with a confirmed cue, in sentences; what may be the object's own comes last."""
    surely = [f for f in confirmed if not f.may_be_object]
    perhaps = [f for f in confirmed if f.may_be_object]
    sentences = [marked(_decided(surely, classes), _made(surely))] if surely else []
    return sentences + ([marked(_perhaps(perhaps, classes), _made(perhaps))] if perhaps else [])


def _decided(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed cue and their cues, in words; worst first."""
    shared, cues = [f for f in confirmed if f.both], _by_class(confirmed)
    if shared:
        also = "".join(
            say("; {name} also by {cues}", name=name, cues=listed(mine))
            for name, mine in cues.items()
        )
        return say(
            "{name} is decided by {cues}, not by the object alone{also}.",
            name=shared[0].subject,
            cues=listed([say("the {cue}", cue=finding.words) for finding in shared]),
            also=also,
        )
    return say_n(
        "{number} of {classes} is decided by something other than the object: {named}.",
        "{number} of {classes} are decided by something other than the object: {named}.",
        len(cues), number=len(cues), classes=_classes(classes), named=_named(cues),
    )  # fmt: skip


def _perhaps(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed property that may be the object's own, in words."""
    shared = [say("{name} by the {cue}", name=f.subject, cue=f.words) for f in confirmed if f.both]
    cues = _by_class(confirmed)
    named = listed([*shared, *([_named(cues)] if cues else [])])
    count = len({name for f in confirmed for name in f.names})
    return say_n(
        "{number} of {classes} is decided by what may be the object's own, changed on whole "
        "photos, the object included: {named}.",
        "{number} of {classes} are decided by what may be the object's own, changed on whole "
        "photos, the object included: {named}.",
        count, number=count, classes=_classes(classes), named=named,
    )  # fmt: skip


def _by_class(confirmed: Sequence[Finding]) -> dict[str, list[str]]:
    """Class -> its cues in words, without those of two classes at once."""
    cues: dict[str, list[str]] = defaultdict(list)
    for finding in confirmed:
        if not finding.both:
            cues[finding.class_name].append(_its(finding))
    return cues


def _its(finding: Finding) -> str:
    """The cue, with the share of photos that carry it where the others' cue does nothing."""
    share = finding.row["carrier_share"] if finding.question == CARRIER_PULL else None
    if share is None:
        return say("its {cue}", cue=finding.words)
    return say("its {cue} on {share} of its photos", cue=finding.words, share=f"{share:.0%}")


def _named(cues: Mapping[str, list[str]]) -> str:
    """The first few classes, each with its cues in words, and how many more there are."""
    named = [
        say("{name} by {cues}", name=name, cues=listed(mine))
        for name, mine in list(cues.items())[:_SHOWN]
    ]
    return listed([*named, *_more(len(cues))])


def _more(count: int) -> list[str]:
    return [say("{number} more", number=count - _SHOWN)] if count > _SHOWN else []


def _classes(number: int) -> str:
    """``1 class``, ``2 classes``."""
    return say_n("{number} class", "{number} classes", number, number=number)
