"""A model that is no better than chance: the rule, the order of the classes, the other pixels."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binom, binomtest
from torch import nn

from tests import tiny
from xai_audit.attribute import chance, pixels
from xai_audit.attribute.chance import best_order, is_at_chance, is_better
from xai_audit.types import Preprocess

CLASSES = 8
# Grey levels of 0..255, class by class.
LEVELS = np.linspace(16, 240, CLASSES)
SHIFTED = tuple((k + 3) % CLASSES for k in range(CLASSES))
RAW = (
    "model.preprocess.mean=[0,0,0]",
    "model.preprocess.std=[1,1,1]",
    "model.preprocess.scale=1",
)
SEEN: list[int] = []


class Greys(nn.Module):
    """Names the nearest of the grey levels 0..255 of a photo; output k is of class order[k]."""

    def __init__(self, order: tuple[int, ...] = tuple(range(CLASSES))) -> None:
        super().__init__()
        self.body, self.fc = nn.Conv2d(3, 1, 1, bias=False), nn.Linear(1, CLASSES)
        levels = torch.tensor(LEVELS[list(order)], dtype=torch.float32)
        self.body.weight.data.fill_(1 / 3)
        self.fc.weight.data = 2 * levels[:, None]
        self.fc.bias.data = -(levels**2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        SEEN.append(len(images))
        return self.fc(self.body(images).mean((2, 3)))


def shifted() -> nn.Module:
    return Greys(SHIFTED)


class Moody(Greys):
    """Fails where pixels are larger than ImageNet's transform makes them."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if float(images.max()) > 100:
            raise ValueError("on purpose")
        return super().forward(images)


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five flat photos of each grey level."""
    root = tmp_path_factory.mktemp("greys")
    for k, level in enumerate(LEVELS):
        (root / "images" / f"grey{k}").mkdir(parents=True)
        for number in range(5):
            image = np.full((80, 80, 3), int(level) + number, dtype=np.uint8)
            Image.fromarray(image).save(root / "images" / f"grey{k}" / f"{number}.png")
    return root


def run(greys, out, factory, *more):
    given = ("masks=none", f"model.factory=tests.attribute.test_chance:{factory}", *more)
    arguments = [a for a in tiny.overrides(greys, out, *given) if not a.startswith("masks.root")]
    return tiny.audit(arguments), json.loads((out / "run.json").read_text(encoding="utf-8"))


def warned(result) -> list[str]:
    """The warnings of the log about the model, without the time."""
    found = [line.partition("WARNING: ")[2] for line in result.stderr.splitlines()]
    return [line for line in found if line and "gives no relevance at all" not in line]


def test_outputs_in_another_order_are_named_and_the_file_fits(greys, tmp_path):
    out = tmp_path / "out"
    result, record = run(greys, out, "shifted", *RAW, "stages=[index,attribute,score,flag,report]")
    assert result.returncode == 0, result.stderr
    lines = warned(result)
    assert lines[0].startswith(
        "The model is no better than chance: it names the right class of 0 of 40 photos (0.0%), "
        "and guessing among its 8 outputs gives 12.5%."
    )
    file = out / "class_to_idx.json"
    # Output k is of class k + 3, so class c has output c - 3.
    assert json.loads(file.read_text()) == {f"grey{c}": (c - 3) % CLASSES for c in range(CLASSES)}
    assert lines[1] == (
        "This would fit: the classes in another order (grey0=5, grey1=6, grey2=7, grey3=0, "
        f"grey4=1, ...): right on 100.0% of 40 photos, with dataset.class_to_idx={file}."
    )
    assert not [line for line in lines[2:] if line.startswith("This would fit")]
    assert record["warnings"] == [" ".join(lines)]
    # It comes before everything else that the report says.
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert 0 < page.index(lines[0]) < page.index("grey0=5") < page.index('class="lead"')
    assert page.count("<h1") == 1
    assert page.index("<h1") < page.index(lines[0])
    # The same command again makes nothing and warns again; with the file there is no warning.
    result, again = run(greys, out, "shifted", *RAW)
    assert warned(result) == lines
    assert again["warnings"] == record["warnings"]
    result, record = run(greys, out, "shifted", *RAW, f"dataset.class_to_idx={file}")
    assert result.returncode == 0, result.stderr
    assert warned(result) == []
    assert (record["below_chance"], record["warnings"]) == (None, [])


def test_pixels_of_another_range_are_named_and_the_keys_fit(greys, tmp_path):
    out = tmp_path / "out"
    result, record = run(greys, out, "Greys")
    assert result.returncode == 0, result.stderr
    lines = warned(result)
    assert lines[1] == (
        f"This would fit: pixels from 0 to 255: right on 100.0% of 40 photos, with {' '.join(RAW)}."
    )
    assert [line.split(":")[:2] for line in lines[2:]] == [
        ["This does not fit", " the classes in another order"],
        ["This does not fit", " pixels as configured"],
        ["This does not fit", " pixels from 0 to 1"],
        ["This does not fit", " pixels from -1 to 1"],
    ]
    assert not (out / "class_to_idx.json").exists()
    assert record["below_chance"]["right"] == 5  # every photo is the darkest class
    keys = shlex.split(lines[1].rpartition("with ")[2].rstrip("."))
    result, _ = run(greys, out, "Greys", *keys)
    assert (result.returncode, warned(result)) == (0, [])


def test_a_good_model_is_asked_nothing_more(greys, tmp_path, monkeypatch):
    SEEN.clear()
    result, record = run(greys, tmp_path / "checked", "Greys", *RAW)
    assert (result.returncode, warned(result)) == (0, [])
    assert (record["below_chance"], record["warnings"]) == (None, [])
    asked = list(SEEN)
    SEEN.clear()
    monkeypatch.setattr(chance, "checked", lambda *_: {})
    assert run(greys, tmp_path / "unchecked", "Greys", *RAW)[0].returncode == 0
    assert asked == SEEN


def test_a_model_that_fails_on_other_pixels_does_not_stop_the_audit(greys, tmp_path):
    result, record = run(greys, tmp_path / "out", "Moody")
    assert result.returncode == 0, result.stderr
    assert "other preprocessings could not be tried: ValueError: on purpose" in result.stderr
    assert [each["change"] for each in record["below_chance"]["tries"]] == [
        "the classes in another order"
    ]
    assert warned(result)[-1].startswith("Check the checkpoint, its classification head")


def test_few_photos_do_not_cry_wolf(greys, tmp_path):
    result, record = run(greys, tmp_path / "out", "shifted", *RAW, "limit=8")
    assert (result.returncode, warned(result)) == (0, [])
    assert record["below_chance"] is None


@pytest.mark.parametrize("outputs", [2, 3, 10, 1000])
def test_the_rule_is_two_binomial_tests(outputs):
    some = 1 / outputs + (1 - 1 / outputs) / 4
    for n in (1, 2, 5, 12, 30, 64, 300):
        for right in range(n + 1):
            above = binomtest(right, n, 1 / outputs, alternative="greater").pvalue
            below = binomtest(right, n, some, alternative="less").pvalue
            assert is_better(right, n, outputs) == (above <= 0.01)
            assert is_at_chance(right, n, outputs) == (above > 0.01 and below < 0.01)
        # A model that is a little better than chance is called wrong in at most 1 of 100 runs.
        wrong = [right for right in range(n + 1) if is_at_chance(right, n, outputs)]
        assert binom.pmf(wrong, n, some).sum() < 0.01


def test_the_photos_that_the_rule_needs():
    assert [n for n in range(1, 20) if is_at_chance(0, n, 3)][0] == 7
    assert [n for n in range(3, 90, 3) if is_at_chance(n // 3, n, 3)][0] == 54
    assert not is_at_chance(0, 0, 10)
    assert not is_at_chance(0, 100, 1)


def halved(labels, preds):
    """The counts of predictions, photos to the two halves in turn."""
    halves = (Counter(), Counter())
    for place, pair in enumerate(zip(labels, preds, strict=True)):
        halves[place % 2][pair] += 1
    return halves


def test_the_best_order_of_noise_is_judged_by_photos_that_did_not_make_it():
    rng = np.random.default_rng(0)
    labels, preds = np.arange(60) % 10, rng.integers(0, 10, 60)
    order, fit = best_order(range(10), range(10), halved(labels.tolist(), preds.tolist()))
    assert sorted(order.values()) == list(range(10))
    in_sample = sum(order[label] == pred for label, pred in zip(labels, preds, strict=True))
    assert is_better(in_sample, 60, 10)  # what the order would be praised for
    assert not is_better(fit, 60, 10)


def test_the_best_order_keeps_what_no_photo_decides():
    """Classes 0 and 1 are swapped, 2 and 3 have no photos, output 9 is none of a class."""
    labels, preds = [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 9, 9]
    order, fit = best_order([3, 2, 1, 0], [0, 1, 2, 3, 9], halved(labels, preds))
    assert order == {0: 1, 1: 0, 2: 2, 3: 3}
    assert fit == 6


@pytest.mark.parametrize(("channels", "mean"), [(3, "[0.485,0.456,0.406]"), (1, "[0.449]")])
def test_the_common_preprocessings_but_the_present_one(channels, mean):
    present = Preprocess(mean=(0.5,) * channels, std=(0.5,) * channels)
    found = pixels.common(present)
    assert [*found] == [
        "ImageNet's mean and standard deviation", "pixels from 0 to 1", "pixels from 0 to 255",
    ]  # fmt: skip
    assert pixels.keys(present, found["ImageNet's mean and standard deviation"]).startswith(
        f"model.preprocess.mean={mean} model.preprocess.std="
    )
    assert pixels.keys(present, found["pixels from 0 to 255"]).endswith("preprocess.scale=1")
