"""The judge of planted shortcuts on tables made by hand, and the artefacts on flat photos."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.bench.planted import beside, judge, outcome, ranking, scenarios
from tests.bench.planted.lessons import lessons
from tests.bench.planted.photos import Photo, Split, seen, split
from tests.bench.planted.plants import CORNERS, PHOTO_WIDE
from tests.bench.planted.scenario import CONTROL, DECOY, HELD_OUT, Scenario

pytestmark = pytest.mark.slow  # of the benches, not of the package
ALL = [*scenarios.twins(), *scenarios.decoys(), *scenarios.controls()]
BORDER = next(s for s in ALL if s.name == "border_flat")
A = BORDER.planted
CUES = ("border", *CORNERS, "background", "colour", "sharpness", "cluster_0")


def _outcome(
    confirmed: set[tuple[str, str]],
    *,
    scenario: Scenario = BORDER,
    reliance: dict[tuple[str, str], float] | None = None,
    truth: float = 0.9,
    others: str = "available",
) -> outcome.Outcome:
    strong = reliance or {}
    table = pd.DataFrame(
        [
            {
                "class_name": label,
                "cue": cue,
                "verdict": "confirmed" if (label, cue) in confirmed else others,
                "reliance": strong.get((label, cue), 0.0),
                "forwards": 40,
            }
            for label in scenario.labels
            for cue in CUES
        ]
    )
    truths = {label: {"truth": -0.3} for label in scenario.labels}
    truths[scenario.planted] = {"truth": truth}
    mass = pd.DataFrame(
        0.1, index=list(scenario.labels), columns=["border", *CORNERS, "background"]
    )
    return outcome.Outcome(scenario, truths, table, mass, apart=10, evidence_share=0.25)


def _row(rows: list, start: str):  # noqa: ANN202
    return next(row for row in rows if row.what.startswith(start))


def test_cells_with_a_known_truth_are_the_plant_everywhere_and_untouched_cues_of_its_label():
    found = judge.cells(_outcome(set()))
    assert {(r.class_name, r.cue) for r in found.itertuples()} == {
        (label, "border") for label in BORDER.labels
    }
    assert found[found.positive][["class_name", "cue"]].to_numpy().tolist() == [[A, "border"]]

    corner = next(s for s in ALL if s.name == "text_top_left")
    found = judge.cells(_outcome(set(), scenario=corner))
    own = set(found[found.class_name == corner.planted]["cue"])
    assert own == set(CORNERS)  # border and background hold the text; discovered regions may


def test_a_truth_between_the_bounds_is_left_out():
    found = judge.cells(_outcome(set(), truth=0.3))
    assert (A, "border") not in set(zip(found.class_name, found.cue, strict=True))


def test_cells_missing_in_the_table_are_no_answer():
    done = _outcome({(A, "border")})
    done = dataclasses.replace(done, evidence=done.evidence.iloc[:0])
    found = judge.cells(done).set_index("class_name")
    assert found.loc[A, "verdict"] == "absent"
    assert found.loc[A, "reliance"] == 0


def test_a_perfect_audit_meets_every_bound():
    strong = {(A, "border"): 0.8}
    control = _outcome(set(), scenario=next(s for s in ALL if s.kind == CONTROL))
    decoy = _outcome(set(), scenario=next(s for s in ALL if s.kind == DECOY), truth=0.02)
    rows = judge.rows([_outcome({(A, "border")}, reliance=strong), control, decoy])
    assert [row.what for row in rows if not row.met] == []
    assert _row(rows, "recall").measured == "1 of 1 (1.000)"
    assert _row(rows, "AUROC of reliance").measured == "1.000"
    assert _row(rows, "AUROC of plain").measured == "0.500; 1.000; 1.000"
    assert _row(rows, "forwards").measured == "40 (40.0)"


def test_what_is_missed_misnamed_or_confirmed_wrongly_is_named():
    rows = judge.rows([_outcome({(A, "corner_top_left"), (BORDER.classes[1], "border")})])
    assert _row(rows, "recall").measured == "0 of 1 (0.000): border_flat border"
    negative = _row(rows, "confirmed on negative")
    assert negative.measured == "1 of 4 (0.250): border_flat sunflower/border"
    assert not negative.met
    assert _row(rows, "the planted cue").measured == "0 of 1 (0.000): border_flat"
    assert not _row(rows, "AUROC of the largest").met


def test_a_second_confirmed_cue_of_the_planted_label_is_misnaming():
    assert judge.named_right(_outcome({(A, "border")}))
    assert not judge.named_right(_outcome({(A, "border"), (A, "background")}))


@pytest.mark.parametrize(("verdict", "met"), [("suspected", True), ("clear", False)])
def test_a_decoy_must_be_available_or_suspected(verdict, met):
    decoy = next(s for s in ALL if s.kind == DECOY)
    row = _row(judge.rows([_outcome(set(), scenario=decoy, truth=0.0, others=verdict)]), "decoys")
    assert row.met is met


def test_a_decoy_that_the_model_uses_counts_on_no_side():
    decoy = next(s for s in ALL if s.kind == DECOY)
    row = _row(judge.rows([_outcome(set(), scenario=decoy, truth=0.4)]), "decoys")
    assert row.measured == "none of 0"


def test_more_than_a_twentieth_of_controls_with_a_confirmed_cell_is_too_many():
    controls = [s for s in ALL if s.kind == CONTROL]
    assert len(controls) == 40
    outcomes = [
        _outcome({(s.labels[0], "border")} if i < 2 else set(), scenario=s)
        for i, s in enumerate(controls)
    ]
    assert _row(judge.rows(outcomes), "clean").met
    outcomes[2] = outcomes[0]
    assert not _row(judge.rows(outcomes), "clean").met


def test_auroc_counts_pairs():
    positive, negative = [1.0, 2.0, 3.0], [2.0, 0.0]
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    assert outcome.auroc(positive, negative) == wins / 6
    assert np.isnan(outcome.auroc([], negative))


def test_names_and_seeds_of_scenarios_are_their_own():
    assert len({s.name for s in ALL}) == len(ALL)
    plants = {s.plant for s in scenarios.twins()}
    assert len(plants) >= 14


@pytest.mark.parametrize("plant", sorted({s.plant for s in ALL if s.plant}, key=repr))
def test_an_artefact_is_seeded_and_changes_the_photo(plant):
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 200, (128, 160, 3), dtype=np.uint8)
    mask = np.zeros((128, 160), np.uint8)
    mask[40:90, 60:110] = 255
    photo = Photo("p", pixels, mask)
    scenario = dataclasses.replace(BORDER, plants=(plant,))
    once, again = (seen(scenario, photo, (plant,)) for _ in range(2))
    assert np.array_equal(once, again)
    without = seen(scenario, photo, ())
    changed = (plant.on(pixels, mask, 5) != pixels).any(2)
    assert (once != without).any()
    inside = changed[45:85, 65:105].mean()
    if plant.cue in {"border", *CORNERS, "background"}:
        assert inside == 0  # the object stays; its very edge may be softened
        assert 0 < changed.mean() < 1
    if plant.cue == "border":
        width = round(dict(plant.keys)["width"] * 128)
        assert not changed[width:-width, width:-width].any()
    if plant.cue in CORNERS:
        y, x = np.nonzero(changed)
        top, left = "top" in plant.cue, "left" in plant.cue
        assert (y < 32).all() if top else (y >= 96).all()
        assert (x < 80).all() if left else (x >= 80).all()
    if plant.cue in PHOTO_WIDE:
        assert plant.kind == "jpeg" or inside > 0.9


def test_twins_of_a_control_share_no_photo_and_nobody_learns_what_is_held_out(monkeypatch):
    monkeypatch.setattr(
        "tests.bench.planted.photos.render_with_cue",
        lambda *_args, **_keys: (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)),
    )
    control = next(s for s in ALL if s.kind == CONTROL and s.source == "rendered")
    found = split(control, shared=None)
    first = control.classes[0]
    groups = [found.learned[f"{first}_a"], found.learned[f"{first}_b"]]
    groups += [found.held_out[f"{first}_a"], found.held_out[f"{first}_b"]]
    names = [photo.name for group in groups for photo in group]
    assert len(set(names)) == len(names)
    assert [len(photos) for photos in found.held_out.values()] == [HELD_OUT] * 5


def test_the_best_threshold_lets_one_negative_in_fifty_pass():
    found = pd.DataFrame(
        {
            "positive": [True] * 4 + [False] * 100,
            "mass": [0.5, 0.97, 0.985, 2.0, *np.arange(100) / 100],
        }
    )
    # Of 0.99, 0.98, 0.97, ... two may pass: the threshold lies at 0.97, which does not.
    assert beside.best_recall(found, "mass") == 2 / 4
    assert np.isnan(beside.best_recall(found.iloc[:4], "mass"))


def test_decoys_are_learned_with_the_plant_in_every_class_alike():
    decoy = scenarios.decoys()[0]
    shown = _shown(decoy)
    for label in decoy.labels:
        assert shown[label] == [decoy.plants, ()] * 2
    names = [str(place) for place in range(4)]
    for label in decoy.labels:
        expected = decoy.plants if label == decoy.planted else ()
        assert decoy.artefacts(label, names) == [expected] * 4
    shown = _shown(BORDER)
    assert shown == {label: [BORDER.plants if label == A else ()] * 4 for label in BORDER.labels}


def _shown(scenario: Scenario, photos: int = 4) -> dict:
    """label -> the artefacts of each photo that is learned under it."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    learned = {
        label: [Photo(f"{label}{place}", pixels, None) for place in range(photos)]
        for label in scenario.labels
    }
    shown: dict = {label: [] for label in scenario.labels}
    for label, _, artefacts in lessons(scenario, Split(learned, {})):
        shown[label].append(artefacts)
    return shown


def test_without_cells_of_both_sides_nothing_was_ranked():
    one = pd.DataFrame({"reliance": [0.1], "effect": [0.9]})
    _, unknown = ranking.rows(one, pd.DataFrame(), "twins")
    assert (unknown.measured, unknown.met) == ("nan", False)
    alone, largest = ranking.rows(one, one.assign(effect=0.2), "twins")
    assert (alone.measured, largest.measured, largest.met) == ("0.500", "1.000", True)
