"""Where an audit's files go where no ``output_dir`` is given."""

from __future__ import annotations

import pytest
import torch

from tests import tiny


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """An index of the photos, from ``tmp_path``: the ended command, and the folders of all runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "other/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        torch.save(tiny.net().state_dict(), tmp_path / f"{name}.pth")

    def audited(*more):
        done = tiny.audit(
            tiny.overrides(folder, tmp_path, "output_dir=null", "stages=[index]", *more)
        )
        found = sorted(path.parent for path in (tmp_path / "outputs").rglob("run.json"))
        return done, [path.relative_to(tmp_path / "outputs").as_posix() for path in found]

    return audited


def test_every_checkpoint_has_a_folder_of_its_own(run):
    plain = "images/tests.tiny-net"
    assert run()[1] == [f"{plain}/gradcam"]
    for name in ("a", "b", "a"):
        done, found = run(f"model.checkpoint={name}.pth")
        assert done.returncode == 0, done.stderr
    assert {*found} == {f"{plain}{end}/gradcam" for end in ("", "-a", "-b")}
    done, found = run("model.checkpoint=b.pth", "model.name=mine")
    assert "images/mine/gradcam" in found


def test_another_file_of_the_same_name_is_one_line(run):
    run("model.checkpoint=a.pth")
    done, found = run("model.checkpoint=other/a.pth")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "the output folder holds another audit" in line
    assert line.endswith("remedy: model.name=ANOTHER_NAME or output_dir=ANOTHER_FOLDER")
    assert len(found) == 1


def test_the_folder_of_an_earlier_version_is_gone_on_with(run, tmp_path):
    _, (name,) = run("model.checkpoint=a.pth")
    earlier = tmp_path / "outputs" / "images" / "tests.tiny-net"
    (tmp_path / "outputs" / name).parent.rename(earlier)
    done, found = run("model.checkpoint=a.pth")
    assert done.returncode == 0, done.stderr
    assert found == ["images/tests.tiny-net/gradcam"]
    _, found = run("model.checkpoint=b.pth")  # which is another audit
    assert {*found} == {"images/tests.tiny-net-b/gradcam", "images/tests.tiny-net/gradcam"}


def test_a_sweep_of_checkpoints_names_each_once(run):
    _, found = run("-m", "model.checkpoint=a.pth,b.pth")
    assert found == [f"images/tests.tiny-net/gradcam--checkpoint-{name}.pth" for name in "ab"]
