"""The action for GitHub and the job for GitLab, their shell steps run as those runners do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import tiny
from tests.gate.runs import cell, effect, made
from xai_audit.gate.lines import DOC

ACTION = tiny.REPO / ".github" / "actions" / "gate" / "action.yml"
TEXT = (tiny.REPO / "README.md").read_text(encoding="utf-8")
GOOD, BAD = [cell("daisy")], [cell("daisy", verdict="confirmed", **effect(0.8, 0.1))]
# In place of Python: pip does nothing, an audit takes a finished run, and asks its gate if it has
# one; the gate itself is the real one.
PYTHON = """#!/bin/bash
echo "$@" >> "$HOME/calls"
case "$2 $3" in
  pip*) exit 0 ;;
  "xai_audit gate") exec {python} "$@" ;;
esac
for each in "$@"; do
  case "$each" in
    output_dir=*) folder="${{each#*=}}" ;;
    gate.*) rules+=("$each") ;;
  esac
done
cp -r "$HOME/finished" "$folder"
[ -z "$rules" ] || exec {python} -m xai_audit gate "$folder" "${{rules[@]}}"
"""


def block(name: str):
    """The YAML block of the README that begins with the file's name."""
    (found,) = re.findall(rf"```yaml\n(# {re.escape(name)}\n.*?)```", TEXT, flags=re.DOTALL)
    return yaml.safe_load(found)


@pytest.fixture
def runner(tmp_path):
    """Runs a script as GitHub's ``shell: bash`` and GitLab's runner do, with a bare environment."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").write_text(PYTHON.format(python=sys.executable))
    (tools / "python").chmod(0o755)
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (tmp_path / name).touch()

    def run(script: str, **env: str) -> int:
        known = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        known |= {"HOME": str(tmp_path), "PATH": f"{tools}:{os.environ['PATH']}"}
        known |= {"PYTHONPATH": str(tiny.REPO)}
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            bash, cwd=tmp_path, env=known | env, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 3), done.stderr
        return done.returncode

    return run


def acted(runner, given: dict[str, str]) -> int:
    """The exit code of the action's steps, which end with the first that fails."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    known = {name: each.get("default", "") for name, each in action["inputs"].items()}
    assert {*given} <= {*known}
    needed = {name for name, each in action["inputs"].items() if each.get("required")}
    assert needed <= {*given}
    inputs = known | given
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]  # what a user gives is never part of a script
        wanted = re.fullmatch(r"inputs\.(\w+) != ''", step.get("if", "inputs.folder != ''"))[1]
        if not inputs[wanted]:
            continue
        names = {
            k: re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", v)[1] for k, v in step["env"].items()
        }
        env = {key: inputs[name] for key, name in names.items()}
        if code := runner(step["run"], **env):
            return code
    return 0


def steps_of_the_readme() -> dict[str, str]:
    """What the README's workflow gives to the action."""
    (job,) = block(".github/workflows/audit.yml")["jobs"].values()
    (step,) = (each for each in job["steps"] if "xai-audit/" in each.get("uses", ""))
    place = re.fullmatch(r"xai-audit/xai_audit/(.+)@main", step["uses"])[1]
    assert (tiny.REPO / place / "action.yml") == ACTION
    *_, last = job["steps"]
    assert last["if"] == "always()"
    assert last["with"]["path"] == f"{step['with']['folder']}/report"
    return step["with"]


@pytest.mark.parametrize(("cells", "code"), [(GOOD, 0), (BAD, 3)])
def test_the_action(runner, tmp_path, cells, code):
    made(tmp_path / "finished", cells)
    given = steps_of_the_readme()
    assert acted(runner, given) == code
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [
        "-m pip install xai-audit",
        "-m xai_audit dataset=imagefolder dataset.root=photos model.arch=resnet18 "
        "model.weights=null model.checkpoint=resnet18.pth output_dir=audit",
        "-m xai_audit gate audit gate.max_confirmed=0 gate.max_undetermined=0.2",
    ]
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == f"result={code}\n"
    shown = (tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
    assert f"### Gate: {'failed' if code else 'passed'}" in shown
    assert (tmp_path / "audit" / "report" / "junit.xml").is_file()


def test_the_action_takes_odd_values_as_they_are(runner, tmp_path):
    folder = 'a "b" $(touch never) `touch never`; *'
    made(tmp_path / folder, BAD)
    rules = "\n  \ngate.max_confirmed=1\n$(touch never)=1\n"
    given = {"folder": folder, "rules": "gate.max_confirmed=1\n\n", "package": ""}
    assert acted(runner, given) == 0
    assert [*(tmp_path / "calls").read_text().splitlines()] == [
        f"-m xai_audit gate {folder} gate.max_confirmed=1"
    ]
    with pytest.raises(AssertionError, match="holds no run"):
        acted(runner, given | {"rules": rules})
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(("cells", "code"), [(GOOD, 0), (BAD, 3)])
def test_the_job_of_gitlab(runner, tmp_path, cells, code):
    made(tmp_path / "finished", cells)
    job = block(".gitlab-ci.yml")["audit"]
    assert runner("\n".join(job["script"])) == code
    artifacts = job["artifacts"]
    assert artifacts["when"] == "always"
    assert (tmp_path / artifacts["reports"]["junit"]).is_file()
    assert Path(artifacts["reports"]["junit"]).parent.as_posix() in artifacts["paths"]


def test_what_lines_name_is_in_the_readme():
    headings = re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)
    assert DOC.partition("#")[2] in [name.lower().replace(" ", "-") for name in headings]
    (entries,) = re.findall(r"```yaml\n# accepted.yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert {*yaml.safe_load(entries)[0]} == {"cell", "reason", "by", "until"}
