"""What a report takes on paper, as Chromium prints it."""

from __future__ import annotations

import base64
import re
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.report import test_adversarial, test_trust
from tests.report.conftest import FLAGS_AT, table
from tests.report.tab import opened
from tests.report.test_browser import CHROMIUM
from tests.report.test_proof import coloured, drawn, pair
from tests.report.test_verdicts import cell, relied, write
from xai_audit.flags.outliers import write_flags
from xai_audit.run.reader import Run
from xai_audit.schema import ADVERSARIAL, METHODS, RANDOM, TRANSPLANTS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
CLASSES = ["daisy", "tulip", *("marsh_marigold", "hollyhock", "marguerite", "poppy", "pansy")]
CUES = [
    *("border", "background", "colour", "brightness", "contrast", "sharpness", "jpeg_quality"),
    *("resolution", "aspect_ratio", "file", "corner_top_left", "corner_top_right"),
    *("corner_bottom_left", "corner_bottom_right"),
]
FOUND = [("daisy", "border"), ("daisy", "background"), ("tulip", "corner_bottom_right")]
INCHES = {"Letter": (8.5, 11), "A4": (8.27, 11.69)}


@pytest.fixture
def printed(tiny_run):
    """Three findings with all that is told of them, and the sections of a whole audit."""
    told = {"accuracy_agree": 1.0, "accuracy_disagree": 0.25, "n_agree": 55, "n_disagree": 4}
    told |= {"accuracy_with": 0.97, "accuracy_without": 0.2, "core_accuracy": 0.6}
    told |= {"mass": 0.24, "area": 0.08, "attention": 0.16, "availability": 0.99}
    told |= {"n_carriers": 24, "n_screened": 24, "carrier_share": 1.0, "carrier_reliance": 0.8}
    cells = []
    for name, cue in product(CLASSES, CUES):
        sure = (name, cue) in FOUND
        row = cell(name, cue, "confirmed" if sure else "available", **relied(0.8 if sure else 0.1))
        cells.append(row | (told if sure else {}) | {"because": "Because of what was seen. " * 9})
    gaps = [
        {"cue": cue, "gap": 0.05, "accuracy_with": 0.9, "accuracy_without": 0.8} for cue in CUES
    ]
    write(tiny_run, cells, summary=gaps)
    pairs = [pair(6, 0.8), pair(6, 0.8, cue="background"), pair(6, 0.8, "tulip", cue=FOUND[2][1])]
    pq.write_table(table(pairs, TRANSPLANTS), tiny_run.part(tiny_run.transplants, 0))
    flips = [
        test_adversarial.row(f"{name}/{number}.jpg", attack, size=number / 5)
        for name, number in product(("daisy", "tulip"), range(6, 12))
        for attack in ("fgsm", "pgd", "pgd_l2")
    ]
    pq.write_table(pa.Table.from_pylist(flips, ADVERSARIAL), tiny_run.adversarial)
    checked = [test_trust.row(name, None, insertion=0.5, road=0.1) for name in ("gradcam", RANDOM)]
    pq.write_table(pa.Table.from_pylist(checked, METHODS), tiny_run.methods)
    write_flags(Run(tiny_run.root), **FLAGS_AT)
    return drawn(tiny_run, coloured).file


def test_three_findings_take_six_pages_and_the_galleries_more_where_they_are_chosen(
    printed, tmp_path
):
    with opened(tmp_path / "profile") as tab:
        tab.load(printed.as_uri())
        counts = {name: pages(tab, *size) for name, size in INCHES.items()}
        assert max(counts.values()) <= 6, counts
        tab.click("#print-galleries")
        assert pages(tab, *INCHES["Letter"]) > counts["Letter"]


def pages(tab, width: float, height: float) -> int:
    made = tab.chromium.ask("Page.printToPDF", paperWidth=width, paperHeight=height)
    return len(re.findall(rb"/Type\s*/Page[^s]", base64.b64decode(made["data"])))
