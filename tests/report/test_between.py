from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.agreement.rows import compare
from tests.report.conftest import FLAGS_AT, SMALL
from tests.report.test_page import check_links, reported
from xai_audit.agreement.summary import agreement_table
from xai_audit.confusion.output import boundaries
from xai_audit.flags.outliers import write_flags
from xai_audit.report.agreement import agreement
from xai_audit.report.confused import confused
from xai_audit.report.facts import read_facts
from xai_audit.report.matrix import matrix
from xai_audit.report.page import _environment
from xai_audit.run.files import write_table

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
    facts = read_facts(paths)
    ids = {*pd.read_parquet(paths.attributions).image_id}
    compare(paths, ids)
    write_table(paths.agreement, agreement_table(paths))
    table = boundaries(paths, facts.classes, pairs=10, evidence=None, progress=lambda n: None)
    write_table(paths.boundaries, table)
    write_flags(paths, **FLAGS_AT)
    return paths


def test_without_the_tables_there_are_no_sections(tiny_run):
    seen = reported(tiny_run)
    assert "confuses" not in seen.words
    assert "Do the methods agree?" not in seen.words


def test_tables_of_other_scores_are_not_shown(compared):
    told = json.loads(compared.run_json.read_text())
    for finished, count in (([], 0), (["agreement", "boundary"], 1)):
        told["fingerprints"] = dict.fromkeys(finished, "f")
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
    assert "2 photos are taken for the other." in seen.words
    assert (
        "2 of the 6 photos of daisy whose strongest rival is tulip are taken for it" in seen.words
    )
    for image in seen.all("img"):
        assert image["alt"]
        assert int(image["width"]) > 0


def test_agreement_names_class_pair_and_photos(compared, tmp_path):
    found = agreement(compared, read_facts(compared), settings=SMALL, folder=tmp_path)
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
        with Image.open(tmp_path / strip.file) as image:
            assert image.size == (strip.width, strip.height)
            cells = 3  # the photo and two methods
            assert image.width == cells * 104 + 8


def test_a_strip_shows_each_methods_own_heatmap(compared, tmp_path):
    found = agreement(compared, read_facts(compared), settings=SMALL, folder=tmp_path)
    pixels = np.asarray(Image.open(tmp_path / found.strips[0].file), int)
    photo, one, other = (pixels[8:90, 8 + 104 * n : 104 * (n + 1)] for n in range(3))
    assert abs(one - photo).max() > 60
    assert abs(one - other).max() > 60


def test_the_sentence_says_how_far_they_agree(compared, tmp_path):
    facts = read_facts(compared)
    table = agreement_table(compared).to_pandas()
    for value, words in ((0.7, "agree on"), (0.5, "agree in part"), (-0.2, "do not agree")):
        low_high = {"rank_correlation_low": value - 0.1, "rank_correlation_high": value + 0.1}
        told = table.assign(rank_correlation=value, **low_high)
        write_table(compared.agreement, agreement_table(compared).from_pandas(told))
        sentence = agreement(compared, facts, settings=SMALL, folder=tmp_path).sentence
        assert f"The methods {words}" in sentence
        assert f"{value:.2f} ({value - 0.1:.2f} to {value + 0.1:.2f})" in sentence
    told = table.assign(rank_correlation=np.nan)
    write_table(compared.agreement, agreement_table(compared).from_pandas(told))
    assert "unknown" in agreement(compared, facts, settings=SMALL, folder=tmp_path).sentence


def test_the_matrix_has_every_two_methods_both_ways_and_families_together():
    names = [f"m{n:02d}" for n in range(24)]
    families = {name: number % 3 for number, name in enumerate(names)}
    values = {
        (a, b): 0.9 if families[a] == families[b] else -0.1
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    values["m00", "m01"] = float("nan")
    drawn = matrix(values)
    assert len(drawn.squares) == 24 * 23
    order = [families[name] for name in drawn.names]
    assert sum(a != b for a, b in zip(order, order[1:], strict=False)) == 2
    svg = _environment().get_template("agreement.svg.j2").render(plot=drawn)
    root = ET.fromstring(svg)
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert (texts.count(".90"), texts.count("–")) == (2 * 3 * 28, 2)
    assert texts.count("-.10") == 2 * (3 * 64 - 1)
    assert max(s.x + drawn.side for s in drawn.squares) <= drawn.width
    assert max(s.y + drawn.side for s in drawn.squares) <= drawn.height
    # The number stands where row and column of its methods meet.
    place = {name: drawn.top + drawn.side * row for row, name in enumerate(drawn.names)}
    for square in drawn.squares:
        name, other = square.told.split(" ")[0], square.told.split(" ")[2]
        assert square.y == place[name]
        assert square.x - drawn.left == place[other] - drawn.top
    assert "m00 and m01 –" in drawn.alt or "m01 and m00 –" in drawn.alt


def test_confused_pairs_with_their_photos(compared, tmp_path):
    (pair,) = confused(compared, read_facts(compared), settings=SMALL, folder=tmp_path)
    assert pair.count == 2
    assert pair.margin == 0.5
    assert [way.names for way in pair.directions] == [("daisy", "tulip"), ("tulip", "daisy")]
    for way in pair.directions:
        assert (tmp_path / way.mean_map).is_file()
        assert (tmp_path / way.strip.file).is_file()
        assert [row["method"] for row in way.rows] == [*METHODS]
    alt = pair.directions[0].strip.alt
    assert alt.index("daisy/2.jpg") < alt.index("daisy/3.jpg") < alt.index(f"{ODD}5.jpg")
    assert "daisy → tulip 90%, margin -0.50" in alt


def test_the_first_method_is_the_first_one_asked_for(compared, tmp_path):
    told = json.loads(compared.run_json.read_text())
    told["identity"] = {"methods": ["saliency", "gradcam"]}
    compared.run_json.write_text(json.dumps(told))
    (pair,) = confused(compared, read_facts(compared), settings=SMALL, folder=tmp_path)
    assert [row["method"] for row in pair.directions[0].rows] == ["saliency", "gradcam"]
    assert [way.names for way in pair.directions] == [("daisy", "tulip"), ("tulip", "daisy")]
