"""``budget=``: an answer within a time, the same command further, no budget to the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from tests import tiny
from xai_audit.budget import within
from xai_audit.budget.pace import Pace, Reach
from xai_audit.budget.within import limited
from xai_audit.config.compose import compose
from xai_audit.errors import ConfigError, DatasetError
from xai_audit.run.paths import RunPaths

pytestmark = pytest.mark.xdist_group("budget")

_STAGES = "stages=[index,attribute,score,evidence,augmentation,flag,report]"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return tiny.make_folder(tmp_path_factory.mktemp("budget") / "photos", per_class=18)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return RunPaths(tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="module")
def stages(many, out):
    """What a short budget, the same command again and no budget leave: config, tables, page."""
    found = []
    gate = "gate.max_undetermined=0"
    for more in (["budget=1s", gate], ["budget=20m"], []):
        done = tiny.audit(tiny.overrides(many, out.root, _STAGES, *more))
        assert done.returncode == (3 if gate in more else 0), done.stderr
        if gate in more:
            shutil.copytree(out.root, out.root.with_name("short"))
        found.append(
            {
                "record": json.loads(out.run_json.read_text()),
                "evidence": pd.read_parquet(out.evidence),
                "page": out.index_html.read_text(encoding="utf-8"),
                "summary": out.summary_md.read_text(encoding="utf-8"),
                "log": done.stderr,
                "code": done.returncode,
            }
        )
    return found


@pytest.fixture
def short_copy(many, out, stages):
    """The command line of a copy of the run as the short budget left it, its folder last."""
    return tiny.overrides(many, out.root.with_name("short"), _STAGES)[:-1] + [
        f"output_dir={out.root.with_name('short')}"
    ]


def test_a_short_time_has_a_report_that_says_on_what_it_rests(stages):
    short = stages[0]
    config, counts = short["record"]["config"], short["record"]["counts"]
    assert config["budget"] == "1s"
    assert counts["ok"] == config["limit"] < 54
    photos, forwards = config["limit"], config["evidence"]["max_forwards"]
    told = f"(budget=1s), from {photos} of 54 photos and at most {forwards} forwards"
    for text in (short["page"], short["summary"], short["log"]):
        assert told in text


def test_nothing_is_measured_beyond_what_is_told(stages):
    short = stages[0]
    rows = short["evidence"]
    assert (rows["n_images"] <= short["record"]["config"]["limit"]).all()
    assert "augmentation" not in short["record"]["fingerprints"]


def test_another_report_of_it_says_so_too(stages, short_copy):
    """The sentence is of the evidence, not of the last command."""
    assert "(budget=1s)" in stages[0]["page"]
    done = tiny.audit([*short_copy, "stages=[report]", "report.tile=64"])
    assert done.returncode == 0, done.stderr
    page = RunPaths(Path(short_copy[-1].partition("=")[2])).index_html
    assert "(budget=1s)" in page.read_text(encoding="utf-8")


def test_the_same_command_goes_on_from_there(stages):
    short, longer = stages[0]["record"], stages[1]["record"]
    assert longer["config"]["limit"] == longer["counts"]["ok"] == 54
    assert (
        longer["config"]["evidence"]["max_forwards"] > short["config"]["evidence"]["max_forwards"]
    )


def test_without_a_budget_it_is_the_audit_that_never_had_one(stages, many, tmp_path):
    out = RunPaths(tmp_path / "out")
    done = tiny.audit(tiny.overrides(many, out.root, _STAGES))
    assert done.returncode == 0, done.stderr
    whole = stages[2]
    assert "augmentation" in whole["record"]["fingerprints"]
    pd.testing.assert_frame_equal(whole["evidence"], pd.read_parquet(out.evidence))
    assert "a first answer" not in whole["page"]


def test_a_budget_takes_nothing_from_an_audit_that_had_none(stages, many, out):
    before = json.loads(out.run_json.read_text())["fingerprints"]
    done = tiny.audit(tiny.overrides(many, out.root, _STAGES, "budget=1s"))
    assert done.returncode == 0, done.stderr
    assert json.loads(out.run_json.read_text())["fingerprints"] == before
    assert "here is an audit without one" in done.stderr


@pytest.fixture(scope="module")
def looked(many, tmp_path_factory):
    """An audit that has a first look: its folder, its log, and what was there before each step."""
    out, steps = RunPaths(tmp_path_factory.mktemp("looked") / "out"), []

    def audit(spec):
        page = out.index_html.read_text(encoding="utf-8") if out.index_html.is_file() else ""
        steps.append((spec.settings.limit, page))
        return whole(spec)

    whole = within.audit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(within, "audit", audit)
        patch.setattr(within, "_MANY", 20)
        patch.setattr(within, "_LONG", 0)
        done = tiny.audit(tiny.overrides(many, out.root, _STAGES, "first_look=1s"))
    assert done.returncode == 0, done.stderr
    return out, done.stderr, steps


def test_a_first_look_has_a_report_that_says_so_before_the_audit_goes_on(looked):
    _, log, steps = looked
    limits, pages = zip(*steps, strict=True)
    assert limits[:2] == (16, 48)
    assert limits[-1] is None
    told = f"This is a first look, at {limits[-2]} of 54 photos"
    assert told in pages[-1]
    assert not any(pages[:-1])
    assert told in log
    assert "first look: the report above; the audit goes on" in log


def test_in_the_end_it_is_the_audit_that_nobody_looked_at(looked, stages):
    out, _, _ = looked
    pd.testing.assert_frame_equal(pd.read_parquet(out.evidence), stages[2]["evidence"])
    record = json.loads(out.run_json.read_text())
    assert record["fingerprints"] == stages[2]["record"]["fingerprints"]
    assert record["config"]["budget"] is None
    assert "first look" not in out.index_html.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "keys",
    [
        ["first_look=null"], ["limit=19"], ["stages=[index,attribute,score]"], ["engine=slurm"],
        ["engine.workers=0"], ["shard=1/2"], ["output_dir=s3://somewhere/of/mine"],
    ],
)  # fmt: skip
def test_nobody_looks_where_it_is_no_use(many, tmp_path, monkeypatch, keys):
    steps = []
    monkeypatch.setattr(within, "audit", lambda spec: steps.append(spec.is_look) or tmp_path)
    monkeypatch.setattr(within, "_MANY", 20)
    given = tiny.overrides(many, tmp_path / "out", _STAGES, "first_look=1s", *keys)
    within.audited(compose(given))
    assert steps == [False]


@pytest.mark.parametrize(("many_is", "told"), [(200, False), (54, True)])
def test_few_photos_are_not_looked_at_first(many, tmp_path, monkeypatch, many_is, told):
    steps = []

    def audit(spec):
        steps.append(spec.is_look)
        raise ConfigError("what the audit says")

    monkeypatch.setattr(within, "audit", audit)
    monkeypatch.setattr(within, "_MANY", many_is)
    with pytest.raises(ConfigError):
        within.audited(compose(tiny.overrides(many, tmp_path / "out", _STAGES, "first_look=1s")))
    assert steps == ([True, False] if told else [False])
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_with_a_few_photos_does_not_end_the_audit(many, tmp_path, monkeypatch):
    steps = []

    def audit(spec):
        steps.append(spec.is_look)
        if spec.is_look:
            raise DatasetError("no photo has a usable object mask")
        return tmp_path

    monkeypatch.setattr(within, "audit", audit)
    monkeypatch.setattr(within, "_MANY", 20)
    given = tiny.overrides(many, tmp_path / "out", _STAGES, "first_look=1s")
    assert within.audited(compose(given)) == tmp_path
    assert steps == [True, False]


def test_a_wrong_gate_is_told_before_anything_is_looked_at(many, tmp_path, monkeypatch):
    monkeypatch.setattr(within, "audit", lambda _: pytest.fail("looked"))
    monkeypatch.setattr(within, "_MANY", 20)
    given = (_STAGES, "first_look=1s", "gate.max_reliance={typo:0.1}")
    with pytest.raises(ConfigError, match="typo"):
        within.audited(compose(tiny.overrides(many, tmp_path / "out", *given)))


@pytest.mark.parametrize(("most", "seconds"), [(None, 100 * 0.03 + 80 * 0.02), (50, 3 + 50 * 0.02)])
def test_how_long_it_takes_is_by_photos_and_cells(most, seconds):
    """Closed form: 100 photos, and of 2 classes and a cue 40 forwards each, or fewer."""
    settings = SimpleNamespace(evidence=SimpleNamespace(max_forwards=most))
    audit = SimpleNamespace(
        _record={"classes": {"0": "a", "1": "b"}},
        _spec=SimpleNamespace(cues=({},), settings=settings),
        _photos=100,
    )
    found = within._Within._whole(audit, Pace(photo=0.02, survey=0.01))
    assert found == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("keys", "limit", "forwards"),
    [([], 16, 100), (["limit=5"], 5, 100), (["limit=20", "evidence.max_forwards=7"], 16, 7)],
)
def test_it_goes_no_further_than_its_user_wants(many, tmp_path, keys, limit, forwards):
    spec = compose(tiny.overrides(many, tmp_path, _STAGES, *keys))
    found = limited(spec, Reach(16, 100))
    assert (found.settings.limit, found.settings.evidence.max_forwards) == (limit, forwards)
    noted = found.config
    assert (noted["limit"], noted["evidence"]["max_forwards"]) == (limit, forwards)
    assert spec.config["limit"] == (int(keys[0].partition("=")[2]) if keys else None)


def test_its_gate_is_asked_once_and_of_the_last_answer(stages):
    assert stages[0]["code"] == 3
    assert stages[0]["log"].count("xai_audit: the gate failed") == 1


@pytest.mark.parametrize(
    "keys",
    [["shard=1/2"], ["engine=slurm"], ["stages=[index,attribute,score]"]],
)
def test_what_it_cannot_be_spent_on_is_refused_in_a_line(many, tmp_path, keys):
    done = tiny.audit(tiny.overrides(many, tmp_path / "out", _STAGES, "budget=5s", *keys))
    assert done.returncode == 2
    assert "budget=5s" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
