"""Where an audit's files go where no ``output_dir`` is given."""

from __future__ import annotations

import pytest
import torch

from tests import tiny
from xai_audit.work.folder import identity


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """An index of the photos, from ``tmp_path``: the ended command, and the folders of all runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "other/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        torch.save(tiny.net().state_dict(), tmp_path / f"{name}.pth")

    def audited(*more):
        given = tiny.overrides(folder, tmp_path, "output_dir=null", "stages=[index]")
        if any(each.startswith("model=") for each in more):
            given = [each for each in given if not each.startswith(("model=", "model.factory"))]
        done = tiny.audit([*given, *more])
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


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (["model=callable", "model.function=tests.odd_models:probabilities"],
         "tests.odd_models-probabilities"),
        (["model=onnx", "model.path=nets/net.v2.onnx"], "net.v2"),
        (["model=huggingface", "model.path=nets/vit-b.16"], "vit-b.16"),
    ],
)  # fmt: skip
def test_a_model_without_a_name_is_named_by_where_it_is(run, tmp_path, model, name):
    (tmp_path / "nets" / "vit-b.16").mkdir(parents=True)
    (tmp_path / "nets" / "net.v2.onnx").touch()
    done, found = run(*model)
    assert done.returncode == 0, done.stderr
    assert found == [f"images/{name}/gradcam"]


def test_a_path_is_the_same_from_every_folder_and_a_name_on_the_hub_is_no_path(
    tmp_path, monkeypatch
):
    def of(path):
        keys = {"dataset": {}, "model": {"path": path}, "methods": []}
        return identity(keys)["model.path"]

    (tmp_path / "net").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert of("net") == of("~/net") == of("./net") == str(tmp_path / "net")
    assert of("google/vit") == "google/vit"
    monkeypatch.chdir(tmp_path / "net")
    assert of("../net") == str(tmp_path / "net")


def test_whether_links_are_followed_makes_no_other_audit():
    """Nor does a run that was made before there was such a key."""

    def of(**keys):
        return identity({"dataset": {"root": "/photos"} | keys, "model": {}, "methods": []})

    assert of() == of(links_outside=False) == of(links_outside=True)
