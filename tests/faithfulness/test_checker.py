"""A method's rows: planted maps get the answers that they deserve, whatever the batch."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F

from tests import tiny
from tests.methods.asking import loaded, method
from tests.methods.nets import Cramped
from xai_audit.faithfulness.measure import Checker
from xai_audit.faithfulness.output import DRAWS, mean_of, methods_table
from xai_audit.network.inputs import AdaptiveBatch, Inputs
from xai_audit.network.prepare import prepare
from xai_audit.schema import OK, RANDOM, TRUST, TRUST_MEASURES
from xai_audit.types import Attribution, ImageRecord, ModelSpec, Preprocess
from xai_audit.vision.loader import Batch

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

    def attribute(self, request) -> Attribution:
        return Attribution(request.images.mean(1)[:, None].clone())


@dataclass
class Pointed:
    """Maps that point at the middle; upside down if asked to."""

    factor: float = 1.0
    name: str = "pointed"
    sign: str = "positive"

    def attribute(self, request) -> Attribution:
        maps = torch.zeros(len(request.images), 1, SIDE, SIDE)
        maps[:, :, 12:20, 12:20] = self.factor
        return Attribution(maps)


def sampled(count: int = 10) -> Batch:
    torch.manual_seed(1)
    photos = torch.randint(0, 120, (count, 3, SIDE, SIDE), dtype=torch.uint8)
    photos[:, :, 12:20, 12:20] = 250
    records = [ImageRecord(f"{i}.jpg", f"{i}.jpg", "spot", 1, SIDE, SIDE) for i in range(count)]
    return Batch(records, photos, coverage=None, mask_status=["none"] * count, problems={})


def checker(net: torch.nn.Module, batch: int = 8, kind: str = "label") -> Checker:
    return Checker(loaded(net, SIDE), kind, steps=8, seed=0, adaptive=AdaptiveBatch(batch))


def rows(net, plugin, batch: int = 8, count: int = 10, **keys) -> pa.Table:
    """The photos in equal shares under five draws of the weights."""
    return rows_of(checker(net, batch, **keys), plugin, count)


def rows_of(asking: Checker, plugin, count: int) -> pa.Table:
    photos, edges = sampled(count), np.linspace(0, count, DRAWS + 1).round().astype(int)
    return pa.concat_tables(
        asking.rows(plugin, photos.images(slice(start, stop)), draw, lambda _: None)
        for draw, (start, stop) in enumerate(itertools.pairwise(edges))
        if stop > start
    )


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
    assert "do not show what the model has learned" in painted["because"]
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


@dataclass
class Filled:
    """Maps of one value everywhere."""

    value: float
    name: str = "filled"
    sign: str = "positive"

    def attribute(self, request) -> Attribution:
        return Attribution(torch.full((len(request.images), 1, 4, 4), self.value))


@pytest.mark.parametrize(("value", "status"), [(0.0, "flat"), (float("nan"), "not_finite")])
def test_a_map_without_an_order_has_no_measures(value, status):
    table = rows(Spot(), Filled(value))
    assert {*table.column("status").to_pylist()} == {status}
    assert all(table.column(name).null_count == 10 for name in TRUST_MEASURES)
    (row,) = methods_table({"filled": table}, kind="label", max_similarity=0.7).to_pylist()
    assert (row["n_images"], row["trusted"]) == (0, None)


@dataclass
class Turned:
    """The picture, upside down or not as the first of the weights' signs falls."""

    name: str = "turned"
    sign: str = "positive"

    def attribute(self, request) -> Attribution:
        weight = next(request.model.module.parameters()).flatten()[0].sign()
        maps = request.images.mean(1)[:, None]
        return Attribution(weight * (maps - maps.mean((2, 3), keepdim=True)))


def test_a_map_that_only_turns_upside_down_has_not_changed():
    table = rows(tiny.net(2), Turned())
    (row,) = methods_table({"turned": table}, kind="label", max_similarity=0.7).to_pylist()
    assert row["similarity_all"] == pytest.approx(1)
    assert row["trusted"] is False


def test_the_interval_of_similarity_is_that_of_the_draws_of_the_weights():
    frame = rows(Spot(), Painted(), count=8).to_pandas()
    frame["draw"] = pa.array([0] * 4 + [1] * 4, pa.int32()).to_pandas()
    frame["similarity_half"] = [0.1] * 4 + [0.5] * 4
    frame["similarity_head"] = [0.49] * 4 + [0.51] * 4
    table = pa.Table.from_pandas(frame, TRUST, preserve_index=False)
    (row,) = methods_table({"m": table}, kind="label", max_similarity=0.7).to_pylist()
    # Two draws: the mean of .1 and .5, and Student's t with one degree of freedom.
    assert row["similarity_half"] == pytest.approx(0.3)
    assert row["similarity_head_high"] == pytest.approx(0.5 + 12.7062 * 0.01, abs=1e-4)
    # So wide that it is cut at the ends of the scale.
    assert (row["similarity_half_low"], row["similarity_half_high"]) == (0, 1)


def test_a_photo_that_cannot_be_used_is_told():
    photos = dataclasses.replace(sampled(2), problems={"x.jpg": ("unreadable", "no JPEG")})
    table = checker(Spot()).rows(None, photos, 0, lambda _: None)
    assert table.column("image_id").to_pylist() == ["0.jpg", "1.jpg", "x.jpg"]
    assert table.column("status").to_pylist() == [OK, OK, "unreadable"]


@pytest.mark.parametrize(("spread", "trusted"), [(0.02, True), (0.3, None)])
def test_an_interval_that_holds_the_limit_leaves_it_open(spread, trusted):
    frame = rows(Spot(), Painted()).to_pandas()
    for depth in ("half", "all"):
        frame[f"similarity_{depth}"] = 0.6 + spread * (frame["draw"] % 2 - 0.5)
    table = pa.Table.from_pandas(frame, TRUST, preserve_index=False)
    (row,) = methods_table({"m": table}, kind="label", max_similarity=0.7).to_pylist()
    assert row["trusted"] is trusted
    assert ("it is open whether" in row["because"]) == (trusted is None)


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
        return rows(net(tiny.net(2)), method(name, **keys), batch, 6)

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
    mean, low, high = mean_of(np.array([1.0, 2.0, 3.0]), (-9, 9))
    # t(0.975, 2) = 4.302653, the standard error 1 / sqrt(3).
    assert (mean, low, high) == pytest.approx((2, 2 - 2.484138, 2 + 2.484138), abs=1e-5)
    assert mean_of(np.array([]), (0, 1)) == (None, None, None)
    assert mean_of(np.array([4.0]), (0, 9)) == (4.0, None, None)


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
    asking = Checker(model, "label", steps=4, seed=0, adaptive=AdaptiveBatch(8))
    table = rows_of(asking, method("gradcam"), 6)
    found = means(table)
    assert {"similarity_all", "insertion", "deletion", "road"} <= {*found}
    assert 0 < found["insertion"] < 1


def test_a_multi_label_model_is_judged_by_the_probability_of_its_own_output():
    spec = ModelSpec(Spot(), Preprocess(resize=SIDE, crop=(SIDE, SIDE)), "net", head="sigmoid")
    model = prepare(spec, device="cpu")
    asking = Checker(model, "label", steps=1, seed=0, adaptive=AdaptiveBatch(8))
    found = rows_of(asking, Pointed(), 4)
    # One step: the mean of both ends, the whole photo and the mean colour; the logit is z.
    photos = Inputs(model, "fp32").normalised(sampled(4).photos)
    ends = [model.module(images)[:, 1].sigmoid().numpy() for images in (photos, 0 * photos)]
    np.testing.assert_allclose(found.column("deletion"), sum(ends) / 2, atol=1e-6)
