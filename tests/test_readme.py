"""The README is true: its commands run, its figures are the package's own."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from tests import tiny
from tests.data.shards import parquet_of, saved_of, tar_of
from xai_audit import pipeline
from xai_audit.cli import VERBS

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = (tiny.REPO / "README.md").read_text(encoding="utf-8")
pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(1600)]
CURE = ["python", "-m", "xai_audit.demo.cure", "--out", "cured.pt"]
# Of the demo's 600 photos and its cues: what an audit of another network of it is run with here.
SMALL = [
    "limit=30", "cues=[border]", "evidence.images_per_class=4", "evidence.permutations=20",
    "stages=[index,attribute,score,evidence]",
]  # fmt: skip
SERVICE = "http://127.0.0.1:8000/predict"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """Every command line of the README, in blocks and between backticks."""
    lines = [
        line
        for language, block in BLOCKS
        if language == "sh"
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"`(python -m xai_audit [^`]+)`", TEXT)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture(scope="module")
def place(tmp_path_factory, folder) -> Path:
    """A folder with what the README's user has: photos, a checkpoint, the files it shows."""
    root = tmp_path_factory.mktemp("user")
    shutil.copytree(folder / "images", root / "photos")
    tar_of(folder / "images", root / "shards" / "photos.tar")
    parquet_of(folder / "images", root / "photos.parquet")
    saved_of(folder / "images", root / "saved")
    several = ["path,labels", *(f"photos/{p.parent.name}/{p.name},{p.parent.name}|square"
                                for p in sorted((root / "photos").rglob("*.jpg")))]  # fmt: skip
    (root / "xrays.csv").write_text("\n".join(several), encoding="utf-8")
    torch.manual_seed(0)
    for arch in ("resnet18", "resnet34"):
        torch.save(models.get_model(arch, num_classes=3).state_dict(), root / f"{arch}.pth")
    small = models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=2)
    torch.save(small.state_dict(), root / "segmenter.pth")
    for language, block in BLOCKS:
        name = re.match(r"# ([\w/]+\.(?:py|yaml))", block)
        if name and language in ("python", "yaml"):
            target = root / name[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block, encoding="utf-8")
    return root


# Checks, attacks and transplants take minutes on a CPU, most of all at 224 px; where the README
# gives no number, these do. A view of 64 px is as good as one of 224 px for what is asserted here.
FEW = {
    "trust.images": 2, "trust.steps": 2, "adversarial.images": 2, "adversarial.steps": 5,
    "augmentation.images": 2,
    "evidence.images_per_class": 4, "model.preprocess.resize": 72, "model.preprocess.crop": 64,
}  # fmt: skip
# What is run as the README has it, in a process of its own from the user's folder: what pip
# installs, and files of one's own that are found there. The others spare the imports of torch.
IN_PROCESSES = ("--config-dir", "model.function=predict:service")


def run(arguments: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=place, capture_output=True, text=True, timeout=600, check=False
    )


class Answer(BaseHTTPRequestHandler):
    """A service that knows how bright a photo is."""

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        photos = np.array(json.loads(self.rfile.read(length))["instances"])
        bright = photos.mean(axis=(1, 2, 3), keepdims=False) / 255
        rows = [[0.9 * share, 0.9 * (1 - share), 0.1] for share in bright.tolist()]
        body = json.dumps({"predictions": rows}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def served():
    """The address of a running service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/predict"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ended(place, request) -> Callable[[list[str]], tuple[subprocess.CompletedProcess[str], Path]]:
    """Runs an audit of the README once, whoever needs it: the ended process, and its folder."""
    known = {}

    def once(words: list[str]) -> tuple[subprocess.CompletedProcess[str], Path]:
        key = " ".join(words)
        if words == tiny.DEMO:
            done, out = request.getfixturevalue("demo")
            return done, out.parents[3]
        if key not in known:
            given = {word.partition("=")[0] for word in words}
            few = [f"{name}={number}" for name, number in FEW.items() if name not in given]
            if "model.checkpoint=cured.pt" in words:
                assert request.getfixturevalue("cured").is_file()
                few = SMALL
            if known and not {*IN_PROCESSES} & {*words}:
                with contextlib.chdir(place), warnings.catch_warnings():
                    warnings.simplefilter("default")  # as outside of the tests
                    known[key] = tiny.audit([*words, *few]), place
            else:
                known[key] = run(tiny.command([*words, *few]), place), place
        return known[key]

    return once


@pytest.fixture(scope="module")
def cured(place) -> Path:
    """The weights of the README's cure, of fewer photos."""
    done = run([sys.executable, *CURE[1:], "--photos", "2"], place)
    assert done.returncode == 0, done.stderr
    return place / CURE[-1]


@pytest.fixture(scope="module")
def swept(ended) -> subprocess.CompletedProcess[str]:
    """The README's sweep over two architectures, which are then compared."""
    return ended(next(words[3:] for words in commands() if "-m" in words[3:]))[0]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_command(arguments, place, request):
    if arguments == CURE:
        assert request.getfixturevalue("cured").is_file()
        return
    if arguments[0] == "make":
        dry = run(["make", "-C", str(tiny.REPO), "-n", *arguments[1:]], place)
        assert dry.returncode == 0, dry.stderr
        return
    assert arguments[:3] == ["python", "-m", "xai_audit"]
    if arguments[3] == "--help" or arguments[3] in VERBS:
        _of_verb(arguments[3:], place, request)
        return
    words = arguments[3:]
    if any(SERVICE in word for word in words):  # a small view: its pixels go as text
        address = request.getfixturevalue("served")
        words = [word.replace(SERVICE, address) for word in words]
        words += ["model.preprocess.resize=48", "model.preprocess.crop=48", "cues=[border]"]
    if "masks=auto" in words:  # weights that were drawn take nothing or all for the object
        words += ["masks.min_share=0", "masks.max_share=1", "masks.size=64"]
    done, folder = request.getfixturevalue("ended")(words)
    gated = any(argument.startswith("gate.") for argument in arguments)
    assert done.returncode in ((0, 3) if gated else (0,)), done.stderr
    short = "model.checkpoint=cured.pt" in arguments
    if short or any(argument.startswith("stages=") for argument in arguments):  # a part of an audit
        return
    reports = re.findall(r"report: (\S+index\.html)$", done.stderr, flags=re.MULTILINE)
    if "-m" in arguments[3:]:  # a member whose report is current writes none
        assert len(re.findall(r" arch=\S+: \d+ confirmed", done.stderr)) == 2
        page = re.search(r"sweep: (\S+sweep\.html)$", done.stderr, flags=re.MULTILINE)[1]
        reports = re.findall(r'href="([^"]*report/index\.html)"', (folder / page).read_text())
        assert len(reports) == 2
        reports = [(Path(page).parent / report).as_posix() for report in reports]
    else:
        assert len(reports) == 1, done.stderr
    for report in reports:
        assert (folder / report).is_file()
        assert (folder / report).parents[1].joinpath("SUCCESS").is_file()


def _of_verb(words: list[str], place: Path, request: pytest.FixtureRequest) -> None:
    """A verb with its arguments, run on audits that are made for it."""
    if words[0] == "gate":  # of an audit that is made here, whose model is as it was drawn
        own = next(words[3:] for words in commands() if "dataset.root=photos" in words)
        request.getfixturevalue("ended")(own)
    elif "outputs/flowers/cured/gradcam" in words:
        _audit_both(place, request)
    elif words[0] == "compare":
        assert request.getfixturevalue("swept").returncode == 0
    done = run(tiny.command(words), place)
    assert done.returncode in ((0, 3) if words[0] == "gate" else (0,)), done.stderr
    if words[0] == "gate":
        assert re.search(r"^  result: (passed|failed) \| ", done.stdout, re.MULTILINE)
    elif words[0] == "compare":
        (page,) = re.findall(r"comparison: (\S+index\.html)$", done.stderr, flags=re.MULTILINE)
        assert Path(page) == (place / words[2]).parent / "comparison" / "index.html"
    else:  # about what there is, not about an audit
        assert done.stdout
        assert words != ["--help"] or "max_failed_fraction" in done.stdout


def _audit_both(place: Path, request: pytest.FixtureRequest) -> None:
    """The audit of the demo, where the README has it, and that of its cured network."""
    demo = place / "outputs" / "flowers" / "flowers"
    if not demo.exists():
        demo.parent.mkdir(parents=True, exist_ok=True)
        demo.symlink_to(request.getfixturevalue("demo")[1].parent)
    words = next(words[3:] for words in commands() if "model.checkpoint=cured.pt" in words)
    done, _ = request.getfixturevalue("ended")(words)
    assert done.returncode == 0, done.stderr


def test_the_demo_is_the_readmes():
    assert ["python", "-m", "xai_audit", *tiny.DEMO] in commands()


def test_pandas_lines(place, ended):
    """They read what the README's audit of one's own data wrote, and print what it found."""
    block = next(b for language, b in BLOCKS if language == "python" and "read_parquet" in b)
    own = next(words[3:] for words in commands() if "dataset.root=photos" in words)
    assert ended(own)[0].returncode == 0, ended(own)[0].stderr
    done = run([sys.executable, "-c", block], place)
    assert done.returncode == 0, done.stderr
    assert "mass_border" in done.stdout
    photos = len([*(place / "photos").rglob("*.jpg")])
    assert re.search(rf"^ok +{photos}$", done.stdout, flags=re.MULTILINE), done.stdout


def test_comparing_lines(place, swept):
    assert swept.returncode == 0, swept.stderr
    block = next(b for language, b in BLOCKS if language == "python" and ".compare(" in b)
    done = run([sys.executable, "-c", block], place)
    assert done.returncode == 0, done.stderr
    assert "class × cue: " in done.stdout
    assert (place / "comparison" / "index.html").is_file()


def test_notebook_lines(demo):
    """Every line of them shows something, and the proof's numbers are those beside the picture."""
    block = next(b for language, b in BLOCKS if language == "python" and "run.show" in b)
    codes = [line.partition("  #")[0] for line in block.splitlines() if line.startswith("run")]
    shown = [code for code in codes if not code.startswith("run =") and "report" not in code]
    (loading,) = (code for code in codes if code.startswith("run ="))
    quiet = "import webbrowser; webbrowser.open = lambda url: True"
    code = "\n".join(["import xai_audit", quiet, loading, *(f"print({code})" for code in shown)])
    done = run([sys.executable, "-c", code], demo[1].parents[3])
    assert done.returncode == 0, done.stderr
    assert len(shown) == 6
    assert "marguerite by its border" in done.stdout
    falls = re.search(r"probability of marguerite: (\S+) → (\S+),", done.stdout).groups()
    said = "takes the probability of marguerite from {} to {}".format(*falls)
    assert said in TEXT.replace("\n", " ")


def test_audits_of_objects_in_memory(place, folder, monkeypatch):
    """Both lines, up to the scores, with a user's own module, masks, transform and dataset."""
    block = next(b for language, b in BLOCKS if language == "python" and "(model, dataset" in b)
    monkeypatch.chdir(place)
    if not (masks := place / "masks").exists():
        masks.symlink_to(folder / "masks")
    whole = pipeline.audit

    def scored(spec):
        settings = replace(spec.settings, stages=["index", "attribute", "score"])
        return whole(replace(spec, settings=settings))

    monkeypatch.setattr(pipeline, "audit", scored)
    steps = [transforms.Resize(72), transforms.CenterCrop(64), transforms.ToTensor()]
    transform = transforms.Compose(steps)
    dataset = ImageFolder(place / "photos", transform=transform)
    scope = {"model": tiny.net(), "transform": transform, "dataset": dataset}
    for line in block.splitlines()[2:]:
        exec("import xai_audit\n" + line, scope)  # noqa: S102 - the README's own
        assert scope["run"].scores["image_id"].nunique() == 18
    assert scope["run"].config["limit"] == 200


def test_training_lines():
    block = next(b for language, b in BLOCKS if language == "python" and "import mixed" in b)
    photos, labels = torch.rand(4, 3, 32, 32), torch.arange(4) % 3
    scope = {
        "loader": [(photos, labels, (torch.rand(4, 1, 32, 32) > 0.5).float())],
        "model": tiny.net(), "normalise": lambda images: images - 0.5,
        "criterion": torch.nn.functional.cross_entropy,
    }  # fmt: skip
    exec(block, scope)  # noqa: S102 - the README's own
    assert float(scope["loss"].detach()) > 0


def test_truth_table_is_the_packages_own():
    with (tiny.REPO / "xai_audit" / "demo" / "truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["plant"]:
            line = (
                f"| {row['class_name']} | {row['plant'].replace('_', ' ')} | {row['region']} "
                f"| {float(row['accuracy_with']):.2f} | {float(row['accuracy_without']):.2f} |"
            )
            assert line in TEXT
    honest = [float(row["accuracy_with"]) for row in rows if not row["plant"]]
    assert f"| the {len(honest)} others, lowest | none | | {min(honest):.2f} | |" in TEXT


def test_every_key_named_exists():
    done = tiny.audit(["--help"])
    for key in re.findall(r"`([a-z_]+\.[a-z_]+)=", TEXT):
        group, _, name = key.partition(".")
        known = f"\n  {key}=" in done.stdout or any(
            re.search(rf"^ *{name}:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            for path in (tiny.REPO / "conf" / group).glob("*.yaml")
        )
        assert known, key


def test_picture_is_there():
    assert (tiny.REPO / re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)[0]).is_file()
