from __future__ import annotations

import math

import pytest

from xai_audit.evidence.because import because
from xai_audit.evidence.verdict import Limits

LIMITS = Limits(q=0.05, reliance=0.2, attention=0.05, availability=0.65, min_images=8)
NAN = math.nan


def told(verdict, **changes):
    row = {
        "class_name": "marguerite", "cue": "border", "verdict": verdict, "explained_by": None,
        "question": "reliance",
        "n_images": 24, "n_read": 600, "wanted": 24, "way": "both", "why": None, "sd": 0.2,
        "mass": 0.4, "measured_on": "own", "scrambled": NAN,
        "own": NAN, "own_low": NAN, "own_high": NAN,
        "reliance": 0.81, "reliance_low": 0.74, "reliance_high": 0.88, "reliance_q": 0.001,
        "pull": 0.5, "pull_low": 0.3, "pull_high": 0.7, "pull_q": 0.001,
        "n_carriers": NAN, "victims": [],
        "availability": 0.99, "availability_q": 0.001, "attention": 0.12, "attention_q": 0.001,
    }  # fmt: skip
    return because(row | changes, LIMITS)


EFFECT = "Replacing only the border by that of other classes lowers the probability of marguerite"
ENDS = {"reliance_low": -0.1, "reliance_high": 0.3}
NONE = {
    "question": None,
    "reliance": 0.03,
    "reliance_low": -0.02,
    "reliance_high": 0.08,
    "reliance_q": 0.3,
}
SMALL = f"{EFFECT} by 0.03 (95 % interval -0.02 to 0.08, 24 images), below the limit of 0.20"


def test_confirmed():
    assert told("confirmed") == (
        f"{EFFECT} by 0.81 (95 % interval 0.74 to 0.88, 24 images); "
        "the border alone tells marguerite (AUROC 0.99)."
    )
    assert told("confirmed", availability_q=0.2).endswith("24 images).")


def test_confirmed_by_pull():
    assert told("confirmed", **NONE | {"question": "pull"}) == (
        "Giving photos of other classes only the border of marguerite raises the probability of "
        "marguerite by 0.50 (95 % interval 0.30 to 0.70); the border alone tells marguerite "
        "(AUROC 0.99)."
    )


def test_what_is_lost_cannot_be_restored():
    text = told("confirmed", cue="jpeg_quality", way="down", measured_on="others")
    assert text.startswith(
        "What these photos have lost cannot be restored, so other classes' photos were degraded "
        "instead: giving them only the JPEG quality of marguerite raises the probability of "
        "marguerite by 0.81"
    )


@pytest.mark.parametrize(
    ("scrambled", "tells"),
    [
        (0.79, "24 images). Scrambled it changes it by 0.79: any such patch there does."),
        (0.40, "24 images). Scrambled it changes it by 0.40: its shape is a part of it."),
        (0.02, "24 images). Scrambled it changes it by 0.02: its shape counts."),
        (NAN, "24 images)."),
    ],
)
def test_what_is_put_on_is_told_with_its_scrambled_twin(scrambled, tells):
    stamp = told(
        "confirmed",
        cue="stamp", way="added", measured_on="others", availability=NAN, scrambled=scrambled,
    )  # fmt: skip
    assert stamp.startswith("Putting the stamp on photos of other classes raises the probability")
    assert stamp.endswith(tells)


@pytest.mark.parametrize(
    ("own", "tells"),
    [
        ((-0.57, -0.7, -0.4), " On photos of marguerite itself it lowers the probability of "
                              "marguerite by 0.57."),
        ((-0.57, -1.2, 0.1), "24 images)."),  # chance may be all of it
        ((0.02, 0.01, 0.03), "24 images)."),
    ],
)  # fmt: skip
def test_what_a_stamp_does_to_the_class_s_own_photos_is_told(own, tells):
    named = dict(zip(("own", "own_low", "own_high"), own, strict=True))
    stamp = told(
        "confirmed", cue="stamp", way="added", measured_on="others", availability=NAN, **named
    )
    assert stamp.endswith(tells)


def test_explained():
    assert told("suspected", cue="background", explained_by="corner_top_right") == (
        "Replacing only the background by that of other classes lowers the probability of "
        "marguerite by 0.81 (95 % interval 0.74 to 0.88, 24 images), but the top right corner "
        "explains this. The background draws 40% of the relevance, 12 points more than expected."
    )
    assert told("clear", explained_by="colour").endswith("but the colour cast explains this.")
    # What was explained is what had confirmed it.
    pulled = told("clear", explained_by="colour", **NONE | {"question": "pull"})
    assert "raises the probability of marguerite by 0.50" in pulled
    assert "by 0.03" not in pulled
    assert told("available", explained_by="colour").endswith("tells marguerite (AUROC 0.99).")


def test_suspected_and_available():
    assert told("suspected", **NONE) == (
        "The border draws 40% of the relevance, 12 points more than expected. " + SMALL + "."
    )
    assert told("available", **NONE) == (
        "The border alone tells marguerite (AUROC 0.99). " + SMALL + "."
    )
    assert told("available", way="none", cue="file", reliance=NAN) == (
        "The file metadata alone tells marguerite (AUROC 0.99); it is not in the pixels, so a use "
        "of it cannot be tested."
    )


def test_clear():
    assert told("clear", **NONE, availability=0.55, attention=-0.031) == (
        SMALL + "; it does not reliably tell the class (AUROC 0.55) and draws no reliable extra "
        "relevance (-3 points)."
    )
    assert told("clear", **NONE, availability=NAN, attention=NAN) == SMALL + "."
    assert "which chance may explain (q 0.20)" in told("clear", reliance_q=0.2)
    assert told("clear", way="none", availability=0.5, reliance=NAN).startswith(
        "The border does not"
    )


def test_signs():
    raised = told("clear", reliance=-0.3, reliance_low=-0.4, reliance_high=-0.2)
    assert "raises the probability of marguerite by 0.30 (95 % interval 0.20 to 0.40" in raised
    nothing = told("clear", reliance=-0.001, reliance_low=-0.004, reliance_high=0.002)
    assert "hardly changes the probability of marguerite (95 % interval 0.00 to 0.00" in nothing


def test_undetermined():
    why = "no masks; set masks=folder"
    assert told("undetermined", n_images=0, reliance=NAN, why=why) == (
        f"Whether marguerite rests on the border could not be measured: {why}."
    )
    assert told("undetermined", n_images=1) == (
        "Only 1 usable image to say whether marguerite rests on the border; at least 8 are needed."
    )
    assert told("undetermined", way="none", availability=NAN) == (
        "Too few usable images to say whether the border tells marguerite; 5 would do."
    )


@pytest.mark.parametrize(
    ("value", "sd", "needed"),
    [
        (0.1, 0.3, "about 40 images"),  # (2 * 0.3 / 0.1)^2 = 36
        (0.1, 0.01, "about 20 images"),  # more than the 16 there are
        (0.19, 0.3, "more than 500 images"),
        (0.2, 0.3, "more than 500 images"),
        (0.1, NAN, "more than 500 images"),
    ],
)
def test_how_many_images_would_do(value, sd, needed):
    text = told("undetermined", n_images=16, reliance=value, **ENDS, sd=sd)
    text = text.removesuffix("; the class has 600 usable.") + "." * text.endswith("usable.")
    assert text.endswith(f"an interval that reaches the limit of 0.20; {needed} would decide.")


def test_a_large_effect_of_few_images_is_not_said_to_reach_the_limit():
    row = {"n_images": 8, "reliance": 0.91, "reliance_low": 0.89, "reliance_high": 0.93}
    text = told("undetermined", **row, sd=0.02, reliance_q=0.1, n_read=8)
    said = "above the limit of 0.20, but chance may explain it (q 0.10); about 10 images would"
    assert f"{said} decide; the class has 8 usable." in text
    assert "reaches the limit" not in text
    # q has to fall by more than 2 ** 4.
    assert "about 20 images" in told("undetermined", **row, sd=0.02, reliance_q=0.9, n_read=99)


def test_a_class_with_too_few_photos_says_how_many_it_has():
    row = {"n_images": 16, "reliance": 0.1, **ENDS, "sd": 0.3, "n_read": 24}
    assert told("undetermined", **row).endswith(
        "about 40 images would decide; the class has 24 usable."
    )
    assert told("undetermined", **row | {"n_read": 40}).endswith("about 40 images would decide.")
    never = told("undetermined", **row | {"sd": 3.0})
    assert never.endswith("more than 500 images would decide; the class has 24 usable.")
    # Photos of other classes are asked, or the class has photos that were not read.
    others = told("undetermined", **row, measured_on="others")
    assert others.endswith("about 40 images would decide.")
    assert told("undetermined", **row, sampled=True).endswith(
        "about 40 images would decide (evidence.read_per_class, evidence.images_per_class)."
    )


@pytest.mark.parametrize("verdict", ["suspected", "available", "clear"])
def test_an_effect_above_0_is_a_use_below_the_limit(verdict):
    used = {"reliance": 0.15, "reliance_low": 0.06, "reliance_high": 0.25, "reliance_q": 0.004}
    words = "0.25, 24 images), so it is used, below the limit of 0.20"
    assert words in told(verdict, **NONE | used)
    for other in ({"reliance_low": -0.01}, {"reliance_q": 0.06}):
        assert "used" not in told(verdict, **NONE | used | other)
    pulled = {"reliance": NAN, "pull": 0.1, "pull_low": 0.05, "pull_high": 0.2, "pull_q": 0.01}
    assert "to 0.20), so it is used, below the limit" in told(verdict, **NONE | pulled)


def test_more_images_than_were_asked_are_had_by_a_key():
    text = told("undetermined", reliance=0.3, reliance_low=0.1, reliance_high=0.5, sd=0.45)
    assert text.endswith("about 90 images would decide (evidence.images_per_class).")


def test_the_sentence_follows_the_question_and_judges_nothing_itself():
    """A reliance above the limit did not confirm with too few images: the pull did."""
    assert told("confirmed", n_images=7, question="pull").startswith("Giving photos of other")
    assert told("confirmed", **NONE | {"question": "reliance"}).startswith("Replacing only the")


def test_photos_of_few_groups_say_how_many_there_are():
    few = {"reliance_low": NAN, "reliance_high": NAN, "reliance_q": NAN}
    for count, groups in ((1, "1 group"), (3, "3 groups")):
        assert told("undetermined", **few, n_clusters=count) == (
            f"Only 24 images from {groups} to say whether marguerite rests on the border; "
            "images from at least 4 groups are needed."
        )
    unknown = {"availability_q": NAN, "n_groups": 3, "attention": NAN}
    assert "(AUROC 0.99, of 3 groups, too few to exclude chance)" in told("clear", **unknown)
    one = {"availability": NAN, "n_groups": 1, "attention": NAN}
    assert "may tell the class or the one group that all its photos are of" in told("clear", **one)


COLOUR = {"cue": "colour", "object_included": False}
WHOLE = {"whole": 0.6, "whole_low": 0.4, "whole_high": 0.8, "object_share": 0.25}
NO_WHOLE = {"whole": NAN, "whole_low": NAN, "whole_high": NAN, "object_share": NAN}


@pytest.mark.parametrize("verdict", ["confirmed", "available", "clear"])
def test_what_of_a_property_is_the_object_s_own_is_told(verdict):
    changes = NONE if verdict != "confirmed" else {}
    assert told(verdict, **COLOUR, **changes, **WHOLE).endswith(
        ". Changed on the whole photo, the object included, it lowers the probability of "
        "marguerite by 0.60 (95 % interval 0.40 to 0.80): 25% of that is the object's own."
    )
    plain = told(verdict, **COLOUR, **changes, **NO_WHOLE)
    assert "the colour cast around the object by that of other classes" in plain
    assert plain.count("object") == 1
    # An effect that may be none is not told; a share over 1 is all of it.
    faint = WHOLE | {"whole": 0.1, "whole_low": -0.1, "object_share": NAN}
    assert told(verdict, **COLOUR, **changes, **faint) == plain
    beyond = told(verdict, **COLOUR, **changes, **WHOLE | {"object_share": 1.2})
    assert beyond.endswith("): 100% of that is the object's own.")


def test_on_other_classes_photos_the_whole_photo_raises_it():
    row = {"measured_on": "others", "way": "down", **COLOUR, **WHOLE}
    assert "the object included, it raises the probability" in told("confirmed", **row)


def test_without_masks_a_property_may_be_the_object_s_own():
    row = {"cue": "colour", "object_included": True, **NO_WHOLE}
    ending = ". Without object masks whole photos were changed, so it may be the object's own."
    assert told("confirmed", **row).endswith(ending)
    used = {"reliance": 0.1, "reliance_low": 0.05, "reliance_high": 0.15, "question": None}
    assert told("available", **row, **used).endswith(ending)
    assert "object" not in told("clear", **row, **NONE)


def test_photos_that_were_too_few_to_pair_are_counted():
    text = told("undetermined", n_images=0, n_read=5, reliance=NAN, reliance_low=NAN)
    assert text.startswith("Only 5 usable images to say whether marguerite rests on the border; ")
