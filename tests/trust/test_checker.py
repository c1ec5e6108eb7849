"""A method's rows: planted maps get the answers that they deserve, whatever the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F

from tests import tiny
from tests.methods.asking import loaded, method
from tests.methods.nets import Cramped
from xai_audit.models.prepare import prepare
from xai_audit.schema import OK, RANDOM, TRUST, TRUST_MEASURES
from xai_audit.trust.measure import Checker, Sampled
from xai_audit.trust.table import mean_of, methods_table
from xai_audit.types import Attribution, ImageRecord, ModelSpec, Preprocess
from xai_audit.worker.adaptive import AdaptiveBatch

SIDE = 32


class Spot(torch.nn.Module):
    """Class 1 is a bright middle; nothing else matters."""

    def __init__(self) -> None:
        super().__init__()
        self.see = torch.nn.Conv2d(3, 1, 1, bias=False)
        self.see.weight.data.fill_(0.5)
        self.say = torch.nn.Linear(1, 2)
        self.say.weight.data[:] = torch.tensor([[-1.0], [1.0]])
        self.say.bias.data.zero_()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        middle = self.see(images)[:, :, 12:20, 12:20]
        return self.say(F.relu(middle).mean((2, 3)))


@dataclass
class Painted:
    """Maps that look at the picture and never at the model."""

    name: str = "painted"
    sign: str = "positive"

    def attribute(self, asked) -> Attribution:
        return Attribution(asked.images.mean(1)[:, None].clone())


@dataclass
class Pointed:
    """Maps that point at the middle; upside down if asked to."""

    factor: float = 1.0
    name: str = "pointed"
    sign: str = "positive"

    def attribute(self, asked) -> Attribution:
        maps = torch.zeros(len(asked.images), 1, SIDE, SIDE)
        maps[:, :, 12:20, 12:20] = self.factor
        return Attribution(maps)


def sampled(count: int = 10) -> Sampled:
    torch.manual_seed(1)
    photos = torch.randint(0, 120, (count, 3, SIDE, SIDE), dtype=torch.uint8)
    photos[:, :, 12:20, 12:20] = 250
    records = [ImageRecord(f"{i}.jpg", f"{i}.jpg", "spot", 1, SIDE, SIDE) for i in range(count)]
    return Sampled(records, photos)


def checker(net: torch.nn.Module, batch: int = 8, kind: str = "label") -> Checker:
    return Checker(loaded(net, SIDE), kind, steps=8, seed=0, adaptive=AdaptiveBatch(batch))


def rows(net, plugin, batch: int = 8) -> pa.Table:
    return checker(net, batch).rows(plugin, sampled(), lambda _: None)


def means(table: pa.Table) -> dict[str, float]:
    columns = {name: table.column(name).drop_null().to_numpy() for name in TRUST_MEASURES}
    return {name: float(values.mean()) for name, values in columns.items() if len(values)}


def test_the_map_that_points_at_what_decides_is_told_from_noise_and_from_its_opposite():
    good, bad, noise = (means(rows(Spot(), plugin)) for plugin in (Pointed(), Pointed(-1), None))
    assert good["road"] > 0.05
    assert bad["road"] < -0.05
    assert good["insertion"] > noise["insertion"] > bad["insertion"]
    assert good["deletion"] < noise["deletion"] < bad["deletion"]
    assert good["infidelity"] < 0.5 < bad["infidelity"]
    assert {*noise} == {"insertion", "deletion"}


def test_maps_that_ignore_the_model_are_not_trusted_and_those_that_follow_it_are():
    tables = {
        "painted": rows(Spot(), Painted()),
        "gradcam": rows(tiny.net(2), method("gradcam")),
        RANDOM: rows(Spot(), None),
    }
    found = {
        row["method"]: row
        for row in methods_table(tables, kind="label", max_similarity=0.7).to_pylist()
    }
    painted, gradcam = found["painted"], found["gradcam"]
    assert painted["similarity_all"] == painted["similarity_head"] == pytest.approx(1)
    assert painted["trusted"] is False
    assert "With random weights in the upper half of the layers" in painted["because"]
    assert "do not tell what the model has learned" in painted["because"]
    assert gradcam["similarity_all"] < 0.5
    assert gradcam["trusted"] is True
    assert found[RANDOM]["trusted"] is None
    assert found[RANDOM]["because"] == "Maps of noise, to compare the others with."
    assert {row["n_images"] for row in found.values()} == {10}


@pytest.mark.parametrize("depth", ["half", "all"])
def test_either_depth_of_random_weights_may_fail_a_method(depth):
    table = rows(Spot(), Painted()).to_pandas()
    other = {"half": "all", "all": "half"}[depth]
    table[f"similarity_{other}"] = 0.1
    table[f"similarity_{depth}"] = 0.71
    found = methods_table(
        {"m": pa.Table.from_pandas(table, TRUST)}, kind="label", max_similarity=0.7
    )
    (row,) = found.to_pylist()
    assert row["trusted"] is False
    assert "rank correlation 0.71" in row["because"]


def test_too_few_images_tell_nothing():
    few = rows(Spot(), Painted()).slice(0, 4)
    (row,) = methods_table({"painted": few}, kind="label", max_similarity=0.7).to_pylist()
    assert row["trusted"] is None
    assert row["because"] == "Only 4 maps could be compared; at least 5 are needed."


class Roomy(Cramped):
    """The same network where it fits; as untraceable as the other, or it would be folded."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images) if len(images) else images


@pytest.mark.parametrize(
    ("name", "keys"), [("gradcam", {}), ("smoothgrad", {"seed": 0, "samples": 4})]
)
def test_the_same_rows_whatever_fits_in_memory(name, keys):
    def found(net: type[Cramped], batch: int) -> pa.Table:
        plugin = method(name, **keys)
        return checker(net(tiny.net(2)), batch).rows(plugin, sampled(5), lambda _: None)

    plain = found(Roomy, 8)
    for other in (found(Roomy, 3), found(Cramped, 8)):
        assert other.schema == plain.schema == TRUST
        for column in TRUST_MEASURES:
            np.testing.assert_allclose(
                other.column(column).to_pandas(), plain.column(column).to_pandas(), atol=1e-4
            )


def test_an_image_that_never_fits_is_told_and_left_out():
    class Full(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.seen = tiny.net(2), 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen += 1
            if self.seen > 3:  # not while the model is prepared
                raise torch.OutOfMemoryError("out of memory")
            return self.body(images)

    table = rows(Full(), method("gradcam"))
    assert set(table.column("status").to_pylist()) == {"out_of_memory"}
    (row,) = methods_table({"gradcam": table}, kind="label", max_similarity=0.7).to_pylist()
    assert (row["n_images"], row["trusted"], row["road"]) == (0, None, None)


def test_the_mean_and_its_interval_are_students():
    mean, low, high = mean_of(np.array([1.0, 2.0, 3.0]))
    # t(0.975, 2) = 4.302653, the standard error 1 / sqrt(3).
    assert (mean, low, high) == pytest.approx((2, 2 - 2.484138, 2 + 2.484138), abs=1e-5)
    assert mean_of(np.array([])) == (None, None, None)
    assert mean_of(np.array([4.0])) == (4.0, None, None)


def test_what_a_method_promises_is_kept_and_what_it_does_not_stays_empty():
    promised = rows(tiny.net(2), method("integrated_gradients", seed=0))
    assert promised.column("completeness_error").null_count == 0
    assert rows(tiny.net(2), method("gradcam")).column("completeness_error").null_count == 10
    assert set(promised.column("status").to_pylist()) == {OK}


class OneLogit(torch.nn.Module):
    """The bright middle as one logit, of a grey image."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.say = torch.nn.Conv2d(1, 2, 1), torch.nn.Linear(2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.say(F.relu(self.see(images))[:, :, 12:20, 12:20].mean((2, 3)))[:, 0]


def test_a_grey_model_of_one_logit_is_checked_as_one_of_two_classes():
    torch.manual_seed(0)
    spec = ModelSpec(
        OneLogit(), Preprocess(resize=SIDE, crop=(SIDE, SIDE), mean=(0.4,), std=(0.2,)), "net"
    )
    model = prepare(spec, device="cpu")
    table = Checker(model, "label", steps=4, seed=0, adaptive=AdaptiveBatch(8)).rows(
        method("gradcam"), sampled(5), lambda _: None
    )
    found = means(table)
    assert {"similarity_all", "insertion", "deletion", "road"} <= {*found}
    assert 0 < found["insertion"] < 1


def test_a_multi_label_model_is_judged_by_the_probability_of_its_own_output():
    spec = ModelSpec(Spot(), Preprocess(resize=SIDE, crop=(SIDE, SIDE)), "net", head="sigmoid")
    model = prepare(spec, device="cpu")
    one, other = (
        Checker(each, "label", steps=4, seed=0, adaptive=AdaptiveBatch(8)).rows(
            Pointed(), sampled(5), lambda _: None
        )
        for each in (model, loaded(Spot(), SIDE))
    )
    # Of outputs (-z, z) the softmax is sigmoid(2 z), the head's own is sigmoid(z).
    assert means(one)["insertion"] < means(other)["insertion"]
