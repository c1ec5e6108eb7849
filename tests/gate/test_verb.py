"""``xai-audit gate``: lines, files and exit codes, and the same at the end of an audit."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import jsonschema  # of nbclient, which the tests need for notebooks
import pytest

from tests import tiny
from tests.gate.runs import CLASSES, cell, effect, made
from xai_audit.gate.lines import DOC
from xai_audit.report.summary import SUMMARY_SCHEMA

SCHEMA = json.loads(SUMMARY_SCHEMA.read_text(encoding="utf-8"))
ODD = 'a "b" <i>&\x07|*_`#@\\'
RULES = ("gate.max_confirmed=0", "gate.min_accuracy=0.5", "gate.max_reliance.colour=0.5")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bad(name: str = "daisy"):
    return [cell(name, verdict="confirmed", **effect(0.8, 0.1)), cell("tulip")]


def summary(root) -> dict:
    found = json.loads((root / "report" / "summary.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    return found


def cases(root) -> dict[str, ElementTree.Element]:
    """Rule -> its element, of a document whose counts are those of its elements."""
    tree = ElementTree.parse(root / "report" / "junit.xml").getroot()
    assert tree.tag == "testsuites"
    (suite,) = tree
    assert suite.tag == "testsuite"
    assert all(each.tag == "testcase" for each in suite)
    counts = {"tests": len(suite), "errors": 0}
    counts |= {"failures": len(suite.findall("testcase/failure"))}
    assert {key: int(suite.get(key)) for key in counts} == counts
    assert {key: int(tree.get(key)) for key in counts} == counts
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    assert all({"name", "classname", "time"} == {*each.keys()} for each in suite)
    return {each.get("name"): each for each in suite}


def test_lines_files_and_exit_code_say_the_same(place):
    root = made(place / "out", bad()).root
    done = tiny.audit(["gate", "out", *RULES])
    assert (done.returncode, done.stderr) == (3, "")
    head, *lines = done.stdout.splitlines()
    assert head == "out:"
    assert [line.split(" | ")[0].strip() for line in lines] == [
        "violated: gate.max_confirmed",
        "violated: gate.max_reliance.colour",
        "passed: gate.min_accuracy",
        "result: failed",
    ]
    for part in (
        "level error", "expected at most 0", "read: the lower end", "remedy: crop, mask",
        "found 1 confirmed: daisy/border 0.80 (95 % interval 0.70 to 0.90)",
        f"see {root / 'evidence.parquet'}", f"doc {DOC}",
    ):  # fmt: skip
        assert part in lines[0]
    assert "found not measured: no such cue was examined" in lines[1]
    assert lines[-1].endswith("| 2 violated, 1 passed, 0 cannot tell, 0 not applicable")
    found = cases(root)
    assert [*found] == ["gate.max_confirmed", "gate.max_reliance.colour", "gate.min_accuracy"]
    failure = found["gate.max_confirmed"].find("failure")
    assert failure.text == lines[0].strip()
    assert failure.get("type") == "violated"
    assert found["gate.min_accuracy"].find("failure") is None
    gate = summary(root)["gate"]
    assert gate["failed"]
    assert {each["id"]: each["group"] for each in gate["rules"]} == {
        "gate.max_confirmed": "violated",
        "gate.max_reliance.colour": "violated",
        "gate.min_accuracy": "passed",
    }
    assert gate["rules"][0]["found"] in lines[0]
    text = (root / "report" / "summary.md").read_text(encoding="utf-8")
    assert "### Gate: failed" in text
    shown = json.loads(tiny.audit(["gate", "out", *RULES, "--json"]).stdout)
    assert shown == [{"folder": "out"} | gate]


def test_warn_shows_and_does_not_block(place):
    root = made(place / "out", bad()).root
    done = tiny.audit(["gate", "out", *RULES, "gate.level=warn"])
    assert done.returncode == 0
    assert "violated: gate.max_confirmed | level warn" in done.stdout
    assert "would have failed, but gate.level=warn blocks nothing" in done.stdout
    assert not [e for e in cases(root).values() if e.find("failure") is not None]
    assert cases(root)["gate.max_confirmed"].find("skipped").text.startswith("violated")
    assert not summary(root)["gate"]["failed"]
    assert "would have failed" in (root / "report" / "summary.md").read_text(encoding="utf-8")


def test_undetermined_never_passes_silently(place):
    root = made(place / "out", [cell(n, verdict="undetermined", n_images=0) for n in CLASSES]).root
    done = tiny.audit(["gate", "out", "gate.max_confirmed=0"])
    assert done.returncode == 3
    assert "cannot tell: gate.max_confirmed" in done.stdout
    assert cases(root)["gate.max_confirmed"].find("failure").get("type") == "cannot tell"
    done = tiny.audit(["gate", "out", "gate.max_confirmed=0", "gate.max_cannot_tell=null"])
    assert done.returncode == 0
    assert "cannot tell: gate.max_confirmed | level error, does not block" in done.stdout
    assert cases(root)["gate.max_confirmed"].find("skipped").get("message").startswith("cannot")


def test_accepted_cells_are_shown(place):
    root = made(place / "out", bad()).root
    entry = {"cell": "daisy/border", "reason": "known", "by": "Ada", "until": "2999-12-31"}
    (place / "accepted.yaml").write_text(json.dumps([entry]))
    done = tiny.audit(["gate", "out", "gate.max_confirmed=0"])
    assert done.returncode == 0, done.stdout
    line = "accepted, in force: daisy/border | known | by Ada | until 2999-12-31"
    assert line in done.stdout
    assert summary(root)["gate"]["accepted"] == [entry | {"state": "in force"}]
    text = (root / "report" / "summary.md").read_text(encoding="utf-8")
    assert "| daisy/border | known | Ada | 2999-12-31 | in force |" in text


def test_names_of_any_kind_are_escaped(place):
    name = f"{ODD} [x](javascript:1)"
    root = made(place / "o=ut", bad(name)).root
    done = tiny.audit(["gate", "o=ut", "gate.max_confirmed=0"])
    assert done.returncode == 3
    message = cases(root)["gate.max_confirmed"].find("failure").get("message")
    assert name.replace("\x07", "\N{REPLACEMENT CHARACTER}") in message
    assert summary(root)["findings"][0]["class_name"] == name
    text = (root / "report" / "summary.md").read_text(encoding="utf-8")
    assert "<i>" not in text
    assert r"&lt;i&gt;&amp;" in text
    assert r"\[x\](javascript" in text


def test_several_audits_and_one_that_is_none(place):
    made(place / "good", [cell("daisy")])
    made(place / "bad", bad())
    done = tiny.audit(["gate", "good", "nowhere", "bad", "gate.max_confirmed=0"])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "this folder holds no run" in line
    heads = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert heads == ["good:", "bad:"]
    assert tiny.audit(["gate", "good", "bad", "gate.max_confirmed=0"]).returncode == 3
    assert tiny.audit(["gate", "good", "gate.max_confirmed=0"]).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["out"], "no rule to check: xai-audit gate | expected one of gate.max_confirmed"),
        (["gate.max_confirmed=0"], "no audit is named"),
        (["out", "gate.level=warn"], "no rule to check: gate.level"),
        (["out", "gate.max_confirmd=0"], "did you mean 'gate.max_confirmed'?"),
        (["out", "gate.max_confirmed=-1"], "bad value: gate.max_confirmed | expected >= 0"),
        (["out", "gate.max_confirmed=some"], "gate.max_confirmed=some"),
        (["out", "gate.max_reliance.border=2"], "gate.max_reliance.border | expected 0 to 1"),
        (["out", "gate.max_reliance.border=nan"], "gate.max_reliance.border | expected 0 to 1"),
        (["out", "gate.max_reliance=0.1"], "gate.max_reliance=0.1"),
        (["out", "gate.min_accuracy=90"], "gate.min_accuracy | expected 0 to 1"),
        (["out", "gate.level=loud"], "gate.level | expected one of error, warn"),
        (["out", "gate.max_confirmed=0", "seed=1"], "no key of a gate: seed=1"),
        (["out", "gate.max_confirmed=0", "--warn"], "unknown flag: --warn"),
        (["out", "gate.max_confirmed=0", "gate.accepted=x.yaml"], "cannot read the accepted"),
        (["out", "gate.max_confirmed=0", "gate.allow=[a/b]"], "gate.allow=[a/b]"),
        (["out", "gate.no_worse_than=x"], "holds no run"),
    ],
)
def test_what_cannot_be_is_one_line(place, words, said):
    made(place / "out", bad())
    done = tiny.audit(["gate", *words])
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("xai_audit: ")
    assert said in line
    assert not (place / "out" / "report").exists()


def test_rules_in_a_file_of_ones_own(place):
    made(place / "out", bad())
    (place / "ci" / "experiment").mkdir(parents=True)
    file = place / "ci" / "experiment" / "release.yaml"
    file.write_text("# @package _global_\ngate:\n  max_confirmed: 0\n")
    done = tiny.audit(["gate", "out", "--config-dir", "ci", "experiment=release"])
    assert (done.returncode, done.stderr) == (3, "")


def test_it_loads_no_torch(place):
    made(place / "out", bad())
    code = (
        "import sys; from xai_audit.verbs.gate import main; code = main(sys.argv[1:])\n"
        "print(code, [m for m in ('torch', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place / "out"), "gate.max_confirmed=0"],
        capture_output=True, text=True, check=True, cwd=tiny.REPO,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "3 []"
