"""axe-core finds nothing serious on the pages: names, roles, contrast, order, light and dark."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.compare.conftest import cured
from tests.report.built import build_report
from tests.report.conftest import FLAGS_AT, SMALL, no_mask
from tests.report.tab import opened
from tests.report.test_browser import CHROMIUM
from tests.report.test_verdicts import answered
from xai_audit.compare.comparison import compare
from xai_audit.flags.outliers import write_flags
from xai_audit.report import page
from xai_audit.report.explore.build import draw_sheets, read_material, write_explore
from xai_audit.report.picture import ReportSettings
from xai_audit.run.reader import Run

__all__ = ["answered", "cured"]
AXE = find_spec("axe_playwright_python")  # only its axe.min.js is used
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed"),
]
# [rule, impact, where it is broken first] for each violation that keeps somebody out.
RUN = """axe.run({options}).then((found) => found.violations
  .filter((rule) => ["serious", "critical"].includes(rule.impact))
  .map((rule) => [rule.id, rule.impact, rule.nodes[0].html]))"""
ALL = {"resultTypes": ["violations"]}
COLOURS = ALL | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("profile") / "p") as one:
        yield one


def violations(tab, url: str, rules=ALL) -> list[list[str]]:
    tab.load(url)
    if "explore" in url:
        tab.until("document.documentElement.dataset.ready")
    if "#photo" in url:
        tab.until("document.getElementById('detail').open")
    (source,) = AXE.submodule_search_locations
    tab.run((Path(source) / "axe.min.js").read_text(encoding="utf-8"))
    return tab.ask(RUN.replace("{options}", json.dumps(rules)))


def test_no_page_of_a_report_keeps_anybody_out(answered, cured, tab, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "_INLINE_CLASSES", 1)  # so that galleries are pages of their own
    write_flags(Run(answered.root), **FLAGS_AT)
    run, shown = Run(answered.root), ReportSettings(3, 64, 0, explore_images=100)
    material = read_material(run, shown)
    draw_sheets(run, material.sheets, half)
    write_explore(run, material)
    build_report(run, SMALL, no_mask)
    found = compare(cured)
    pages = {
        "main": answered.index_html.as_uri(),
        "explore": answered.explore_html.as_uri(),
        "photo": f"{answered.explore_html.as_uri()}#photo=daisy%2F6.jpg",
        "gallery": next(answered.gallery.glob("*/index.html")).as_uri(),
        "comparison": found.save(tmp_path / "compared").as_uri(),
    }
    for rules in (ALL, COLOURS):  # only those of colours ask anything else of the dark
        tab.size(1280, 900, dark=rules is COLOURS)
        for name, url in pages.items():
            assert (name, violations(tab, url, rules)) == (name, [])


def half(image_id: str) -> np.ndarray:
    return np.arange(60 * 80).reshape(60, 80) % 80 < 40


def test_what_axe_would_find_is_found(tab, tmp_path):
    file = tmp_path / "bad.html"
    text = "<style>@media (prefers-color-scheme: dark) { p { color: #777 } }</style><p>weak</p>"
    file.write_text(
        f"<!doctype html><html lang=en><title>t</title><img src=data:,><input>{text}"
        "<style>body { background: #222; color: #fff }</style>"
    )
    tab.size(1280, 900)
    assert {rule for rule, _, _ in violations(tab, file.as_uri())} == {"image-alt", "label"}
    tab.size(1280, 900, dark=True)
    assert [rule for rule, _, _ in violations(tab, file.as_uri(), COLOURS)] == ["color-contrast"]
