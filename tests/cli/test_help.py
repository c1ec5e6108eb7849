"""``--help``: every key has a value and a meaning, which only the configuration's files say."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml

from tests import tiny
from xai_audit.config.meanings import of_file, of_nodes
from xai_audit.config.nodes import AuditConfig
from xai_audit.config.validation import leaves
from xai_audit.verbs import VERBS
from xai_audit.verbs.help import GROUPS

CONF = tiny.REPO / "conf"
OPTIONS = [(group, file) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]


def test_every_key_of_the_nodes_has_a_meaning():
    _, meanings = of_nodes()
    assert {key for key, _, _ in leaves(AuditConfig())} <= {*meanings}


@pytest.mark.parametrize(("group", "file"), OPTIONS, ids=lambda each: getattr(each, "stem", each))
def test_every_key_of_an_option_has_a_value_and_a_meaning(group, file):
    done = tiny.audit([f"{group}={file.stem}", "--help"])
    assert done.returncode == 0, done.stderr
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    node = node.get(group, node)
    for key in {*node} - {"_target_", "defaults", "name"}:
        # The meaning stands behind the key or, of a long one, in the next line.
        line = re.search(
            rf"^  {group}\.{key}[=.][^\n]*(\n {{41}}\S|  +\S|(?<=.{{39}}) \S)", done.stdout, re.M
        )
        assert line, (key, done.stdout)
    head = of_file(file)[0]
    assert head
    assert [line for line in done.stdout.splitlines() if line.startswith(f"{group}={file.stem}: ")]
    others = [other for other in GROUPS if other != group]
    assert not [line for line in done.stdout.splitlines() if line.startswith(tuple(others))]


def test_comments_are_read_where_they_stand(tmp_path):
    file = tmp_path / "lens.yaml"
    file.write_text(
        "# @package _global_\n# A lens.\n# Two lines.\n_target_: x.Y\nplain: 1\n\n"
        "# Above.\nabove: 2\n"
        "behind: 'a#b'  # Behind.\n# Lost, for a line is empty.\n\nouter:\n  inner: 3  # Inside.\n"
    )
    head, found = of_file(file)
    assert head == "A lens. Two lines."
    assert found == {"above": "Above.", "behind": "Behind.", "outer.inner": "Inside."}


def test_all_of_it_is_grouped_and_shows_what_is_chosen():
    done = tiny.audit(["regions.border=0.2", "--help"])
    assert done.returncode == 0
    text = done.stdout
    for key, _, _ in leaves(AuditConfig()):
        assert key in (*GROUPS, "cue") or f"\n  {key}=" in text, key
    assert "\n  regions.border=0.2 " in text
    assert "\n  border                 The band along all four edges" in text
    assert re.search(r"^method=gradcam: Grad-CAM: .*Needs:\s+gradients", text, re.M | re.S)


def test_a_sweep_and_an_option_of_ones_own_have_help_too(tmp_path):
    done = tiny.audit(["-m", "method=lime,gradcam", "dataset=csv", "--help"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dataset=OPTION")
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text(
        "_target_: no.Place\nname: mine\nreach: 3  # Far.\n"
    )
    done = tiny.audit(["--config-dir", str(tmp_path), "method=mine", "--help"])
    assert re.search(r"^  method.reach=3 +Far\.$", done.stdout, re.M), done.stdout
    assert "None" not in done.stdout


def test_an_unknown_option_is_one_line():
    done = tiny.audit(["method=lim", "--help"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'lime'?" in done.stderr


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "run"])
def test_every_verb_has_help(verb):
    done = subprocess.run(
        [sys.executable, "-m", "xai_audit", verb, "--help"],
        capture_output=True, text=True, check=False, cwd=tiny.REPO,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: xai-audit {verb}")


def test_the_methods_are_a_table_and_json():
    files = sorted(file.stem for file in (CONF / "method").glob("*.yaml"))
    done = tiny.audit(["methods", "--json"])
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert [*rows] == files
    assert not [row for row in rows.values() if None in row.values()]
    assert rows["lime"]["forwards"] == "1 + 1000"
    assert rows["saliency"]["sign"] == "absolute"
    assert rows["gradcam"]["paper"] == "Selvaraju et al. 2017, equations 1 and 2."
    lines = tiny.audit(["methods"]).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == files


def test_methods_of_ones_own_are_listed_with_what_is_known(tmp_path):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("_target_: no.such.Place\nname: mine\n")
    done = tiny.audit(["methods", "--json", "--config-dir", str(tmp_path)])
    row = next(row for row in json.loads(done.stdout) if row["name"] == "mine")
    assert {row[key] for key in ("needs", "forwards", "about", "paper")} == {None}
