"""A sweep: each member in its own folder, a line a member, and a page over all."""

from __future__ import annotations

import re

import pytest
import torch

from tests import tiny
from xai_audit.verbs.sweep import Sweep, swept

SHORT = ("stages=[index,attribute,score]", "methods=null")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two checkpoints of one architecture."""
    root = tmp_path_factory.mktemp("weights")
    for number, name in enumerate(("a", "b")):
        torch.save(tiny.net(seed=number).state_dict(), root / f"{name}.pth")
    return root


def test_two_checkpoints_have_a_folder_each_and_a_line_and_a_page(folder, weights, tmp_path):
    out = tmp_path / "out"
    files = f"model.checkpoint={weights}/a.pth,{weights}/b.pth"
    done = tiny.audit(["-m", *tiny.overrides(folder, out, tiny.WHOLE), files, "model.name=tiny"])
    assert done.returncode == 0, done.stderr
    members = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert len(members) == 2
    assert [re.search(r"^checkpoint-.*-([ab])\.pth$", name)[1] for name in members] == ["a", "b"]
    for name in members:
        assert (out / name / "SUCCESS").is_file()
    told = [
        line for line in done.stderr.splitlines() if "checkpoint=" in line and "confirmed" in line
    ]
    assert len(told) == 2
    page = (out / "sweep.html").read_text(encoding="utf-8")
    assert "2 audits of one sweep" in page
    assert len(re.findall(r'href="[^"]*report/index.html"', page)) == 2
    assert len(re.findall(r"<td>\d+\.\d%</td>", page)) == 2


def test_a_member_that_fails_is_told_and_the_others_go_on(folder, tmp_path):
    out = tmp_path / "out"
    line = [*tiny.overrides(folder, out, "stages=[index]"), "seed=0,-1,2"]
    done = tiny.audit(["-m", *line])
    assert done.returncode == 2
    assert {path.name for path in out.iterdir()} == {"seed-0", "seed-2", "sweep.html"}
    assert re.search(r"seed=-1: bad value", done.stderr)
    assert "no verdicts yet" in (out / "sweep.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["-m", "method=a,b", "seed=1"], ("method",)),
        (
            ["--multirun", "model.checkpoint=a.pth,b.pth", "seed=range(3)"],
            ("model.checkpoint", "seed"),
        ),
        (["-m", "targets=[label,pred]"], ()),
        (["method=a,b"], ()),
    ],
)
def test_what_is_swept_is_what_has_several_values(arguments, keys):
    assert swept(arguments) == keys


def test_a_folder_s_name_tells_what_it_does_not_tell_already():
    sweep = Sweep(("method", "model.checkpoint"))
    given = ["method=lime", "model.checkpoint=runs/1/best.pth", "seed=3"]
    assert sweep.member(given) == "method=lime,checkpoint=runs/1/best.pth"
    assert sweep.placed(given, None) == "checkpoint=runs/1/best.pth"
    assert sweep.placed(given, "out") == "method=lime,checkpoint=runs/1/best.pth"
    assert sweep.placed(given, "out/${seed}") == ""
    assert Sweep().placed(given, None) == ""
    archs = Sweep(("model.arch",))
    assert archs.placed(["model.arch=resnet18"], None) == ""
    assert archs.placed(["model.arch=resnet18", "model.name=mine"], None) == "arch=resnet18"
