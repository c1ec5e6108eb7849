"""One line on stderr, exit 2, and nothing computed earlier is touched."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import tiny
from xai_audit.config.compose import compose


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if not re.match(r"\d\d:\d\d:\d\d ", line)]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("xai_audit: ")
    return lines[0]


def test_a_place_of_photos_is_none_for_the_demo(tmp_path):
    place = f"dataset.root={tmp_path / 'typo'}"
    said = refused(tiny.audit([place, "stages=[index]"]))
    assert "the default is the demo: dataset.root=" in said
    assert "dataset=imagefolder for a folder of class folders" in said
    assert not [*tmp_path.iterdir()]
    assert compose([place, "dataset=flowers"]).settings.dataset["root"] == str(tmp_path / "typo")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("dataset.rot=x", ["dataset.rot", "did you mean 'dataset.root'?"]),
        ("datset=flowers", ["datset", "did you mean 'dataset'?"]),
        ("compute.batchsize=3", ["did you mean 'compute.batch_size'?"]),
        ("dataset=flower", ["dataset=flower", "did you mean 'flowers'?"]),
        ("method=gradcm", ["method=gradcm", "did you mean 'gradcam'?"]),
        ("methods=[gradcm]", ["method=gradcm", "did you mean 'gradcam'?"]),
        ("engine=slrm", ["engine=slrm", "one of local"]),
        ("regions.border=wide", ["regions.border", "wide"]),
        ("regions.border=0.7", ["regions.border", "0 to 0.5", "0.7"]),
        ("limit=0", ["limit", ">= 1"]),
        ("stages=index", ["stages", "[a,b]"]),
        ("stages=[indx]", ["stages", "index, attribute", "indx"]),
        ("targets=[label,label]", ["targets", "twice"]),
        ("methods=[gradcam,gradcam]", ["methods", "twice"]),
        ("compute.device=tpu9", ["compute.device", "tpu9"]),
        ("compute.batch_size=0", ["compute.batch_size", "auto or >= 1"]),
        ("model.checkpoint=a=b", ["quote"]),
        ("model.head=sigmoids", ["model.head", "softmax, sigmoid or null", "sigmoids"]),
        ("dataset=imagefolder", ["dataset.root", "dataset.root=..."]),
        ("dataset.file=a.csv", ["no such key: dataset.file", "dataset=csv or dataset=parquet"]),
        ("masks.root=m", ["no such key: masks.root", "remedy: masks=folder or masks=voc"]),
        ("--limit=5", ["--limit=5", "without dashes: limit=..."]),
        ("method_args.lime.samples=5", ["unknown method: method_args.lime", "one of gradcam"]),
        ("method_args.gradcam.samples=5", ["unknown key: method_args.gradcam.samples"]),
        ("method_args.gradcam=5", ["method_args.gradcam", "expected {key: value}"]),
        ("seed=-1", ["seed", ">= 0", "-1"]),
        ("flags.z=-1", ["flags.z", ">= 0", "-1.0"]),
        ("evidence.stop_below=2", ["evidence.stop_below", "0 to 1", "2.0"]),
        ("evidence.q=nan", ["evidence.q", "0 to 1", "nan"]),
        ("stamp.size=0", ["stamp.size", "above 0, up to 1", "0.0"]),
        ("compute.precision=fp8", ["compute.precision", "auto, fp32, bf16, fp16", "fp8"]),
        ("compute.device=${no.such}", ["compute.device", "no.such"]),
        ("discover.algorithm=kmeans", ["discover.algorithm", "spectral, hdbscan", "kmeans"]),
        ("targets=[labl]", ["targets", "label, pred, contrast, class:NAME, top:K", "labl"]),
        ("targets=[]", ["nothing chosen", "targets", "class:NAME, top:K"]),
        ("methods=[]", ["nothing chosen", "methods", "at least one"]),
        ("cues=[bordr]", ["cues=[bordr]", "did you mean 'border'?"]),
        ("cues=[]", ["no cue to examine", "cues=null"]),
        ("cues=[border", ["cannot read an override", "cues=[border"]),
        ("seed=x", ["seed=x", "Integer", "expected >= 0"]),
        ("limit=abc", ["limit=abc", "expected >= 1"]),
        ("seed=1,2", ["seed=1,2", "--multirun"]),
        ("~model.nothing", ["model.nothing", "does not exist"]),
        ("+seed=3", ["seed", "already"]),
    ],
)
def test_command_line(argument, words, folder, tmp_path):
    base = ["dataset=imagefolder", "model=custom", "model.factory=tests.tiny:net"]
    if argument != "dataset=imagefolder":
        base.append(f"dataset.root={folder / 'images'}")
    line = refused(tiny.audit([*base, f"output_dir={tmp_path / 'out'}", argument]))
    for word in words:
        assert word in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("group", "text", "argument", "words"),
    [
        ("method", "sign: positive", "method.sgn=x", ["method.sgn", "did you mean 'method.sign'?"]),
        ("method", "sign: [positive", "seed=1", ["cannot read a YAML file", "mine.yaml, line"]),
        ("cue", "sign: [positive", "cues=[mine]", ["cannot read a YAML file", "mine.yaml, line"]),
        ("dataset", "sign: x", "dataset.rot=x", ["dataset.rot"]),
        ("experiment", "# @package _global_\nregions: {bordr: 1}", "seed=1", ["'regions.border'?"]),
        ("experiment", "# @package _global_\nregions: {border: 1}", "seed=1", ["0 to 0.5"]),
    ],
)
def test_files_of_the_users_own(group, text, argument, words, tmp_path):
    (tmp_path / group).mkdir()
    head = "" if group == "experiment" else "_target_: a.b\nname: mine\n"
    (tmp_path / group / "mine.yaml").write_text(f"{head}{text}\n")
    choice = [] if group == "cue" else [f"{group}=mine"]
    for flag in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        line = refused(tiny.audit([*flag, *choice, argument]))
        for word in words:
            assert word in line


def test_a_sweep_goes_on_after_a_bad_value(tmp_path, monkeypatch):
    """Each job answers for itself; the exit code is the first failure's."""
    monkeypatch.setenv("XAI_AUDIT_SWEEP_DIR", str(tmp_path))
    result = tiny.audit(["-m", "flags.z=-1,-2", "stages=[index]"])
    assert result.returncode == 2
    told = [line for line in result.stderr.splitlines() if line.startswith("xai_audit: ")]
    assert [line.rpartition(" ")[2] for line in told] == ["-1.0", "-2.0"]


def test_keys_of_one_method_beside_a_list(folder, tmp_path):
    both = tiny.overrides(folder, tmp_path / "out", "methods=[gradcam]", "method.sign=absolute")
    assert "method.sign=absolute" in refused(tiny.audit(both))


def test_missing_and_empty_folders(tmp_path):
    for name in ("empty", "no_images/class_a", "no_images/class_b"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("class_a", "class_b"):
        (tmp_path / "no_images" / name / "notes.txt").write_text("no image")
    base = [
        "dataset=imagefolder",
        "model=custom",
        "model.factory=tests.tiny:net",
        f"output_dir={tmp_path / 'out'}",
    ]
    assert "nowhere" in refused(tiny.audit([*base, f"dataset.root={tmp_path / 'nowhere'}"]))
    assert "empty" in refused(tiny.audit([*base, f"dataset.root={tmp_path / 'empty'}"]))
    one = [
        *base,
        f"dataset.root={tmp_path / 'no_images'}",
        "+model.kwargs.num_classes=2",
    ]
    assert "2 unsupported" in refused(tiny.audit(one))


def test_model_that_does_not_fit(folder, tmp_path):
    out = tmp_path / "out"
    classes = refused(tiny.audit(tiny.overrides(folder, out, "+model.kwargs.num_classes=5")))
    assert "expected 5 classes" in classes
    assert "got 3 classes" in classes
    assert "dataset.class_to_idx" in classes
    layer = refused(tiny.audit(tiny.overrides(folder, out, "model.target_layer=layer4")))
    assert "layer4" in layer
    state = tiny.net(num_classes=4).state_dict()
    torch.save(state, tmp_path / "four.pt")
    fit = refused(
        tiny.audit(tiny.overrides(folder, out, f"model.checkpoint={tmp_path / 'four.pt'}"))
    )
    assert "7.weight" in fit
    assert "4, 16" in fit.replace("x", ", ")
    assert not out.exists()


def test_folder_of_another_audit(folder, tmp_path):
    out = tmp_path / "out"
    done = tiny.audit(tiny.overrides(folder, out))
    assert done.returncode == 0, done.stderr
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    other = tiny.make_folder(tmp_path / "other", per_class=2)
    line = refused(tiny.audit(tiny.overrides(other, out)))
    assert "another audit" in line
    assert str(other) in line
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before


def test_folder_that_is_not_ours(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    assert "thesis.tex" in refused(tiny.audit(tiny.overrides(folder, out)))
    assert (out / "thesis.tex").read_text() == "precious"


def test_model_without_a_gradient_to_the_layer(folder, tmp_path):
    detached = tiny.overrides(folder, tmp_path / "out", "model.factory=tests.tiny:detached_net")
    assert "no_grad and detach" in refused(tiny.audit(detached))


def test_sign_rule_that_does_not_exist(folder, tmp_path):
    line = refused(tiny.audit(tiny.overrides(folder, tmp_path / "out", "method.sign=abs")))
    assert "positive or absolute" in line


def test_folder_among_the_photos(folder):
    inside = folder / "images" / "circle" / "audit"
    assert "among the photos" in refused(tiny.audit(tiny.overrides(folder, inside)))
    assert not inside.exists()


def test_folder_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "cannot write" in refused(tiny.audit(tiny.overrides(folder, tmp_path / "file" / "out")))


def test_two_processes_on_one_folder(folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    hold = (
        "import fcntl, sys, time\n"
        f"file = open({str(out / '.lock')!r}, 'w')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert "another process" in refused(tiny.audit(tiny.overrides(folder, out)))
    finally:
        holder.kill()
        holder.communicate()


def test_score_without_heatmaps(folder, tmp_path):
    line = refused(tiny.audit(tiny.overrides(folder, tmp_path / "out", "stages=[score]")))
    assert "attribute" in line


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("regions.border=0.7", 2)])
def test_an_answer_without_anything_heavy(argument, code, tmp_path):
    script = (
        f"import sys, json\nsys.argv = ['xai_audit', {argument!r}]\n"
        "from xai_audit.cli import main\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'numpy', 'PIL'}\n"
        "json.dump([main(), sorted(heavy & {*sys.modules})], open('seen.json', 'w'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads((tmp_path / "seen.json").read_text()) == [code, []]
    assert code or "python -m xai_audit dataset=flowers method=gradcam" in done.stdout
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["seen.json"]


def test_a_factory_that_makes_no_module(folder, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("def factory():\n    return object()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    line = refused(
        tiny.audit(tiny.overrides(folder, tmp_path / "out", "model.factory=broken:factory"))
    )
    assert "nn.Module" in line


def test_an_error_of_ours_is_a_traceback(folder, tmp_path, monkeypatch):
    """Exit 1, never a polite line: somebody has to fix it."""
    monkeypatch.setattr("xai_audit.attribute.explain.make_targets", lambda *_, **__: 1 / 0)
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out"))
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr


def test_a_class_that_is_not_there_is_refused_before_anything_is_written(folder, tmp_path):
    done = tiny.audit(tiny.overrides(folder, tmp_path / "out", "targets=['class:rose']"))
    assert done.returncode == 2
    assert "no such class: targets" in done.stderr
    assert not (tmp_path / "out" / "manifest.parquet").exists()
