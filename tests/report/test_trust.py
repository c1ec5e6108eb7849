from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xai_audit.report.sections import trust
from xai_audit.report.templating import environment
from xai_audit.run.reader import Run
from xai_audit.schema import METHODS, RANDOM


def row(method: str, trusted: bool | None, **measured: float) -> dict:
    told = {"method": method, "trusted": trusted, "n_images": 24, "because": "So it is."}
    for name, value in measured.items():
        told |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
    return {name: told.get(name) for name in METHODS.names}


@pytest.fixture
def checked(tiny_run):
    rows = [
        row(RANDOM, None, insertion=-0.001),
        row("guided_backprop", False, similarity_all=0.8, road=0.1, insertion=0.5),
        row("grad<cam>", True, similarity_all=-0.05, road=0.2, insertion=0.6),
    ]
    pq.write_table(pa.Table.from_pylist(rows, METHODS), tiny_run.methods)
    return tiny_run


def test_nothing_is_told_where_nothing_was_checked(tiny_run):
    assert trust(Run(tiny_run.root)) is None


def test_means_with_their_intervals_noise_last_and_empty_columns_left_out(checked):
    told = trust(Run(checked.root))
    assert told["columns"] == ["Similarity with random weights", "ROAD", "Insertion"]
    assert [line["method"] for line in told["rows"]] == ["guided_backprop", "grad<cam>", RANDOM]
    assert told["rows"][1]["cells"][0] == ("-0.05", "-0.15 to 0.05")
    assert told["rows"][2]["cells"] == [None, None, ("0.00", "-0.10 to 0.10")]
    assert (told["failed"], told["unknown"]) == (["guided_backprop"], {})


def test_the_page_names_the_method_that_fails(checked):
    page = environment().get_template("trust.html.j2").render(trust=trust(Run(checked.root)))
    assert "<b>guided_backprop</b> is not to be trusted here" in page
    assert "grad&lt;cam&gt;" in page
    assert page.count("<small>not to be trusted</small>") == 1


def test_the_page_says_when_every_method_passes(checked):
    rows = [row("gradcam", True, similarity_all=0.1)]
    pq.write_table(pa.Table.from_pylist(rows, METHODS), checked.methods)
    page = environment().get_template("trust.html.j2").render(trust=trust(Run(checked.root)))
    assert "Every method's maps change" in " ".join(page.replace("&#39;", "'").split())


def test_a_method_that_could_not_be_judged_is_not_said_to_pass(checked):
    rows = [row("gradcam", True, similarity_all=0.1), row("lime", None, road=0.1)]
    pq.write_table(pa.Table.from_pylist(rows, METHODS), checked.methods)
    told = trust(Run(checked.root))
    page = environment().get_template("trust.html.j2").render(trust=told)
    assert "It is unknown for lime: So it is." in page
    assert "Every method" not in page


def test_checks_of_another_model_are_not_shown(checked):
    told = json.loads(checked.run_json.read_text()) if checked.run_json.exists() else {}
    checked.run_json.write_text(json.dumps(told | {"fingerprints": {"score": "x"}}))
    assert trust(Run(checked.root)) is None
