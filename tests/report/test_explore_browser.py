"""The explore page in a real browser: by mouse, by keyboard and by link, with hostile names."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.report.conftest import FLAGS_AT, ODD_NAMES, RunBuilder, table, write_cells
from tests.report.tab import opened
from tests.report.test_browser import CHROMIUM
from xai_audit.flags.outliers import write_flags
from xai_audit.report.explore.build import draw_sheets, read_material, write_explore
from xai_audit.report.picture import ReportSettings
from xai_audit.run.reader import Run
from xai_audit.schema import TRANSPLANTS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.xdist_group("explore"),
]

COUNT = 300
NAMES = [
    *(f"daisy/{name.replace('|', chr(92))}" for name in ODD_NAMES),
    "daisy/\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe.jpg",
    f"daisy/{'x' * 200}.jpg",
    "daisy/</script><img src=x onerror=alert(1)>.jpg",
]
IDS = [*NAMES, *(f"daisy/p{i:03d}.jpg" for i in range(COUNT - len(NAMES) - 40))]
IDS += [f"tulip/p{i:03d}.jpg" for i in range(40)]
CARRIER, VICTIM = "daisy/p003.jpg", "tulip/p001.jpg"


def half(image_id):
    mask = np.zeros((60, 80), bool)
    mask[:, :40] = True
    return mask


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """300 photos by two methods, the first 40 of which have a file; one tulip in ten is wrong."""
    place = tmp_path_factory.mktemp("explore")
    builder = RunBuilder(root=place / "run", photos=place / "photos")
    for number, image_id in enumerate(IDS):
        if number < 40:
            builder.photo(image_id[:100] if len(image_id) > 100 else image_id, colour="green")
        wrong = {"pred": 0} if image_id.startswith("tulip") and number % 10 == 0 else {}
        builder.add(
            image_id,
            methods=("gradcam", "lrp"),
            kinds=("label",),
            mass_border=number / 1000,
            **wrong,
        )
    paths = builder.write(part=400)
    write_cells(paths, {"daisy": "clear", "tulip": "confirmed"}, CARRIER)
    pair = {"class_name": "daisy", "cue": "border", "question": "pull", "image_id": VICTIM}
    pair |= {"donor_with": CARRIER, "donor_without": "tulip/p002.jpg"}
    paths.transplants.mkdir()
    pairs = table([pair | {"p_with": 0.75, "p_without": 0.125}], TRANSPLANTS)
    pq.write_table(pairs, paths.part(paths.transplants, 0))
    write_flags(Run(paths.root), **FLAGS_AT)
    run, settings = Run(paths.root), ReportSettings(3, 64, 0, explore_images=1000)
    material = read_material(run, settings)
    draw_sheets(run, material.sheets, half)
    write_explore(run, material)
    return paths.explore_html


@pytest.fixture(scope="module")
def tab(page, tmp_path_factory):
    with opened(tmp_path_factory.mktemp("profile") / "p") as one:
        one.size(1280, 800)
        yield one
        assert one.complaints() == []
        assert {url.rpartition("/report/")[0] for url in one.requested()} == {
            page.parent.parent.as_uri()
        }


def at(page, **state):
    return f"{page.as_uri()}#{urlencode(state)}"


def counted(tab, count):
    words = f"{count} of {COUNT} photos"
    tab.until(f"document.getElementById('count').textContent === {json.dumps(words)}")


def titles(tab):
    return tab.ask("[...document.querySelectorAll('.photo')].map((node) => node.title)")


def test_every_filter_by_its_control(page, tab):
    tab.go(page.as_uri())
    counted(tab, COUNT)
    wrong = [i for n, i in enumerate(IDS) if i.startswith("tulip") and n % 10 == 0]
    for name, value, count in (
        ("class", "tulip", 40),
        ("right", "wrong", len(wrong)),
        ("reason", "mistake", len(wrong)),
        ("reason", "any", None),
        ("cue", "border", COUNT),
    ):
        tab.choose(name, value)
        if count is not None:
            counted(tab, count)
        tab.click("button[type=reset]")
        counted(tab, COUNT)
        assert tab.ask("location.hash") == ""
    tab.choose("cue", "border")
    tab.choose("verdict", "confirmed")
    counted(tab, 40)
    tab.choose("verdict", "")
    tab.choose("carrier", "yes")
    counted(tab, 1)
    tab.until(f"document.querySelector('.photo').title === {json.dumps(CARRIER)}")
    tab.ask("history.back()")
    counted(tab, COUNT)


def test_sorted_by_a_score_the_document_holds_what_is_in_view_alone(page, tab):
    tab.go(at(page, sort="mass_border", method="lrp"))
    tab.until("document.querySelectorAll('.photo')[1]?.title")
    assert titles(tab)[:2] == IDS[:-3:-1]
    assert tab.ask("document.querySelectorAll('.photo').length") < 60
    tab.choose("order", "asc")
    tab.until(f"document.querySelector('.photo').title === {json.dumps(IDS[0])}")
    assert "mass, border 0" in tab.ask("document.querySelector('.photo').textContent")


def test_by_keyboard_alone(page, tab):
    tab.go(at(page, **{"class": "tulip"}))
    counted(tab, 40)
    tab.until("document.querySelectorAll('.photo')[2]?.title")
    reached = set()
    for _ in range(30):
        tab.press("Tab")
        here = tab.ask("document.activeElement.name || document.activeElement.className")
        reached.add(here)
        if tab.ask("document.activeElement.getAttribute('role')") == "gridcell":
            break
    controls = ("text", "class", "cue", "verdict", "reason", "right", "carrier", "method", "sort")
    assert {*controls, "photo", "heatmap", "mask", "donor", "opacity"} <= reached
    tab.press("ArrowRight")
    tab.press("Enter")
    tab.until(f"document.getElementById('detail-title')?.textContent === {json.dumps(VICTIM)}")
    assert tab.ask("new URLSearchParams(location.hash.slice(1)).get('photo')") == VICTIM
    tab.press("ArrowRight")
    tab.until("document.getElementById('detail-title').textContent === 'tulip/p002.jpg'")
    tab.press("Escape")
    tab.until("!document.getElementById('detail').open && !location.hash.includes('photo')")
    tab.until("document.activeElement.title === 'tulip/p002.jpg'")
    tab.press("End")
    tab.until("document.activeElement.title === 'tulip/p039.jpg'")
    tab.press("?", shift=True)
    tab.until("document.getElementById('help').open")
    tab.press("Escape")
    tab.until("!document.getElementById('help').open")


def test_a_search_keeps_the_photos_whose_name_has_the_text(page, tab):
    tab.go(page.as_uri())
    counted(tab, COUNT)
    tab.press("Tab")
    while tab.ask("document.activeElement.name !== 'text'"):
        tab.press("Tab")
    for letter in "Tulip/P03?":
        tab.press(letter)
    counted(tab, 0)
    assert not tab.ask("document.getElementById('help').open")  # the ? is of the name
    tab.press("Backspace")
    counted(tab, 10)
    assert tab.ask("document.activeElement.value") == "Tulip/P03"
    assert tab.ask("location.hash").startswith("#" + urlencode({"text": "Tulip/P03"}))
    tab.until("document.querySelector('.photo')?.title")
    assert titles(tab) == [f"tulip/p03{n}.jpg" for n in range(10)]
    tab.choose("right", "wrong")
    counted(tab, 1)
    tab.ask("history.back()")
    counted(tab, 10)
    tab.ask("history.back()")
    counted(tab, COUNT)  # one step, whatever was typed
    assert tab.ask("document.getElementById('form').elements.text.value") == ""
    tab.go(at(page, text="P03"))
    counted(tab, sum("p03" in name for name in IDS))
    assert tab.ask("document.getElementById('form').elements.text.value") == "P03"
    tab.click("button[type=reset]")
    counted(tab, COUNT)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_takes_text_as_it_is(page, tab, name):
    tab.go(at(page, text=name.swapcase() if name.isascii() else name))
    counted(tab, sum(name.lower() in one.lower() for one in IDS))
    tab.until("document.querySelector('.photo')?.title")
    assert name in titles(tab)


def test_a_link_to_a_photo_shows_its_numbers_methods_and_donors(page, tab):
    tab.go(at(page, photo=VICTIM))
    tab.until("document.getElementById('detail').open")
    text = tab.ask("document.getElementById('detail').innerText")
    place = IDS.index(VICTIM)
    for words in ("gradcam · label", "lrp · label", f"{place / 1000:.3f}", "0.750", "0.125"):
        assert words in text
    assert CARRIER in text
    tab.go(at(page, photo="daisy/nobody.jpg"))
    tab.until("!document.getElementById('problem').hidden")
    assert "daisy/nobody.jpg" in tab.ask("document.getElementById('problem').textContent")


def test_what_is_shown_of_a_photo(page, tab):
    tab.go(at(page, sort="mass_border", order="asc", show="photo,heatmap,mask", opacity="40"))
    tab.until("document.querySelector('.photo .heat') && document.querySelector('.photo .mask')")
    level = tab.ask(
        "(() => { const c = document.querySelector('.photo .heat');"
        "return [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, 2, 1).data] })()"
    )
    assert (level[:2], level[5], level[9]) == ([4, 4], 255, 0)  # the heatmap is an identity matrix
    assert tab.ask("getComputedStyle(document.querySelector('.photo .heat')).opacity") == "0.4"
    for name, selector in (("heatmap", ".photo .heat"), ("mask", ".mask"), ("photo", ".tile i")):
        seen = f"getComputedStyle(document.querySelector('{selector}')).display !== 'none'"
        assert tab.ask(seen)
        tab.click(f"#shown [name={name}]")
        tab.until(f"!({seen})")
    assert tab.ask("new URLSearchParams(location.hash.slice(1)).get('show')") == ""


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_text(page, tab, name):
    tab.go(at(page, photo=name))
    tab.until("document.getElementById('detail').open")
    assert tab.ask("document.getElementById('detail-title').textContent") == name
    assert tab.ask("document.querySelectorAll('img').length") == 0


def test_a_phone_is_not_scrolled_sideways(page, tab):
    tab.size(390, 800)
    for state in ({"class": "daisy"}, {"photo": NAMES[-2]}):
        tab.go(at(page, **state))
        assert tab.ask("document.documentElement.scrollWidth <= innerWidth")
        assert tab.ask(
            "[...document.querySelectorAll('dialog[open]')]"
            ".every((node) => node.scrollWidth <= node.clientWidth)"
        )
    tab.size(1280, 800)
