"""A gate at the end of an audit: one small audit that all tests here share."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from tests import tiny
from tests.gate.test_verb import SCHEMA, cases, summary
from xai_audit.gate.cells import cell_of
from xai_audit.report.answers import read_findings
from xai_audit.report.in_short import in_short
from xai_audit.run.reader import Run

pytestmark = pytest.mark.xdist_group("gate")


@pytest.fixture(scope="module")
def audited(folder, tmp_path_factory):
    """The command, its end, the output folder."""
    out = tmp_path_factory.mktemp("gate") / "out"
    words = tiny.overrides(folder, out, tiny.WHOLE, "cues=[border,background]")
    return words, tiny.audit([*words, "gate.max_confirmed=0", "gate.min_accuracy=0.999"]), out


def test_the_audit_is_finished_and_ends_with_3(audited):
    _, done, out = audited
    assert done.returncode == 3, done.stderr
    assert (out / "SUCCESS").is_file()
    *_, line = done.stderr.splitlines()
    assert line.startswith(f"xai_audit: the gate failed: {out} | got 1 violated: gate.min_accuracy")
    told = [line[9:] for line in done.stderr.splitlines() if line[9:].startswith("gate: ")]
    assert told[0].startswith("gate: violated: gate.min_accuracy | level error | expected at least")
    assert told[-1].startswith("gate: result: failed | 1 violated")
    assert cases(out)["gate.min_accuracy"].find("failure") is not None


def test_the_places_to_look_at_are_on_the_page(audited):
    _, _, out = audited
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    for rule in summary(out)["gate"]["rules"]:
        name, _, anchor = rule["where"].partition("#")
        assert name == "report/index.html"
        assert f'id="{anchor}"' in page


def test_the_summary_says_what_the_log_and_the_tables_say(audited):
    words, done, out = audited
    run, found = Run(out), summary(out)
    short = in_short(run)
    assert found["answer"] == short.lead
    assert f"answer: {found['answer']}" in done.stderr
    counts = run.verdicts["verdict"].value_counts()
    assert {k: v for k, v in found["verdicts"].items() if v} == dict(counts)
    scores = run.scores.drop_duplicates("image_id")
    right = (scores.label == scores.pred).mean()
    assert found["accuracy"]["value"] == pytest.approx(right, abs=1e-5)
    core = run.summary.set_index("cue").loc["background"]
    assert found["core_accuracy"]["value"] == pytest.approx(core.accuracy_without, abs=1e-5)
    assert found["core_accuracy"]["n"] == core.n_images
    graver = [f for f in read_findings(run) if f.verdict in ("confirmed", "suspected")]
    assert {each["cell"] for each in found["findings"]} == {cell_of(f) for f in graver}
    identity = found["identity"]
    assert identity["command"][: len(words)] == words
    assert identity["seed"] == 0
    assert re.fullmatch(r"[0-9a-f]{64}", identity["dataset"]["listing_sha256"])
    facts = json.loads((out / "model.json").read_text())["facts"]
    assert identity["model"]["weights_sha256"] == facts["weights"]
    drawn = ("gallery", "explore", "page")
    dates = [when for stage, when in run.record["finished"].items() if stage not in drawn]
    assert identity["date"] == max(dates)
    text = (out / "report" / "summary.md").read_text(encoding="utf-8")
    for because in (each["because"] for each in found["open"]):
        assert because in text


def test_without_a_rule_nothing_is_asked_and_the_report_stays(audited):
    words, _, out = audited
    before = (out / "report" / "summary.json").stat().st_mtime_ns
    done = tiny.audit(words)
    assert (done.returncode, "gate:" in done.stderr) == (0, False)
    assert (out / "report" / "summary.json").stat().st_mtime_ns == before


def test_the_page_shows_what_is_accepted(audited, monkeypatch, tmp_path):
    words, _, out = audited
    monkeypatch.chdir(tmp_path)
    entry = {"cell": "circle/border", "reason": "<b>known</b>", "by": "Ada", "until": "2999-01-02"}
    (tmp_path / "accepted.yaml").write_text(json.dumps([entry]))
    done = tiny.audit(words)
    assert done.returncode == 0, done.stderr
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    table = page[page.index('id="accepted"') :]
    for text in ("circle/border", "&lt;b&gt;known&lt;/b&gt;", "Ada", "2999-01-02"):
        assert text in table
    assert not (out / "report" / "junit.xml").exists()
    assert summary(out)["gate"] is None
    (tmp_path / "accepted.yaml").unlink()
    assert tiny.audit(words).returncode == 0
    assert 'id="accepted"' not in (out / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("gate.max_reliance.bordr=0.1", "unknown cue: gate.max_reliance.bordr"),
        ("gate.level=warn", "no rule to check"),
        ("gate.accepted=nowhere.yaml", "cannot read the accepted cells"),
        ("gate.no_worse_than=nowhere", "this folder holds no run"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_runs(folder, tmp_path, key, said):
    rules = [] if key == "gate.level=warn" else ["gate.max_confirmed=0"]
    done = tiny.audit([*tiny.overrides(folder, tmp_path / "out"), *rules, key])
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_schema_is_one_and_describes_every_value(audited):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = summary(audited[2])
    assert {*found} == {*SCHEMA["properties"]} == {*SCHEMA["required"]}
    for name, node in SCHEMA["$defs"].items():
        assert {*node.get("required", [])} == {*node.get("properties", {})}, name
    for broken in ({"schema_version": 2}, {"answer": None}, {"cells": -1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(found | broken, SCHEMA, jsonschema.Draft202012Validator)


def test_a_sweep_ends_with_3_and_shows_what_failed(audited, folder, tmp_path):
    """Of the index alone: nothing is measured, which a gate does not let through."""
    words = tiny.overrides(folder, tmp_path / "out", "stages=[index]", "gate.max_confirmed=0")
    done = tiny.audit(["-m", *words, "seed=0,1"])
    assert done.returncode == 3, done.stderr
    page = (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")
    assert page.count("seed=") >= 2
    assert done.stderr.count("found not measured") == 2
