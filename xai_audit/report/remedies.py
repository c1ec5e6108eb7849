"""What can be done about a cue: what to crop, collect, mask or vary, by what the cue is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.report.words import percent
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import CARRIER_PULL, DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.report.answers import Finding
    from xai_audit.report.facts import RunFacts

# Share of a class's photos from which on it is no way to leave its carriers out.
_MOST_LEFT_OUT = 0.4
_LIGHT = {
    "colour": ("the same white balance", "colour"),
    "brightness": ("the same exposure", "brightness"),
    "contrast": ("the same contrast", "contrast"),
}
_FILE = {
    "jpeg_quality": "Re-encode all photos at the JPEG quality of the poorest, in training and in "
    "use; or re-encode them at random qualities in training.",
    "resolution": "Bring all photos to the resolution of the smallest before the model's own "
    "resize, in training and in use; or scale them down at random in training.",
    "sharpness": "Make all photos as sharp as the most blurred, in training and in use; or blur "
    "them at random in training.",
    "aspect_ratio": "Bring all photos to one shape without bars; or crop them to random shapes in "
    "training.",
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
        f"First see whether the {finding.words} is the object's own: then nothing is wrong. Object "
        "masks (masks=...) tell the two apart."
    ]


def _of_photos(finding: Finding, facts: RunFacts) -> str:
    """What to do to the photos, by the cue."""
    cue, words, name = finding.cue, finding.words, finding.subject
    if cue == "border":
        wide = "" if not facts.border else f" ({percent(facts.border)} of the shorter side)"
        return f"Crop or mask the border{wide} of all photos, in training and in use."
    if cue.startswith("corner_"):
        return (
            f"Paint over what lies in the {words}, or crop it off, of all photos; or paint it onto "
            "photos of all classes at random in training."
        )
    if cue == "background":
        return (
            f"Collect photos of {name} before the backgrounds of other classes, of these before "
            f"that of {name}; or, with object masks, put objects before the backgrounds of others "
            "in training."
        )
    if cue.startswith(DISCOVERED):
        return (
            "Look at what lies in the outlined region; crop, mask or paint over it in all photos, "
            "or swap it between classes in training."
        )
    if cue in _LIGHT:
        same, what = _LIGHT[cue]
        return (
            f"Give all photos {same}, in training and in use; or vary {what} at random in training."
        )
    if cue == "stamp":
        return "Paint over the mark; or put it on photos of all classes at random in training."
    return _FILE.get(
        cue,
        f"Make the {words} the same in all photos; or swap it between classes at random in "
        "training.",
    )


def _of_carriers(finding: Finding) -> list[str]:
    """What to do with the photos that carry it, where it is known how many do."""
    share, count = finding.row["carrier_share"], finding.row["n_carriers"]
    if not count or share is None:
        return []
    if share < _MOST_LEFT_OUT:
        return [f"Or leave the {int(count)} photos in the list out of the training."]
    return [f"Collect photos of {finding.class_name} without it: {percent(share)} carry it."]


def _of_others(finding: Finding) -> list[str]:
    """The cues that have to be mended with it."""
    others = finding.row["redundant_with"]
    if not others:
        return []
    words = " and the ".join(cue_words(each) for each in str(others).split("+"))
    return [f"Each is enough alone, so mend the {words} too."]


def _of_groups(finding: Finding, groups: Sequence[str]) -> list[str]:
    if len(groups) == 1:
        return [
            f"All photos of {finding.class_name} are of the group {groups[0]}: collect some of "
            "another."
        ]
    if groups:
        return ["Split by group, so that none has photos both in training and in test."]
    return []


def expected(finding: Finding) -> str | None:
    """Which measured number would move, and towards what; None where none was measured."""
    row, words, name = finding.row, finding.words, finding.class_name
    if finding.question == CARRIER_PULL or row["accuracy_without"] is None:
        return None
    low, high = row["accuracy_without"], row["accuracy_with"]
    if high is None or low >= high:
        return None
    return (
        f"accuracy on photos of {name} with the {words} of another class rises from "
        f"{percent(low)} towards {percent(high)}, which it is with that of their own."
    )
