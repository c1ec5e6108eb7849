"""Subsets of the stages: what is lacking is said before anything is computed."""

from __future__ import annotations

import pytest

from tests import tiny
from xai_audit.config.nodes import STAGES

# Stages that were requested -> those that they need besides, in an empty folder.
LACKING = {
    "attribute": "index",
    "index,score": "attribute",
    "index,attribute,score,report": "flag",
    "report": "index, attribute, score, flag",
    "index,trust,evidence": "attribute, score",
    "index,flag": "attribute, score",
    "discover,agreement,boundary": "index, attribute, score",
    "adversarial": "index",
    "augmentation": "index",
}


@pytest.mark.parametrize("stages", LACKING)
def test_an_empty_folder_stays_empty(folder, tmp_path, stages):
    words = tiny.overrides(folder, tmp_path / "out", f"stages=[{stages}]")
    # Opening this model would be another error.
    done = tiny.audit([*words, "model.factory=tests.tiny:no_such_net"])
    assert done.returncode == 2
    lacking = LACKING[stages]
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"xai_audit: {stages.split(',')[-1]} needs {lacking}, not finished")
    whole = [word for word in STAGES if word in {*stages.split(","), *lacking.split(", ")}]
    assert line.endswith(
        f"add {lacking.replace(', ', ' and ')} to stages: stages=[{','.join(whole)}]"
    )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def scored(folder, tmp_path):
    out = tmp_path / "out"
    words = tiny.overrides(folder, out, "stages=[index,attribute,score,flag]")
    done = tiny.audit(words)
    assert done.returncode == 0, done.stderr
    return words, out


def test_tables_of_an_earlier_command_are_used_and_named(scored):
    words, out = scored
    done = tiny.audit([*words, "stages=[report]"])
    assert done.returncode == 0, done.stderr
    assert "tables of an earlier command are used: flag\n" in done.stderr
    assert (out / "report" / "index.html").is_file()


def test_a_stage_that_would_be_undone_is_named_before_anything_changes(scored):
    words, out = scored
    before = {path: path.stat().st_mtime_ns for path in (out / "scores").iterdir()}
    assert before
    done = tiny.audit([*words, "stages=[score,report]", "regions.border=0.2"])
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("xai_audit: report needs flag, not finished for this configuration")
    assert last.endswith("add flag to stages: stages=[score,flag,report]")
    assert before == {path: path.stat().st_mtime_ns for path in (out / "scores").iterdir()}
    again = tiny.audit([*words, "stages=[score,flag,report]", "regions.border=0.2"])
    assert again.returncode == 0, again.stderr
