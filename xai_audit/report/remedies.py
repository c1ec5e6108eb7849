"""What can be done about a cue: what to crop, collect, mask or vary, by what the cue is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.language import mark, said, say
from xai_audit.report.words import percent
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import CARRIER_PULL, DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.report.answers import Finding
    from xai_audit.report.facts import RunFacts

# Share of a class's photos from which on it is no way to leave its carriers out.
_MOST_LEFT_OUT = 0.4
# What is done to whole photos.
_PROPERTY = {
    "colour": mark(
        "Give all photos the same white balance, in training and in use; or vary colour at random "
        "in training."
    ),
    "brightness": mark(
        "Give all photos the same exposure, in training and in use; or vary brightness at random "
        "in training."
    ),
    "contrast": mark(
        "Give all photos the same contrast, in training and in use; or vary contrast at random in "
        "training."
    ),
    "jpeg_quality": mark(
        "Re-encode all photos at the JPEG quality of the poorest, in training and in "
        "use; or re-encode them at random qualities in training."
    ),
    "resolution": mark(
        "Bring all photos to the resolution of the smallest before the model's own "
        "resize, in training and in use; or scale them down at random in training."
    ),
    "sharpness": mark(
        "Make all photos as sharp as the most blurred, in training and in use; or blur "
        "them at random in training."
    ),
    "aspect_ratio": mark(
        "Bring all photos to one shape without bars; or crop them to random shapes in training."
    ),
}


def remedies(finding: Finding, facts: RunFacts, groups: Sequence[str] = ()) -> tuple[str, ...]:
    """What to do, a sentence or two each, the most direct first.

    Args:
        finding: confirmed, or likely.
        facts: of the run.
        groups: of the dataset's own column ``group`` in which the class has photos.
    """
    found = [*_of_object(finding), _of_photos(finding, facts), *_of_carriers(finding)]
    return (*found, *_of_others(finding), *_of_groups(finding, groups))


def _of_object(finding: Finding) -> list[str]:
    if not finding.may_be_object:
        return []
    return [
        say(
            "First see whether the {cue} is the object's own: then nothing is wrong. Object masks "
            "(masks=...) tell the two apart.",
            cue=finding.words,
        )
    ]


def _of_photos(finding: Finding, facts: RunFacts) -> str:
    """What to do to the photos, by the cue."""
    cue, words = finding.cue, finding.words
    if cue == "border":
        if not facts.border:
            return say("Crop or mask the border of all photos, in training and in use.")
        return say(
            "Crop or mask the border ({width} of the shorter side) of all photos, in training and "
            "in use.",
            width=percent(facts.border),
        )
    if cue.startswith("corner_"):
        return say(
            "Paint over what lies in the {cue}, or crop it off, of all photos; or paint it onto "
            "photos of all classes at random in training.",
            cue=words,
        )
    if cue == "background":
        return say(
            "Collect photos of {name} before the backgrounds of other classes, of these before "
            "that of {name}; or, with object masks, put objects before the backgrounds of others "
            "in training.",
            name=finding.subject,
        )
    if cue.startswith(DISCOVERED):
        return say(
            "Look at what lies in the outlined region; crop, mask or paint over it in all photos, "
            "or swap it between classes in training."
        )
    if cue == "stamp":
        return say("Paint over the mark; or put it on photos of all classes at random in training.")
    if cue in _PROPERTY:
        return said(_PROPERTY[cue])
    return say(
        "Make the {cue} the same in all photos; or swap it between classes at random in training.",
        cue=words,
    )


def _of_carriers(finding: Finding) -> list[str]:
    """What to do with the photos that carry it, where it is known how many do."""
    share, count = finding.row["carrier_share"], finding.row["n_carriers"]
    if not count or share is None:
        return []
    if share < _MOST_LEFT_OUT:
        number = int(count)
        return [say("Or leave the {number} photos in the list out of the training.", number=number)]
    return [
        say(
            "Collect photos of {name} without it: {share} carry it.",
            name=finding.class_name,
            share=percent(share),
        )
    ]


def _of_others(finding: Finding) -> list[str]:
    """The cues that have to be mended with it."""
    others = finding.row["redundant_with"]
    if not others:
        return []
    words = say(" and the ").join(cue_words(each) for each in str(others).split("+"))
    return [say("Each is enough alone, so mend the {cues} too.", cues=words)]


def _of_groups(finding: Finding, groups: Sequence[str]) -> list[str]:
    if len(groups) == 1:
        return [
            say(
                "All photos of {name} are of the group {group}: collect some of another.",
                name=finding.class_name,
                group=groups[0],
            )
        ]
    if groups:
        return [say("Split by group, so that none has photos both in training and in test.")]
    return []


def expected(finding: Finding) -> str | None:
    """Which measured number would move, and towards what; None where none was measured."""
    row = finding.row
    if finding.question == CARRIER_PULL or row["accuracy_without"] is None:
        return None
    low, high = row["accuracy_without"], row["accuracy_with"]
    if high is None or low >= high:
        return None
    return say(
        "accuracy on photos of {name} with the {cue} of another class rises from {low} towards "
        "{high}, which it is with that of their own.",
        name=finding.class_name,
        cue=finding.words,
        low=percent(low),
        high=percent(high),
    )
