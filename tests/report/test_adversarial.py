from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.conftest import SMALL
from xai_audit.flags.outliers import write_flags
from xai_audit.report.adversarial import adversarial
from xai_audit.report.build import build_report
from xai_audit.report.facts import read_facts
from xai_audit.report.page import _environment
from xai_audit.schema import ADVERSARIAL

ODD = "daisy/<script>alert(1)<\\script>.jpg"


def row(image_id: str, attack: str, *, size: float | None = None, **more) -> dict:
    told = {"image_id": image_id, "attack": attack, "pred": 0, "label": 0, "status": "not_flipped"}
    told |= {"region_status": "ok", "area_border": 0.25}
    if size is not None:
        cells = np.zeros((4, 4), np.float16)
        cells[0, 0] = 1
        told |= {"status": "ok", "epsilon": size, "rms": size, "l2": size * 9, "flipped_to": 1}
        told |= {"energy_border": 0.5, "change_map": cells.ravel(), "change_scale": 2.0}
        told |= {"change_height": 4, "change_width": 4}
    return {name: (told | more).get(name) for name in ADVERSARIAL.names}


@pytest.fixture
def attacked(tiny_run):
    rows = [
        row("tulip/3.jpg", "fgsm"),
        row("tulip/3.jpg", "pgd", size=2.0),
        row("tulip/3.jpg", "pgd_l2", size=0.9, pred=1, flipped_to=0, energy_border=0.1),
        row(ODD, "fgsm"),
        row(ODD, "pgd", size=0.684),
        row(ODD, "pgd_l2", size=0.3),
        row("tulip/2.jpg", "pgd"),
        row("tulip/2.jpg", "pgd_l2", size=0.5, energy_border=0.7),
        row("tulip/4.jpg", "pgd", status="not_finite"),
    ]
    pq.write_table(pa.Table.from_pylist(rows, ADVERSARIAL), tiny_run.adversarial)
    return tiny_run


def told(run, folder):
    return adversarial(run, read_facts(run), folder=folder, tile=64)


def test_what_is_told(attacked, tmp_path):
    found = told(attacked, tmp_path)
    assert (found["tried"], found["flipped"]) == (3, 2)
    assert found["median"] == pytest.approx(2.0)  # of 0.684, 2.0 and beyond
    fgsm, pgd, l2 = found["rows"]
    assert (fgsm["flipped"], fgsm["median"], fgsm["regions"]["border"]) == (0, None, None)
    assert (pgd["words"], pgd["median"]) == ("PGD", found["median"])
    mean = (0.5 + 0.1 + 0.7) / 3
    assert l2["regions"]["border"] == pytest.approx({"energy": mean, "lift": mean / 0.25})
    assert l2["regions"]["object"] is None
    assert found["where"] == {"border": pytest.approx(mean)}
    assert [(c["words"], c["flipped"]) for c in found["classes"]] == [("daisy", 2), ("tulip", 1)]
    assert found["classes"][0]["regions"]["border"]["lift"] == pytest.approx(0.6 / 0.25)


def test_the_smallest_first_and_the_change_where_it_is(attacked, tmp_path):
    pictures = told(attacked, tmp_path)["pictures"]
    assert [p["words"] for p in pictures] == ["daisy → tulip", "daisy → tulip", "tulip → daisy"]
    assert [p["image_id"] for p in pictures] == [ODD, "tulip/2.jpg", "tulip/3.jpg"]
    image = Image.open(tmp_path / pictures[2]["file"])
    assert image.size == (pictures[2]["width"], pictures[2]["height"])
    pixels = np.asarray(image, int)
    # The photo is 80 x 60 and red; the view is its middle, the change in the top left cell of it.
    height, width = pixels.shape[:2]
    left = (width - height) // 2
    hot, cold = pixels[2, left + 3], pixels[-4, -left - 4]
    assert hot[1] > cold[1] + 80  # plasma's most is yellow
    grey = Image.open(tmp_path / pictures[1]["file"]).getpixel((1, 1))
    np.testing.assert_allclose(grey, (96, 98, 102), atol=2)  # a photo that cannot be read


def test_nothing_attacked_no_section(tiny_run, tmp_path):
    assert told(tiny_run, tmp_path) is None
    pq.write_table(ADVERSARIAL.empty_table(), tiny_run.adversarial)
    assert told(tiny_run, tmp_path) is None
    template = _environment().get_template("adversarial.html.j2")
    assert template.render(adversarial=None, base="").strip() == ""


def test_the_section_escapes_and_rounds(attacked, tmp_path):
    template = _environment().get_template("adversarial.html.j2")
    html = template.render(adversarial=told(attacked, tmp_path), base="gallery/")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "daisy → tulip</b> at 0.3/255" in html
    assert "may change by 2/255; 2 flip (PGD)." in html
    assert 'src="gallery/adversarial/00.jpg"' in html
    assert "43%<small>×1.7</small>" in html
    assert "nan" not in html.lower()
    assert "None" not in html


@pytest.mark.parametrize("with_it", [True, False])
def test_the_page_with_and_without(attacked, with_it):
    if not with_it:
        attacked.adversarial.unlink()
    write_flags(attacked, z=3.5, min_excess=0.1)
    build_report(attacked, settings=SMALL, mask_of=lambda _: None)
    page = attacked.index_html.read_text(encoding="utf-8")
    assert ('href="#adversarial"' in page) == with_it
    assert ('id="adversarial"' in page) == with_it
    drawn = attacked.gallery / "adversarial"
    assert drawn.is_dir() == with_it
