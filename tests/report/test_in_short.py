"""The answer in short: what the log of every command ends with."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from tests import tiny
from xai_audit.report import answers
from xai_audit.report.in_short import in_short
from xai_audit.run.paths import RunPaths
from xai_audit.run.reader import Run

STARTS = (
    "answer: ",
    "Only 1 cue was examined, as requested: border.",
    "accuracy ",
    "class × cue: ",
    "heatmaps: ",
    "report: ",
)


def told(stderr: str) -> list[str]:
    """The log from the answer on, without the time."""
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in stderr.splitlines()]
    return lines[[line.startswith("answer: ") for line in lines].index(True) :]


@pytest.fixture(scope="module")
def audited(folder, finished):
    """A whole audit of the small photos: its command, its log, its output folder."""
    words = tiny.overrides(folder, finished, tiny.WHOLE)
    return words, finished.with_suffix(".log").read_text(encoding="utf-8"), finished


def test_the_log_ends_with_the_answer_and_the_report(audited):
    _, stderr, out = audited
    lines = told(stderr)
    assert [line for line in lines if line.startswith(STARTS)] == lines
    assert lines[-1] == f"report: {out / 'report' / 'index.html'}"
    scores = Run(out).scores.drop_duplicates("image_id")
    assert f"accuracy {(scores.label == scores.pred).mean():.1%} of 18 photos" in lines
    counts = Run(out).verdicts["verdict"].value_counts()
    found = next(line for line in lines if line.startswith("class × cue: "))
    assert {*found.removeprefix("class × cue: ").split(", ")} == {
        f"{count} {verdict}" for verdict, count in counts.items()
    }


def test_a_command_with_nothing_to_do_says_the_same(audited, tmp_path):
    words, stderr, out = audited
    again = shutil.copytree(out, tmp_path / "again")
    said = tiny.audit([*words, f"output_dir={again}"]).stderr
    assert told(said.replace(str(again), str(out))) == told(stderr)


def test_the_answer_needs_no_torch(audited):
    code = (
        "import sys\n"
        "from xai_audit.report.in_short import log_answer\n"
        "from xai_audit.run.paths import RunPaths\n"
        "from pathlib import Path\n"
        f"log_answer(RunPaths(Path({str(audited[2])!r})))\n"
        "print([name for name in ('torch', 'captum', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tiny.REPO
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_part_of_an_audit_says_what_is_missing(folder, tmp_path):
    out = tmp_path / "out"
    done = tiny.audit(tiny.overrides(folder, out, "stages=[index]"))
    assert told(done.stderr) == [
        "answer: The evidence has not been measured yet.",
        "not computed: attribute, score, trust, discover, evidence, agreement, boundary, "
        "adversarial, augmentation, flag, report (add to stages what is wanted); computed: index",
        f"tables: {out}",
    ]


def test_scores_of_another_sample_give_no_accuracy(folder, tmp_path):
    words = tiny.overrides(folder, tmp_path / "out")
    assert "accuracy" in "".join(told(tiny.audit(words).stderr))
    stale = tiny.audit([*words, "limit=9", "stages=[index]"])
    assert "accuracy" not in "".join(told(stale.stderr))


def test_a_sweep_ends_with_its_own_answer(folder, tmp_path):
    words = tiny.overrides(folder, tmp_path / "out", "stages=[index]")
    swept = tiny.audit(["-m", *words, "seed=0,1"])
    assert swept.returncode == 0, swept.stderr
    assert "answer:" not in swept.stderr
    assert swept.stderr.splitlines()[-1].endswith("sweep.html")


def test_a_share_does_not_answer(folder, tmp_path):
    words = tiny.overrides(folder, tmp_path / "out", "stages=[index,attribute]")
    left = tiny.audit([*words, "engine.workers=0"])
    share = tiny.audit([*words, "shard=1/2"])
    for done in (left, share):
        assert done.returncode == 0, done.stderr
        assert "answer:" not in done.stderr


def findings(run, verdicts):
    """A finding of each verdict, of the effects 0.11, 0.12, ..."""
    first = answers.read_findings(run)[0]
    for number, verdict in enumerate(verdicts):
        effect = 0.11 + 0.01 * number
        yield replace(
            first, class_name=f"c{number}", verdict=verdict, effect=effect, low=0.1, high=0.5,
            because=f"Reason {number}.",
        )  # fmt: skip


def test_the_worst_come_first_and_the_rest_is_counted(audited, monkeypatch, caplog):
    from xai_audit.report.in_short import log_answer

    run = Run(audited[2])
    planted = [*findings(run, ["confirmed"] * 8 + ["undetermined"] * 3)]
    monkeypatch.setattr("xai_audit.report.in_short.read_findings", lambda _: planted)
    short = in_short(run)
    assert [f.class_name for f in short.findings] == ["c7", "c6", "c5", "c4", "c3", "c2"]
    assert short.more == 2
    with caplog.at_level(logging.INFO, "xai_audit"):
        log_answer(RunPaths(run.root))
    assert (
        "confirmed: c7 by its border, effect 0.18 (95 % interval 0.10 to 0.50)" in caplog.messages
    )
    assert "confirmed: and 2 more" in caplog.messages
    # The largest of those that are likely comes first, 0.21.
    assert "undetermined: border of c10 and 2 more. Reason 10." in caplog.messages
