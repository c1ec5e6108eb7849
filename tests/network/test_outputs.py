"""Outputs of every kind: the logits are found, or one line says what was found instead."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections import OrderedDict, namedtuple
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from torch import nn

from tests import tiny
from tests.methods.asking import loaded, maps, request
from xai_audit.errors import ModelError
from xai_audit.network.prepare import prepare
from xai_audit.types import LoadedModel, ModelSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

Named = namedtuple("Named", ["features", "logits"])


@dataclasses.dataclass
class Record:
    loss: None
    logits: torch.Tensor


class Output(OrderedDict):
    """As Hugging Face's: a mapping whose items are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Returns(nn.Module):
    """The small network, its logits and their features given to ``make``."""

    def __init__(self, make: Callable[[torch.Tensor, torch.Tensor], object]) -> None:
        super().__init__()
        self.body, self.make = tiny.net(), make

    def forward(self, images: torch.Tensor) -> object:
        return self.make(self.body(images), images.mean((2, 3)).repeat(1, 3))


TAKEN = {
    "model_output": (lambda z, _: Output(logits=z), "['logits']"),
    "dict": (lambda z, f: {"features": f, "logits": z}, "['logits']"),
    "dict of one row": (lambda z, f: {"y": z, "maps": f[:, :, None], "loss": None}, "['y']"),
    "dict with features": (lambda z, f: {"pooler_output": f, "scores": z}, "['scores']"),
    "dataclass": (lambda z, _: Record(None, z), ".logits"),
    "named tuple": (lambda z, f: Named(f, z), ".logits"),
    "tuple": (lambda z, f: (z, f), "[0]"),
    "list": (lambda z, _: [z], "[0]"),
    "probabilities first": (lambda z, _: (z.softmax(1), z), "[1]"),
    "one logit": (lambda z, _: {"logits": z[:, :1]}, "['logits']"),
}

FEW = {
    "integrated_gradients": {"steps": 3, "seed": 0},
    "deeplift": {"seed": 0},
    "occlusion": {"seed": 0},
}


def prepared(make: Callable[[torch.Tensor, torch.Tensor], object]) -> LoadedModel:
    return loaded(Returns(make), 64)


@pytest.mark.parametrize("kind", TAKEN)
def test_a_network_is_the_one_that_returns_only_its_logits(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, text = TAKEN[kind]
    with caplog.at_level(logging.INFO, logger="xai_audit"):
        held = prepared(make)
    plain = prepared((lambda z, _: z[:, :1]) if kind == "one logit" else (lambda z, _: z))
    assert f"the model's logits are {text} of its output: " in caplog.text
    assert caplog.text.count("logits are") == 1
    facts = ("target_layer", "num_outputs", "grid", "single_logit")
    assert [getattr(held, name) for name in facts] == [getattr(plain, name) for name in facts]
    # Folding is checked by the logits, too; a container that torch.fx does not know hinders it.
    assert isinstance(held.module.body[1], nn.Identity) == (kind != "model_output")
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    ways = (held, plain, dataclasses.replace(held, module=copy.deepcopy(held.module)))
    for name in ("gradcam", "integrated_gradients", "lrp", "deeplift", "occlusion"):
        keys, labels = FEW.get(name, {}), torch.tensor([1, 0, 1])
        found = [maps(name, request(way, images, labels), **keys) for way in ways]
        torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5, msg=name)
        assert torch.equal(found[0], found[2]), name


def test_of_a_module_that_ends_in_a_softmax_the_logits_are_logarithms(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = prepared(lambda z, _: z)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for make in (lambda z, _: z.softmax(1), lambda z, _: {"y": z.softmax(1)}):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="xai_audit"):
            ended = prepared(make)
        assert "the model's outputs are probabilities" in caplog.text
        torch.testing.assert_close(ended.module(images).softmax(1), plain.module(images).softmax(1))
        assert isinstance(ended.module.body[1], nn.Identity)
        # The margin of logarithms is that of logits.
        found = [
            maps("gradcam", request(way, images, torch.tensor([1, 0, 1]), ["contrast"]))
            for way in (ended, plain)
        ]
        torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


class InAttention(nn.Module):
    """A softmax inside, as of attention, and a layer after it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last = tiny.net(), nn.Linear(3, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.body(images).softmax(1))


SIGMOIDS = {
    "K": (lambda z, _: z.sigmoid(), lambda z, _: z, "sigmoid"),
    "K, one of them right": (lambda z, _: z.sigmoid(), lambda z, _: z, None),
    "one": (lambda z, _: z[:, :1].sigmoid(), lambda z, _: z[:, :1], None),
    "one without an axis": (lambda z, _: z[:, 0].sigmoid(), lambda z, _: z[:, 0], None),
    "behind views": (
        lambda z, _: z[:, :, None].sigmoid().squeeze(2).flatten(1)[:, :1].squeeze(),
        lambda z, _: z[:, :1],
        None,
    ),
    "in a dict": (lambda z, _: {"y": z.sigmoid()}, lambda z, _: z, "sigmoid"),
    "second of a softmax": (
        lambda z, _: z[:, :2].softmax(1)[:, 1], lambda z, _: z[:, 1] - z[:, 0], None,
    ),
}  # fmt: skip


def with_head(module: nn.Module, head: str | None) -> LoadedModel:
    return prepare(ModelSpec(module, Preprocess(crop=(64, 64)), "net", head=head), device="cpu")


@pytest.mark.parametrize("kind", SIGMOIDS)
def test_of_a_module_that_ends_in_a_sigmoid_the_logits_are_log_odds(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, raw, head = SIGMOIDS[kind]
    with caplog.at_level(logging.INFO, logger="xai_audit"):
        ended = with_head(Returns(make), head)
    assert "the model's outputs are probabilities" in caplog.text
    assert "its logits are log-odds" in caplog.text
    plain = with_head(Returns(raw), head)
    size = 1 if kind == "behind views" else 3  # squeeze() of several images drops no axis
    images = torch.randn(size, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ended.module(images), plain.module(images), rtol=1e-4, atol=1e-5)
    assert (ended.num_outputs, ended.head, ended.single_logit) == (
        plain.num_outputs, plain.head, plain.single_logit,
    )  # fmt: skip
    found = [
        maps("gradcam", request(way, images, torch.tensor([1, 0, 1][:size]), ["contrast"]))
        for way in (ended, plain)
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-5)


def test_one_sigmoid_is_negative_below_a_half() -> None:
    model = with_head(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1),
                      nn.Sigmoid()), None,
    )  # fmt: skip
    with torch.no_grad():
        model.module[3].bias.fill_(-20.0)  # far below: its log-odds still have a gradient
    images = torch.zeros(2, 3, 64, 64, requires_grad=True)
    logits = model.module(images)
    assert logits.argmax(1).tolist() == [0, 0]
    assert float(logits[0, 1].detach()) == pytest.approx(-20, abs=1)
    assert bool(torch.autograd.grad(logits[:, 1].sum(), images)[0].any())
    for far in (-200, 200):  # the sigmoid is 0, or rounds to 1
        ended = with_head(Returns(lambda z, _, far=far: (z[:, :1] + far).sigmoid()), None)
        logit = float(ended.module(torch.zeros(1, 3, 64, 64))[0, 1].detach())
        assert abs(logit) > 15
        assert np.isfinite(logit)
        assert (logit > 0) == (far > 0)


def test_probabilities_of_a_softmax_stay_what_they_are_with_independent_classes() -> None:
    model = with_head(Returns(lambda z, _: z.softmax(1)), "sigmoid")
    images = torch.randn(2, 3, 64, 64)
    wanted = with_head(Returns(lambda z, _: z), None).module(images).softmax(1)
    torch.testing.assert_close(model.module(images).sigmoid(), wanted)


def test_logits_that_look_like_probabilities_are_logits() -> None:
    """Between 0 and 1, also with a sum of 1: their last function is a layer."""
    for bias in ([0.2, 0.3, 0.5], [0.9, 0.1, 0.3]):
        module = InAttention()
        with torch.no_grad():
            module.last.weight.mul_(1e-6)
            module.last.bias.copy_(torch.tensor(bias))
        for head in (None, "sigmoid"):
            out = with_head(copy.deepcopy(module), head).module(torch.zeros(1, 3, 64, 64))
            torch.testing.assert_close(out, torch.tensor([bias]), atol=1e-4, rtol=0)


def test_the_mean_of_several_softmaxes_is_known_by_its_sum() -> None:
    model = with_head(Returns(lambda z, _: (z.softmax(1) + (2 * z).softmax(1)) / 2), None)
    images = torch.randn(2, 3, 64, 64)
    z = with_head(Returns(lambda z, _: z), None).module(images)
    wanted = (z.softmax(1) + (2 * z).softmax(1)) / 2
    torch.testing.assert_close(model.module(images).softmax(1), wanted)


def test_without_a_graph_probabilities_are_known_by_their_sum() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(self.body(images).softmax(1).numpy())

    model = prepare(
        ModelSpec(Detached(), Preprocess(crop=(64, 64)), "net", target_layer="body.0"),
        device="cpu",
    )
    with torch.no_grad():
        assert bool((model.module(torch.zeros(1, 3, 64, 64)) <= 0).all())


def test_every_stage_gives_what_it_gives_of_the_plain_network(folder, tmp_path) -> None:
    stages = "stages=[index,attribute,score,trust,evidence,adversarial]"
    more = ["methods=[gradcam,saliency]", "adversarial.images=2", "adversarial.steps=2", stages]
    for name in ("Around", "Held"):
        factory = f"model.factory=tests.odd_models:{name}"
        keys = [factory, "trust.images=3", *more]
        done = tiny.audit(tiny.overrides(folder, tmp_path / name, *keys))
        assert done.returncode == 0, done.stderr
        assert ("logits are ['logits'] of its output: " in done.stderr) == (name == "Held")
    for table in ("scores", "methods.parquet", "evidence.parquet", "adversarial.parquet"):
        one, two = (pd.read_parquet(tmp_path / name / table) for name in ("Around", "Held"))
        pd.testing.assert_frame_equal(one, two)


def refused(module: nn.Module, side: int = 64) -> str:
    spec = ModelSpec(module, Preprocess(crop=(side, side)), "net")
    with pytest.raises(ModelError) as caught:
        prepare(spec, device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda z, f: {"a": z, "b": f}, "dict of a (1, 3), b (1, 9)"),
        (lambda z, f: {"pooler_output": f, "maps": z[:, :, None]}, "pooler_output (1, 9), maps (1"),
        (lambda z, f: (f[:, :, None], z), "tuple of 0 (1, 9, 1), 1 (1, 3)"),
        (lambda z, _: {"logits": [z]}, "dict of logits list"),
        (lambda z, _: dict.fromkeys("abcdefg", z), "d (1, 3), e (1, 3), ..."),
        (lambda z, _: z[:, :, None], "(1, 3, 1)"),
        (lambda z, _: z[:, :, None, None], "(1, 3, 1, 1)"),
        (lambda z, _: (z.sum(),) * 0, "got empty tuple"),
        (lambda z, _: z.detach().numpy(), "got ndarray"),
        (lambda _, __: None, "got NoneType"),
    ],
)
def test_what_was_found_where_no_place_is_obvious(
    make: Callable[[torch.Tensor, torch.Tensor], object], got: str
) -> None:
    text = refused(Returns(make))
    assert (
        "not one row of logits per image: forward of one image | expected a tensor (1, K)" in text
    )
    assert got in text
    assert "remedy: model=custom with a module that returns only the logits" in text


def test_networks_that_classify_pixels_or_boxes_are_named() -> None:
    bare = {"weights": None, "weights_backbone": None, "num_classes": 4}
    segmentation = torchvision.models.segmentation.lraspp_mobilenet_v3_large(**bare)
    text = refused(segmentation)
    assert "a segmentation network, and only image classifiers are audited" in text
    assert "got OrderedDict of out (1, 4, 64, 64)" in text
    detection = torchvision.models.detection.ssdlite320_mobilenet_v3_large(**bare)
    text = refused(detection)
    assert "a detection network, and only image classifiers are audited" in text
    assert "boxes, scores, labels" in text
    query = Returns(lambda z, f: Output(logits=z[:, None], pred_boxes=f[:, None, :4]))
    assert "a detection network" in refused(query)
