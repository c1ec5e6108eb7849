from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.report.conftest import write_cells
from xai_audit.report.augmentation_section import augmentation, augmentation_words
from xai_audit.report.facts import read_facts
from xai_audit.report.in_short import in_short
from xai_audit.report.summary import summary_of
from xai_audit.report.templating import environment
from xai_audit.run.reader import Run
from xai_audit.run.verdicts import CLEAR, CONFIRMED
from xai_audit.schema import AUGMENTATION
from xai_audit.statistics.shares import wilson_interval


def row(number: int, name: str, strength: float, *, pred: int, after: int, **more) -> dict:
    label = number % 2
    told = {"image_id": f"{('daisy', 'tulip')[label]}/{number}.jpg", "label": label}
    told |= {"class_name": ("daisy", "tulip")[label], "augmentation": name, "strength": strength}
    told |= {"pred": pred, "pred_after": after, "changed": pred != after, "method": "gradcam"}
    told |= {"status": "ok", "map_status": "ok", "rank_correlation": 0.5, "overlap": 0.25}
    told |= {"rank_correlation_floor": 0.9, "overlap_floor": 0.75, "mass_border": 0.6}
    told |= {"mass_border_after": 0.2 if label == 0 else 0.9}
    return {column: (told | more).get(column) for column in AUGMENTATION.names}


def flips() -> list[dict]:
    return [row(n, "flip", 1.0, pred=n % 2, after=n % 2) for n in range(4)]


def turns() -> list[dict]:
    rows = [row(n, "rotate", 30.0, pred=n % 2, after=0) for n in range(4)]  # 1 and 3 change
    rows[0] |= {"rank_correlation": None, "mass_border_after": None}
    rows[2] |= {"rank_correlation": 0.1, "rank_correlation_floor": 0.6}
    return rows


def blurs() -> list[dict]:
    lost = {"pred": None, "pred_after": None, "changed": None, "status": "not_finite"}
    rows = [row(n, "blur", 1.5, pred=n % 2, after=1) for n in range(4)]
    return [rows[0], rows[1], rows[3], rows[2] | lost]


def changed(paths, rows: list[dict]) -> Run:
    write_cells(paths, {"daisy": CONFIRMED, "tulip": CLEAR}, "daisy/6.jpg")
    pq.write_table(pa.Table.from_pylist(rows, AUGMENTATION), paths.augmentation)
    return Run(paths.root)


@pytest.fixture
def run(tiny_run) -> Run:
    return changed(tiny_run, [*flips(), *turns(), *blurs()])


def test_the_one_that_changes_most_is_named_first(run):
    found = augmentation(run, read_facts(run))
    said = "Of 4 photos 2 are decided otherwise when rotated by 30°, 1 when blurred by 1.5 px; "
    said += "none when flipped left to right."
    assert found.sentence == augmentation_words(run) == said
    assert said in in_short(run).facts
    assert said in summary_of(run)["notes"]
    assert [(r["changed"], r["n"]) for r in found.rows] == [(2, 4), (1, 3), (0, 4)]
    turned, blurred, flipped = found.rows
    assert (turned["low"], turned["high"]) == wilson_interval(0.5, 4)
    assert found.accuracy == 1
    assert [r["accuracy"] for r in found.rows] == pytest.approx([0.5, 2 / 3, 1])
    assert flipped["correlation"] == ("0.50", "0.90")
    assert turned["correlation"] == ("0.37", "0.80")  # of the three that are known
    assert turned["overlap"] == ("0.25", "0.75")


def test_masses_are_those_of_the_confirmed_class_s_photos(run):
    found = augmentation(run, read_facts(run))
    assert found.regions == {"border": "border of daisy"}
    turned, _, flipped = found.rows
    assert flipped["masses"]["border"] == pytest.approx({"before": 0.6, "after": 0.2, "n": 2})
    assert turned["masses"]["border"]["n"] == 1  # of the other the region is not known after it


def test_the_page_shows_it(run):
    template = environment().get_template("augmentation.html.j2")
    html = template.render(augmentation=augmentation(run, read_facts(run)))
    assert html.index("Rotated by 30°") < html.index("Blurred by") < html.index("Flipped left")
    assert "2 of 4<br><small>15% to 85%</small>" in html
    assert "0.37<small>own 0.80</small>" in html
    assert "60% → 20%<small>2 photos</small>" in html
    assert "nan" not in html
    assert "None" not in html


def test_without_maps_or_cues_there_are_fewer_columns(tiny_run):
    bare = {name: None for name in AUGMENTATION.names if name.startswith(("mass", "rank", "over"))}
    run = changed(tiny_run, [r | bare | {"method": None} for r in flips()])
    found = augmentation(run, read_facts(run))
    assert found.method is None
    assert found.sentence == ("Of 4 photos none is decided otherwise when flipped left to right.")
    html = environment().get_template("augmentation.html.j2").render(augmentation=found)
    assert html.count('<th scope="col">') == 3
    assert "No heatmaps were compared" in html


def test_words_of_one_photo_and_of_many_augmentations(tiny_run):
    run = changed(tiny_run, turns()[1:2])
    said = "The one photo that was changed is decided otherwise when rotated by 30°."
    assert augmentation_words(run) == said
    more = [("crop", 0.2), ("colour", 0.4), ("noise", 16.0)]
    rows = [row(n, *name, pred=0, after=int(n == 0)) for name in more for n in range(4)]
    run = changed(tiny_run, [*turns(), *blurs(), *rows])
    assert augmentation_words(run) == (
        "Of 4 photos 2 are decided otherwise when rotated by 30°, 1 when blurred by 1.5 px, "
        "1 when cropped to the middle 80%, as many or fewer when recoloured by up to 40% or "
        "covered with noise of 16 grey levels."
    )


def test_nothing_changed_no_section(tiny_run):
    assert augmentation(Run(tiny_run.root), read_facts(Run(tiny_run.root))) is None
    run = changed(tiny_run, [])
    assert augmentation(run, read_facts(run)) is None
    assert augmentation_words(run) == ""
