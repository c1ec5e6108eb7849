from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.report.conftest import no_mask, reported
from xai_audit.report.adversarial_section import adversarial
from xai_audit.report.draw import draw_pictures
from xai_audit.report.facts import read_facts
from xai_audit.report.templating import environment
from xai_audit.run.reader import Run
from xai_audit.schema import ADVERSARIAL

GIVEN = SimpleNamespace(masks_made=False)  # of the facts of a run


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


def section(paths, folder):
    """The section, its pictures drawn into ``folder``."""
    run = Run(paths.root)
    found = adversarial(run, read_facts(run), folder="g", tile=64)
    if found is not None:
        draw_pictures(run, [p["picture"] for p in found["pictures"]], no_mask, folder)
    return found


def test_what_is_shown(attacked, tmp_path):
    found = section(attacked, tmp_path)
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
    pictures = section(attacked, tmp_path)["pictures"]
    assert [p["words"] for p in pictures] == ["daisy → tulip", "daisy → tulip", "tulip → daisy"]
    assert [p["image_id"] for p in pictures] == [ODD, "tulip/2.jpg", "tulip/3.jpg"]
    picture = pictures[2]["picture"]
    image = Image.open(tmp_path / picture.file)
    assert image.size == (picture.width, picture.height)
    pixels = np.asarray(image, int)
    # The photo is 80 x 60 and red; the view is its middle, the change in the top left cell of it.
    height, width = pixels.shape[:2]
    left = (width - height) // 2
    hot, cold = pixels[2, left + 3], pixels[-4, -left - 4]
    assert hot[1] > cold[1] + 80  # plasma's most is yellow
    # A photo that cannot be read has no picture.
    assert not (tmp_path / pictures[1]["picture"].file).exists()


def test_nothing_attacked_no_section(tiny_run, tmp_path):
    assert section(tiny_run, tmp_path) is None
    pq.write_table(ADVERSARIAL.empty_table(), tiny_run.adversarial)
    assert section(tiny_run, tmp_path) is None
    template = environment().get_template("adversarial.html.j2")
    assert template.render(adversarial=None, drawn=(), root="").strip() == ""


def test_the_section_escapes_and_rounds(attacked, tmp_path):
    template = environment().get_template("adversarial.html.j2")
    found = section(attacked, tmp_path)
    file = found["pictures"][0]["picture"].file
    html = template.render(adversarial=found, drawn={file}, root="../", facts=GIVEN)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "daisy → tulip</b> at 0.3/255" in html
    assert "may change by 2/255; 2 flip (PGD)." in html
    assert f'src="../{file}"' in html
    assert html.count("photo cannot be read") == 2
    assert "43%<small>×1.7</small>" in html
    assert "nan" not in html.lower()
    assert "None" not in html


@pytest.mark.parametrize("with_it", [True, False])
def test_the_page_with_and_without(attacked, with_it):
    if not with_it:
        attacked.adversarial.unlink()
    reported(attacked)
    page = attacked.index_html.read_text(encoding="utf-8")
    assert ('href="#adversarial"' in page) == with_it
    assert ('id="adversarial"' in page) == with_it
    drawn = attacked.gallery / "adversarial"
    assert drawn.is_dir() == with_it
