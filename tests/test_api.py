"""The package from Python: the command line's own run, and the caller's process left as it was."""

from __future__ import annotations

import copy
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import pil_loader

import xai_audit
from tests import tiny
from xai_audit.budget import within
from xai_audit.config.compose import compose
from xai_audit.errors import AuditError, ConfigError, TooManyFailuresError
from xai_audit.models import memory


def child(code: str, cwd: Path) -> str:
    """What ``code`` prints in a Python of its own that has loaded nothing yet."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(tiny.REPO)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_costs_nothing(tmp_path):
    code = (
        "import sys, typing\n"
        "before = set(sys.modules)\n"
        "import xai_audit\n"
        "print(*set(sys.modules) - before)\n"
    )
    assert {*child(code, tmp_path).split()} <= {"xai_audit", "__future__"}


def test_load_reads_without_torch(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    code = (
        "import sys, xai_audit\n"
        "run = xai_audit.load('.')\n"
        "print(run.root)\n"
        "print([name for name in ('torch', 'hydra', 'captum') if name in sys.modules])\n"
    )
    root, heavy = child(code, tmp_path).splitlines()
    assert Path(root) == tmp_path
    assert heavy == "[]"


def test_a_command_starts_without_what_only_stages_need(tmp_path):
    code = (
        "import sys, xai_audit.verbs.run\n"
        "slow = ('torch', 'torchvision', 'scipy.stats', 'sklearn', 'matplotlib', 'captum')\n"
        "print([name for name in slow if name in sys.modules])\n"
    )
    assert child(code, tmp_path).strip() == "[]"


def test_public_names():
    assert xai_audit.__all__ == ["audit", "load"]
    for name in xai_audit.__all__:
        assert "Example:" in (getattr(xai_audit, name).__doc__ or "")


def test_an_audit_is_the_command_lines(folder, tmp_path, monkeypatch):
    """One path: the same arguments arrive at the pipeline, whoever was called."""
    arrived = []
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.setattr(within, "audit", lambda *given: arrived.append(given) or tmp_path)
    given = tiny.overrides(
        folder, tmp_path / "out", "methods=[lime,gradcam]", "stamp.text=x", "seed=5", "+note.by=me"
    )
    xai_audit.audit(*given)
    assert tiny.audit(given).returncode == 0
    assert arrived[0] == arrived[1]


def test_files_of_the_users_own(folder, tmp_path, monkeypatch):
    arrived = []
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.setattr(within, "audit", lambda *given: arrived.append(given) or tmp_path)
    (tmp_path / "conf" / "method").mkdir(parents=True)
    text = "_target_: a.b\nname: mine\nsign: positive\n"
    (tmp_path / "conf" / "method" / "mine.yaml").write_text(text)
    given = tiny.overrides(folder, tmp_path / "out", "method=mine")
    monkeypatch.chdir(tmp_path)
    xai_audit.audit(*given, config_dir="conf")
    assert tiny.audit(["--config-dir", "conf", *given]).returncode == 0
    assert arrived[0] == arrived[1]


def state():
    """What of this process an audit must leave alone."""
    loggers = [logging.getLogger(name) for name in ("", "xai_audit")]
    return (
        [(list(logger.handlers), logger.level) for logger in loggers],
        list(sys.argv),
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        Path.cwd(),
        os.environ.get("HYDRA_FULL_ERROR"),
        hydra_state(),
    )


def hydra_state():
    instance = GlobalHydra.instance()
    name = JobRuntime.instance().get("name")
    return id(instance), id(instance.hydra), name, VersionBase.instance().getbase()


def test_a_run_and_the_callers_process(folder, tmp_path, monkeypatch):
    """In a folder of its own, with a relative output folder, inside a thread and outside."""
    monkeypatch.chdir(tmp_path)
    before = state()
    given = tiny.overrides(folder, Path("out"), "stages=[index]", "limit=4")
    run = xai_audit.audit(*given)
    assert state() == before
    assert run.root == tmp_path / "out"
    assert pd.read_parquet(run.root / "manifest.parquet").selected.sum() == 4
    assert xai_audit.load("out").root == run.root
    found = []
    for limit in ("limit=5", "limit=6"):
        arguments = [*given[:-1], limit]
        thread = threading.Thread(
            target=lambda a: found.append(xai_audit.audit(*a)), args=[arguments]
        )
        thread.start()
        thread.join()
    assert [again.root for again in found] == [run.root] * 2
    assert state() == before
    assert pd.read_parquet(run.root / "manifest.parquet").selected.sum() == 6


@pytest.mark.parametrize("override", ["regions.border=0.7", "datset=x", "dataset.root=nowhere"])
def test_an_error_is_the_line_of_the_command_line(override, folder, tmp_path):
    before = state()
    given = tiny.overrides(folder, tmp_path / "out", "stages=[index]", override)
    with pytest.raises(ConfigError) as refused:
        xai_audit.audit(*given)
    assert isinstance(refused.value, AuditError)
    assert tiny.audit(given).stderr == f"xai_audit: {refused.value}\n"
    assert state() == before


def test_too_many_failures_are_raised(tmp_path):
    root = tiny.make_folder(tmp_path / "photos", per_class=1)
    for path in sorted((root / "images").rglob("*.jpg"))[1:]:
        path.write_bytes(b"no photo")
    with pytest.raises(TooManyFailuresError):
        xai_audit.audit(*tiny.overrides(root, tmp_path / "out", "stages=[index]"))


def test_composing_inside_an_application_of_the_users_own(tmp_path):
    """Its GlobalHydra stays the very same object, whether composing works or not."""
    (tmp_path / "config.yaml").write_text("theirs: 1\n")
    base = VersionBase.instance().getbase()
    with initialize_config_dir(str(tmp_path), job_name="theirs", version_base="1.2"):
        before = hydra_state()
        compose(["methods=[gradcam,lime]"])
        with pytest.raises(ConfigError):
            compose(["datset=x"])
        assert hydra_state() == before
    VersionBase.instance().version_base = base


def test_an_audit_inside_the_users_own_hydra_command(tmp_path):
    """A script with @hydra.main of its own, which changes its working directory."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("seed: 3\nhydra: {job: {chdir: true}}\n")
    (tmp_path / "app.py").write_text(
        "import json, hydra, os\n"
        "from hydra.core.hydra_config import HydraConfig\n"
        "from xai_audit.config.compose import compose\n"
        "@hydra.main(version_base=None, config_path='conf', config_name='mine')\n"
        "def main(cfg):\n"
        "    cwd = os.getcwd()\n"
        "    seeds = [compose([f'seed={cfg.seed}', 'method=rise']).methods[0]['seed']]\n"
        "    again = hydra.compose('mine', overrides=['seed=4'])\n"
        "    seeds += [again.seed, cfg.seed]\n"
        "    print(json.dumps([seeds, HydraConfig.get().job.name, cwd == os.getcwd()]))\n"
        "main()\n"
    )
    code = "import sys, runpy; sys.argv = ['app.py']; runpy.run_path('app.py', run_name='__main__')"
    assert json.loads(child(code, tmp_path)) == [[3, 4, 3], "app", True]


EVAL = transforms.Compose(
    [
        transforms.Resize(72),
        transforms.CenterCrop(64),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
SMALL = {
    "stages": ["index", "attribute", "score"],
    "compute": {"num_workers": 0, "part_size": 5},
}


@pytest.fixture(scope="module")
def by_command(folder, tmp_path_factory):
    """The scores of the same audit by the command line, its model made by a factory."""
    out = tmp_path_factory.mktemp("command") / "out"
    assert tiny.audit(tiny.overrides(folder, out)).returncode == 0
    return xai_audit.load(out).scores


def test_a_module_in_memory(folder, tmp_path, monkeypatch, by_command):
    """The scores of the command line; the module is as it was, and again is a resume."""
    monkeypatch.chdir(tmp_path)
    module = tiny.net().train()
    module[0].weight.requires_grad_(False)
    calls = []
    module[7].register_forward_hook(lambda *_: calls.append(1))
    before = copy.deepcopy(module.state_dict())
    given = {"masks": folder / "masks", "transform": EVAL, "method": "gradcam", **SMALL}
    run = xai_audit.audit(module, folder / "images", **given)
    key = memory.hold(module)
    assert run.root == tmp_path / "outputs" / "images" / key / "gradcam"
    pd.testing.assert_frame_equal(run.scores, by_command)
    assert all(layer.training for layer in module.modules())
    asked = [name for name, p in module.named_parameters() if not p.requires_grad]
    assert asked == ["0.weight"]
    after = module.state_dict()
    assert {*after} == {*before}
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert len(module[7]._forward_hooks) == 1
    part = run.root / "attributions" / "part-00000.parquet"
    written = part.stat().st_mtime_ns
    xai_audit.audit(module, folder / "images", **given)
    assert part.stat().st_mtime_ns == written


@pytest.mark.parametrize("workers", [0, 2])
def test_a_dataset_in_memory(folder, tmp_path, monkeypatch, by_command, workers):
    """Its own transform becomes the model's; without the names of files only ids differ."""
    monkeypatch.chdir(tmp_path)
    listed = ImageFolder(folder / "images", transform=EVAL)
    images = [(pil_loader(path), label) for path, label in listed.samples]
    module = tiny.net()
    given = SMALL | {"compute": {"num_workers": workers, "part_size": 5}}
    found = xai_audit.audit(module, listed, **given)
    columns = ["image_id", "class_name", "label", "pred", "confidence", "entropy", "mass_border"]
    pd.testing.assert_frame_equal(found.scores[columns], by_command[columns])
    pairs = xai_audit.audit(module, images, transform=EVAL, output_dir="pairs", **given)
    # JPEGs that are decoded at half their size are not the loader's pixels to the last bit.
    pd.testing.assert_frame_equal(
        pairs.scores[columns[2:]], by_command[columns[2:]], check_exact=False, atol=2e-3
    )
    image_id = pairs.manifest["image_id"][7]
    shown = pairs.show(image_id)
    assert (shown.title, shown.labels[0]) == (image_id, "photo")
    # Its first panel is the picture of the list, to the few grey levels of a resize.
    small = shown.image.crop((0, 0, 200, 200)).resize((20, 20))
    height = shown.image.height
    width = round(images[7][0].width * height / images[7][0].height)
    own = images[7][0].resize((width, height)).crop((0, 0, 200, 200)).resize((20, 20))
    assert np.abs(np.asarray(small, int) - np.asarray(own, int)).mean() < 4


def test_another_process_cannot_open_what_lies_in_memory(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    xai_audit.audit(tiny.net(), folder / "images", "stages=[index,attribute]", output_dir="out")
    given = json.loads(Path("out", "run.json").read_text())["config"]
    said = tiny.audit(
        ["dataset=imagefolder", f"dataset.root={folder / 'images'}", "model=memory",
         f"model.key={given['model']['key']}0", "output_dir=other"]
    )  # fmt: skip
    assert said.returncode == 2
    assert "the model lies in the memory of another process, or is there no longer" in said.stderr


def test_the_first_answer_in_four_lines(folder, tmp_path, monkeypatch):
    """From the import to a photo with its heatmap; the second line is the user's own model."""
    monkeypatch.chdir(tmp_path)
    module = tiny.net()
    scope = {"model": module, "photos": folder / "images", "small": SMALL}
    exec(  # noqa: S102 - the lines as a notebook has them
        "import xai_audit\n"
        "run = xai_audit.audit(model, photos, **small)\n"
        "run\n"
        "shown = run.show('circle/0001.jpg')\n",
        scope,
    )
    assert "accuracy" in repr(scope["run"])
    assert "circle" in scope["shown"]._repr_html_()
