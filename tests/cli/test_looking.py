"""The verbs that only look: ``open``, ``models``."""

from __future__ import annotations

import json

import pytest
import timm
from torchvision import models

from tests import tiny
from xai_audit.verbs.models import known


@pytest.fixture
def reported(tmp_path):
    """A folder with a run's record and a page."""
    page = tmp_path / "out" / "report" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>")
    (tmp_path / "out" / "run.json").write_text("{}")
    return page


def test_the_report_opens_in_the_browser(reported, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or True)
    done = tiny.audit(["open", str(reported.parents[1])])
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{reported}\n", "")
    assert opened == [reported.as_uri()]
    assert tiny.audit(["open", str(reported.parents[1]), "--print"]).stdout == f"{reported}\n"
    assert len(opened) == 1
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    done = tiny.audit(["open", str(reported.parents[1])])
    assert (done.returncode, done.stdout) == (0, f"{reported}\n")
    assert "no browser" in done.stderr


def test_a_report_of_an_earlier_command_is_said_to_be_one(reported):
    (reported.parents[1] / "run.json").write_text('{"fingerprints": {"index": "a"}}')
    done = tiny.audit(["open", str(reported.parents[1]), "--print"])
    assert (done.returncode, done.stdout) == (0, f"{reported}\n")
    assert "this report is of an earlier command" in done.stderr


@pytest.mark.parametrize("lacking", ["report", "run"])
def test_what_is_not_there_is_one_line(reported, lacking):
    if lacking == "report":
        reported.unlink()
    else:
        (reported.parents[1] / "run.json").unlink()
    done = tiny.audit(["open", str(reported.parents[1]), "--print"])
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert ("no report" if lacking == "report" else "holds no run") in line


def test_the_archs_are_those_of_the_packages():
    assert known("torchvision") == sorted(models.list_models(module=models))
    assert known("timm") == sorted(timm.list_models())
    assert known("no_such_package") == []


def test_models_searches():
    done = tiny.audit(["models", "ResNet18"])
    assert done.returncode == 0
    assert "model=torchvision model.arch=resnet18" in done.stdout.splitlines()
    assert "model=timm model.arch=seresnet18" in done.stdout.splitlines()
    assert tiny.audit(["models", "nothing-like-it"]).returncode == 1


def test_models_lists_every_option():
    rows = json.loads(tiny.audit(["models", "--json"]).stdout)
    files = sorted(file.stem for file in (tiny.REPO / "conf" / "model").glob("*.yaml"))
    assert [row["option"] for row in rows] == files
    assert all(row["about"] for row in rows)
    done = tiny.audit(["models"])
    assert all(f"model={name}" in done.stdout for name in files)
    assert "resnet18" not in done.stdout
