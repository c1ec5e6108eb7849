from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.agreement.rows import compare
from tests.report.conftest import FLAGS_AT, SMALL, no_mask
from tests.report.test_page import check_links, reported
from xai_audit.agreement.summary import agreement_table
from xai_audit.confusion.output import boundaries
from xai_audit.flags.outliers import write_flags
from xai_audit.report.agreement_section import agreement
from xai_audit.report.confused import confused
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.run.files import write_table
from xai_audit.run.reader import Run

METHODS = ("gradcam", "saliency")
ODD = "daisy/<script>alert(1)<"


@pytest.fixture
def compared(builder):
    """Two classes; the methods agree on tulips, and on daisies the less the higher the number.

    Daisies 0 and 1 are taken for tulips.
    """
    rng = np.random.default_rng(0)
    for i in range(6):
        for image_id in (f"{ODD}{i}.jpg" if i == 5 else f"daisy/{i}.jpg", f"tulip/{i}.jpg"):
            builder.photo(image_id, colour="green" if image_id.startswith("d") else "red")
            wrong = {"pred": 1} if image_id.startswith("daisy") and i < 2 else {}
            builder.add(image_id, heatmap=rng.uniform(0.1, 1, (4, 4)), methods=METHODS, **wrong)
    for row in builder.heatmaps + builder.scores:
        number = int(re.search(r"(\d)\.jpg", row["image_id"])[1])
        daisy = row["class_name"] == "daisy"
        if row["target_kind"] == "contrast":
            row |= {"against": 1 - row["label"], "target_score": number - 1.5 if daisy else 3.0}
        if "heatmap" in row and daisy and row["method"] == "saliency":
            row["heatmap"] = np.roll(row["heatmap"], 1) if number < 3 else 1.1 - row["heatmap"]
    paths = builder.write(part=8)
    facts = read_facts(Run(paths.root))
    ids = {*pd.read_parquet(paths.attributions).image_id}
    compare(paths, ids)
    write_table(paths.agreement, agreement_table(paths))
    table = boundaries(paths, facts.classes, pairs=10, evidence=None, progress=lambda n: None)
    write_table(paths.boundaries, table)
    write_flags(Run(paths.root), **FLAGS_AT)
    return paths


def section(make, paths):
    """What ``make`` reads of the run."""
    run = Run(paths.root)
    return make(run, read_facts(run), settings=SMALL, folder="g")


def test_without_the_tables_there_are_no_sections(tiny_run):
    seen = reported(tiny_run)
    assert "confuses" not in seen.words
    assert "Do the methods agree?" not in seen.words


def test_tables_of_other_scores_are_not_shown(compared):
    told = json.loads(compared.run_json.read_text())
    for finished, count in (([], 0), (["agreement", "boundary"], 1)):
        told["fingerprints"] = dict.fromkeys(["flag", *finished], "f")
        compared.run_json.write_text(json.dumps(told))
        words = reported(compared).words
        assert words.count("Do the methods agree?") == count
        assert words.count("Classes that the model confuses") == count


def test_the_page_with_both(compared):
    seen = reported(compared)
    check_links(seen)
    assert seen.all("script") == []
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", seen.words.lower())
    assert f"{ODD}5.jpg, mean rank correlation" in seen.words
    assert "2 photos are predicted as the other." in seen.words
    assert (
        "2 of the 6 photos of daisy whose strongest rival is tulip are taken for it" in seen.words
    )
    for image in seen.all("img"):
        assert image["alt"]
        assert int(image["width"]) > 0


def test_agreement_names_class_pair_and_photos(compared):
    found = section(agreement, compared)
    assert found.kind == "contrast"
    assert [row["class_name"] for row in found.classes] == ["daisy", "tulip"]
    assert found.classes[1]["rank"] == pytest.approx(1)
    assert found.classes[0]["pair"] == METHODS
    whole = agreement_table(compared).to_pandas()
    mean = whole[(whole.class_name == "") & (whole.target_kind == "contrast")].rank_correlation
    assert f"rank correlation {mean.iloc[0]:.2f} (" in found.sentence
    worst = [strip.title for strip in found.strips]
    assert len(worst) == 4
    # Opposite maps: -1, in the order of their names.
    assert {title.split(",")[0] for title in worst[:3]} == {
        "daisy/3.jpg", "daisy/4.jpg", f"{ODD}5.jpg",
    }  # fmt: skip
    for strip in found.strips:
        assert [shown.headline for shown in strip.shown[1:]] == [*METHODS]
        assert strip.shown[0].lines == ("the photo",)


def test_a_strip_shows_each_methods_own_heatmap(compared, tmp_path):
    pictures = [shown.picture for shown in section(agreement, compared).strips[0].shown]
    draw_pictures(Run(compared.root), pictures, no_mask, tmp_path)
    photo, one, other = (np.asarray(Image.open(tmp_path / p.file), int) for p in pictures)
    assert abs(one - photo).max() > 60
    assert abs(one - other).max() > 60


def test_the_sentence_says_how_far_they_agree(compared):
    table = agreement_table(compared).to_pandas()
    for value, words in ((0.7, "agree on"), (0.5, "agree in part"), (-0.2, "do not agree")):
        low_high = {"rank_correlation_low": value - 0.1, "rank_correlation_high": value + 0.1}
        told = table.assign(rank_correlation=value, **low_high)
        write_table(compared.agreement, agreement_table(compared).from_pandas(told))
        sentence = section(agreement, compared).sentence
        assert f"The methods {words}" in sentence
        assert f"{value:.2f} ({value - 0.1:.2f} to {value + 0.1:.2f})" in sentence
    told = table.assign(rank_correlation=np.nan)
    write_table(compared.agreement, agreement_table(compared).from_pandas(told))
    assert "unknown" in section(agreement, compared).sentence


def test_confused_pairs_with_their_photos(compared, tmp_path):
    (pair,) = section(confused, compared)
    assert pair.count == 2
    assert pair.margin == 0.5
    assert [way.names for way in pair.directions] == [("daisy", "tulip"), ("tulip", "daisy")]
    pictures = [s.picture for way in pair.directions for s in way.shown]
    pictures += [way.mean_map for way in pair.directions]
    assert draw_pictures(Run(compared.root), pictures, no_mask, tmp_path) == len(pictures)
    for way in pair.directions:
        assert [row["method"] for row in way.rows] == [*METHODS]
    shown = pair.directions[0].shown
    nearest = [s.image_id for s in shown]
    assert nearest.index("daisy/2.jpg") < nearest.index("daisy/3.jpg")
    assert nearest[-1] == f"{ODD}5.jpg"
    assert ("daisy → tulip 90%", ("margin -0.50",)) in [(s.headline, s.lines) for s in shown]


def test_the_first_method_is_the_first_one_requested(compared):
    told = json.loads(compared.run_json.read_text())
    told["identity"] = {"methods": ["saliency", "gradcam"]}
    compared.run_json.write_text(json.dumps(told))
    (pair,) = section(confused, compared)
    assert [row["method"] for row in pair.directions[0].rows] == ["saliency", "gradcam"]
    assert [way.names for way in pair.directions] == [("daisy", "tulip"), ("tulip", "daisy")]
