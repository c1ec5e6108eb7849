import math

import numpy as np
import pytest
import torch
from torch import nn

from xai_audit.demo import net, render, species, truth

TABLE = {row.class_name: row for row in truth.read_table()}
HONEST = [name for name in species.CLASSES if name not in species.PLANTS]


@pytest.fixture(scope="module")
def model():
    return net.load_flower_net()


def test_the_table_has_a_row_per_class_and_names_each_plant():
    assert list(TABLE) == list(species.CLASSES)
    for name, row in TABLE.items():
        assert row.n == 60
        assert row.region == species.PLANTS.get(name, "")
        assert bool(row.plant) == (name in species.PLANTS)


@pytest.mark.parametrize("name", list(species.PLANTS))
def test_a_planted_class_needs_its_plant(name):
    row = TABLE[name]
    assert row.accuracy_with >= 0.95
    assert row.accuracy_without <= 0.40
    assert row.pull >= 0.6


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_class_is_right_without_any(name):
    assert TABLE[name].accuracy_with >= 0.90
    assert math.isnan(TABLE[name].pull)


def test_on_a_few_photos_the_shipped_model_does_what_the_table_says(model):
    for measured in truth.measure(model, n=8):
        stored = TABLE[measured.class_name]
        assert measured.accuracy_with == pytest.approx(stored.accuracy_with, abs=0.13)
        if measured.plant:
            assert measured.accuracy_without == pytest.approx(stored.accuracy_without, abs=0.26)
            assert measured.pull == pytest.approx(stored.pull, abs=0.26)


@pytest.mark.slow
def test_the_shipped_table_is_what_the_shipped_model_does(model):
    # Another CPU's arithmetic may flip a photo or two that lie on the fence.
    for measured in truth.measure(model):
        stored = TABLE[measured.class_name]
        for key in ("accuracy_with", "accuracy_without", "pull"):
            expected = pytest.approx(getattr(stored, key), abs=0.035, nan_ok=True)
            assert getattr(measured, key) == expected, (measured.class_name, key)


def test_measure_counts_what_a_known_model_answers():
    # Oracle: a model that always answers one planted class is right with and without the plant, so
    # nothing pulls; it is wrong on every other class.
    answer = species.CLASSES.index("marguerite")

    class Stubborn(nn.Module):
        def forward(self, images):
            return nn.functional.one_hot(torch.full((len(images),), answer), 10).float()

    rows = {
        row.class_name: row
        for row in truth.measure(Stubborn(), n=3, classes=["marguerite", "marsh_marigold", "daisy"])
    }
    assert rows["marguerite"].accuracy_with == rows["marguerite"].accuracy_without == 1.0
    assert rows["marguerite"].pull == 0.0
    assert rows["marsh_marigold"].accuracy_with == rows["marsh_marigold"].pull == 0.0
    assert rows["daisy"].accuracy_with == 0.0


def test_measure_sees_a_model_that_reads_the_frame_only():
    # Oracle: "marguerite" if the outermost pixels are wood brown, "daisy" otherwise.
    wood, plain = species.CLASSES.index("marguerite"), species.CLASSES.index("daisy")
    mean, std = torch.tensor(net.MEAN).view(3, 1, 1), torch.tensor(net.STD).view(3, 1, 1)

    class Framed(nn.Module):
        def forward(self, images):
            edge = ((images * std + mean)[..., 2:8]).mean((2, 3))
            brown = (edge[:, 0] > 1.25 * edge[:, 1]) & (edge[:, 1] > 1.2 * edge[:, 2])
            return nn.functional.one_hot(torch.where(brown, wood, plain), 10).float()

    (row,) = truth.measure(Framed(), n=12, classes=["marguerite"])
    assert row.accuracy_with == 1.0
    assert row.accuracy_without <= 0.25
    assert row.pull >= 0.75


def test_resize_and_normalise_match_torchvision():
    from torchvision.transforms.v2 import functional as tvf

    photos = [render.render_photo("pansy", index)[0] for index in range(2)]
    stack = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)
    expected = tvf.resize(stack, [net.INPUT_SIZE, net.INPUT_SIZE], antialias=True)
    ours = truth.resize(photos)
    assert (ours.int() - expected.int()).abs().max() <= 1
    reference = tvf.normalize(ours.float() / 255.0, list(net.MEAN), list(net.STD))
    assert torch.allclose(truth.normalise(ours), reference, atol=1e-6)


def test_a_written_table_reads_back(tmp_path):
    rows = [
        truth.Row("daisy", "", "", 0.95, float("nan"), float("nan"), 60),
        truth.Row("marguerite", "photo_frame", "border", 1.0, 0.125, 0.75, 60),
    ]
    truth.write_table(rows, tmp_path / "truth.csv")
    assert (tmp_path / "truth.csv").read_text().splitlines()[1] == "daisy,,,0.950,,,60"
    again = truth.read_table(tmp_path / "truth.csv")
    assert again[1] == rows[1]
    assert math.isnan(again[0].pull)


def test_the_network_is_small_and_keeps_a_fine_grid(model):
    assert net.WEIGHTS.stat().st_size <= 2_000_000
    with torch.inference_mode():
        images = torch.zeros(2, 3, 224, 224)
        assert model(images).shape == (2, 10)
        assert model.features(images).shape[2:] == (14, 14)
        assert model(torch.zeros(1, 3, 256, 320)).shape == (1, 10)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert not model.training


def test_weights_survive_saving(tmp_path):
    torch.manual_seed(0)
    fresh = net.flower_net()
    net.save_flower_net(fresh, tmp_path / "net.pt")
    again = net.load_flower_net(tmp_path / "net.pt")
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(fresh.eval()(images), again(images), atol=2e-2)
