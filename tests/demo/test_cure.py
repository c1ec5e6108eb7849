"""The demo's network is trained on with mixed surroundings, saved, and audited from the file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from xai_audit.demo import cure, net, species, train
from xai_audit.errors import ModelError

SMALL = dataclasses.replace(cure.RECIPE, per_class=1, stages=((32, 2),), rate=1e-3)


@pytest.fixture
def photos() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A photo a class, its surroundings as bright as the class says, with its mask and label."""
    labels = torch.arange(len(species.CLASSES))
    images = (25 * labels).to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 224, 224)
    objects = torch.zeros(len(labels), 1, 224, 224, dtype=torch.uint8)
    objects[..., 80:140, 80:140] = 255
    images[..., 80:140, 80:140] = 200
    return images, objects, labels


def test_inputs_are_of_any_class_where_the_photo_was_of_one(photos):
    images, objects, _ = photos
    both = torch.cat([images, objects], 1).float()
    rng = np.random.default_rng
    mean = torch.tensor(net.MEAN).view(3, 1, 1)
    alone = cure._varied(0.0, both, rng(0))
    assert alone.shape == images.shape
    spread = []
    for share in (0.0, 1.0):
        seen = cure._varied(share, both, rng(0))[:, 0, 30:60, 150:190] + mean[0]
        order = seen.mean((1, 2)).argsort()
        spread.append((order - torch.arange(10)).abs().float().mean().item())
    assert spread[0] < 1 < spread[1]  # as ordered as their classes, and not


def test_the_shipped_network_is_trained_on_and_saved(photos, tmp_path, monkeypatch):
    images, objects, labels = photos
    monkeypatch.setattr(train, "training_set", lambda cache, per_class: (images, labels))
    monkeypatch.setattr(cure, "object_masks", lambda cache, per_class: objects)
    monkeypatch.setattr(cure, "RECIPE", SMALL)
    told = {}
    cure.main(["--out", str(tmp_path / "new" / "cured.pt"), "--photos", "1"])
    for share in (0.0, 1.0):
        told[share] = cure.cured(images, objects, labels, SMALL, share=share)
    saved = net.load_flower_net(tmp_path / "new" / "cured.pt")
    weights = {
        name: model.state_dict()["head.weight"]
        for name, model in {**told, "saved": saved, "shipped": net.load_flower_net()}.items()
    }
    assert torch.allclose(weights["saved"], weights[1.0], atol=1e-3)  # as float16
    assert not torch.allclose(weights[0.0], weights[1.0], atol=1e-5)
    assert 0 < (weights[1.0] - weights["shipped"]).abs().max() < 0.1  # not anew
    assert not told[1.0].training


def test_masks_are_those_of_the_photos_in_their_order(tmp_path):
    for number, name in enumerate(species.CLASSES):
        (tmp_path / "masks" / name).mkdir(parents=True)
        for index in range(2):
            mask = np.full((256, 256), 10 * number + index, np.uint8)
            Image.fromarray(mask).save(tmp_path / "masks" / name / f"{name}_{index:03d}.png")
    found = cure.object_masks(tmp_path, 2)
    assert found.shape == (20, 1, 224, 224)
    assert found[:, 0, 0, 0].tolist() == [10 * n + i for n in range(10) for i in range(2)]


def test_a_checkpoint_takes_the_place_of_the_shipped_weights(tmp_path):
    torch.manual_seed(1)
    fresh = net.flower_net().eval()
    net.save_flower_net(fresh, tmp_path / "own.pt")
    torch.save({"head.weight": torch.zeros(3)}, tmp_path / "wrong.pt")

    def built(checkpoint):
        keys = {"num_classes_of_dataset": 10, "name": "flowers", "target_layer": None}
        return net.build(checkpoint=checkpoint, **keys).module.eval()

    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(built(str(tmp_path / "own.pt"))(images), fresh(images), atol=2e-2)
        assert torch.equal(built(None)(images), net.load_flower_net()(images))
    with pytest.raises(ModelError, match=r"wrong\.pt"):
        built(str(tmp_path / "wrong.pt"))
