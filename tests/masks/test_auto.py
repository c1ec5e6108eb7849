"""Masks that a network makes: known in closed form, refused where implausible, errors of a line."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import get_model

from tests import tiny
from tests.masks import segmenters
from tests.tiny import REPO
from xai_audit.config.build import build
from xai_audit.errors import AuditError, ConfigError, MaskProblem, ModelError
from xai_audit.masks._segmenter import numbers_of, segmenter
from xai_audit.run.paths import RunPaths
from xai_audit.types import ImageRecord

ARCH = "lraspp_mobilenet_v3_large"


DEFAULTS = yaml.safe_load((REPO / "conf" / "masks" / "auto.yaml").read_text(encoding="utf-8"))


def built(**keys):
    return build("masks", DEFAULTS | keys)


def maker(factory: str | None = "red", **keys):
    named = None if factory is None else f"tests.masks.segmenters:{factory}"
    made = built(factory=named, **keys)
    made.prepare("cpu")
    return made


def record(height, width):
    return ImageRecord("a.png", "a.png", "a", 0, height, width)


def painted(height=40, width=60):
    """A grey photo (3, h, w) with a red and a blue rectangle."""
    photo = torch.full((3, height, width), 128, dtype=torch.uint8)
    photo[:, 10:20, 10:40] = torch.tensor([250, 10, 10], dtype=torch.uint8)[:, None, None]
    photo[:, 25:35, 5:15] = torch.tensor([10, 10, 250], dtype=torch.uint8)[:, None, None]
    return photo


def rectangles(*named):
    places = {"red": np.s_[10:20, 10:40], "blue": np.s_[25:35, 5:15]}
    mask = np.zeros((40, 60), dtype=bool)
    for name in named:
        mask[places[name]] = True
    return mask


@pytest.mark.parametrize(
    ("keys", "named"),
    [({}, ("red", "blue")), ({"classes": [1]}, ("red",)), ({"classes": [2]}, ("blue",))],
)
def test_what_is_no_background_is_the_object(keys, named):
    assert (maker(**keys).make(painted(), record(40, 60)) == rectangles(*named)).all()


def test_a_mask_has_the_photo_s_own_size():
    made = maker().make(painted(), record(80, 120))
    want = rectangles("red", "blue").repeat(2, 0).repeat(2, 1)
    assert made.shape == (80, 120)
    assert (made == want).mean() > 0.99  # but for rounded corners
    assert made.mean() == pytest.approx(want.mean(), rel=0.02)


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({"min_share": 0.5}, "covers_little"),
        ({"max_share": 0.1}, "covers_most"),
        ({"classes": [3]}, "empty"),
    ],
)
def test_an_implausible_mask_is_refused(keys, status):
    with pytest.raises(MaskProblem) as caught:
        maker(**keys).make(painted(), record(40, 60))
    assert caught.value.status == status


@pytest.mark.parametrize(("suffix", "classes"), [(".pth", 2), (".safetensors", 21)])
def test_torchvision_s_network_with_weights_of_one_s_own(tmp_path, suffix, classes):
    torch.manual_seed(0)
    net = get_model(ARCH, weights=None, weights_backbone=None, num_classes=classes).eval()
    file = tmp_path / f"net{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save({name: value.contiguous() for name, value in net.state_dict().items()}, file)
    made = maker(None, weights=str(file), min_share=0, max_share=1)
    photo = painted()
    mean, std = (
        torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.inference_mode():
        scores = net(((photo / 255 - mean) / std)[None])["out"][0]
    want = (scores.argmax(0) != 0).numpy()
    try:
        assert (made.make(photo, record(40, 60)) == want).all()
    except MaskProblem:
        assert not want.any()
    assert len(segmenter(ARCH, file, None).categories) == (21 if classes == 21 else 0)


def test_weights_of_a_distributed_training_are_those_of_its_network(tmp_path):
    net = get_model(ARCH, weights=None, weights_backbone=None, num_classes=2)
    file = tmp_path / "ddp.pth"
    torch.save({"model_state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, file)
    found = segmenter(ARCH, file, None).module.state_dict()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_names_of_classes_are_torchvision_s(tmp_path):
    net = get_model(
        "deeplabv3_mobilenet_v3_large", weights=None, weights_backbone=None, aux_loss=True
    )
    file = tmp_path / "net.pth"
    torch.save({"model": net.state_dict()}, file)  # as its own training script saves it
    keys = {"arch": "deeplabv3_mobilenet_v3_large", "weights": str(file)}
    assert maker(None, classes=["cat", 8], **keys)._objects == [8, 8]
    with pytest.raises(
        ConfigError, match=r"masks\.classes .*expected some of aeroplane.* got rose"
    ):
        maker(None, classes=["rose"], **keys)


@pytest.mark.parametrize(
    ("keys", "factory", "line"),
    [
        ({"arch": "resnet18"}, None, "no such segmentation network: masks.arch .*remedy: one of"),
        ({}, "broken", "the factory failed: masks.factory=.*ValueError: no such file"),
        ({}, "nothing", "has no nothing"),
        ({"min_share": 0.9, "max_share": 0.5}, "red", "no share of the photo is left"),
        ({"classes": []}, "red", "not a list of classes"),
        ({"size": 0}, "red", "bad value: masks.size"),
    ],
)
def test_a_wrong_key_is_one_line(keys, factory, line):
    with pytest.raises(AuditError, match=line):
        maker(factory, **keys)


@pytest.mark.parametrize("classes", [[3], [True], [0], ["none"]])
def test_a_class_that_the_network_does_not_have(classes):
    with pytest.raises(ConfigError, match=r"no such class .* got"):
        numbers_of(classes, ("background", "cat", "dog"))
    assert numbers_of([2, "cat"], ("background", "cat", "dog")) == [2, 1]


def test_weights_that_a_factory_reads_itself_are_in_the_fingerprint(monkeypatch):
    before = built(factory="tests.masks.segmenters:middle").fingerprint()
    assert built(factory="tests.masks.segmenters:middle").fingerprint() == before
    make = segmenters.middle

    def retrained():
        module = make()
        module.register_buffer("retrained", torch.ones(1))
        return module

    monkeypatch.setattr(segmenters, "middle", retrained)
    assert built(factory="tests.masks.segmenters:middle").fingerprint() != before


def test_weights_that_do_not_fit(tmp_path):
    file = tmp_path / "net.pth"
    torch.save({"weight": torch.zeros(3)}, file)
    with pytest.raises(ModelError, match=r"do not fit .*remedy: masks\.arch=NAME"):
        maker(None, weights=str(file))
    file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"cannot be read: masks\.weights="):
        maker(None, weights=str(file))


def test_no_code_in_weights_is_run(tmp_path):
    file = tmp_path / "net.pth"
    torch.save({"net": get_model(ARCH, weights=None, weights_backbone=None)}, file)
    with pytest.raises(ModelError, match="cannot be read"):
        maker(None, weights=str(file))


def test_offline_the_remedy_says_what_to_put_where(tmp_path, monkeypatch):
    def refused(*_args, **_keys):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refused)
    with pytest.raises(ModelError) as caught:
        maker(None)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("the weights of the segmentation network cannot be downloaded: https://")
    assert "masks.weights=FILE" in line
    assert str(tmp_path / "checkpoints") in line


def test_the_masks_of_a_folder_are_those_of_a_plain_loop(tmp_path):
    """One of the photos has nothing red: it is without a mask, counted, and the run goes on."""
    rng = np.random.default_rng(0)
    photos = {}
    for number in range(6):
        top, left, height = *rng.integers(2, 20, 2), 12 if number else 0
        pixels = np.full((40, 60, 3), 128, np.uint8)
        pixels[top : top + height, left : left + 15] = 250, 10, 10
        name = f"{'ab'[number % 2]}/{number}.png"
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
        photos[name] = pixels
    done = tiny.audit([
        "dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "masks=auto",
        "masks.factory=tests.masks.segmenters:red", "masks.size=40", "stages=[index]",
        "compute.device=cpu", "compute.num_workers=0", f"output_dir={tmp_path / 'out'}",
    ])  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "made 5 of 6; refused: 1 empty" in done.stderr
    rows = pq.read_table(RunPaths(tmp_path / "out").masks).to_pylist()
    assert [row["image_id"] for row in rows] == sorted(photos)
    for row in rows:
        pixels = photos[row["image_id"]]
        want = [[r > 200 and g < 100 and b < 100 for r, g, b in line] for line in pixels.tolist()]
        if row["mask"] is None:
            assert (row["status"], np.any(want)) == ("empty", False)
        else:
            assert (np.array(Image.open(io.BytesIO(row["mask"]))) == want).all()


def test_an_answer_of_another_form_is_the_plugin_s_fault():
    with pytest.raises(AuditError, match=r"broke its contract: masks\.factory"):
        maker("logits").make(painted(), record(40, 60))


def test_the_fingerprint_follows_weights_and_choices(tmp_path):
    files = [tmp_path / name for name in ("a.pth", "b.pth", "copy_of_a.pth")]
    for file, text in zip(files, "aba", strict=True):
        file.write_text(text)

    first, second, copy = (built(weights=str(file)).fingerprint() for file in files)
    assert first == copy != second
    assert built().fingerprint() == built().fingerprint() != built(classes=["cat"]).fingerprint()
    with pytest.raises(ConfigError, match="no such file of weights"):
        built(weights="nowhere.pth").fingerprint()
