"""Every cue on real photos with masks that people drew."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter

from tests.cues.canvases import canvas
from xai_audit.config import compose as _schema  # noqa: F401 - registers the schema of config.yaml
from xai_audit.config.build import build
from xai_audit.config.nodes import CONF_DIR
from xai_audit.cues import colour
from xai_audit.vision.canvas import transplanted

REGIONS = (
    "border", "background",
    *(f"corner_{v}_{h}" for v in ("top", "bottom") for h in ("left", "right")),
)  # fmt: skip
# What a property's first descriptors say, and how near they come to the donor's.
PROPERTIES = ("colour", "brightness", "contrast")


def some(shared, each: int, side: int):
    """``each`` photos of each of six classes as canvases of ``side`` x ``side``."""
    root = shared / "data" / "flowers17"
    with (root / "split.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["has_mask"] == "1"]
    names = sorted({row["class"] for row in rows})[::3]
    chosen = [row for name in names for row in [r for r in rows if r["class"] == name][:each]]
    found = []
    for row in chosen:
        photo = Image.open(root / "images" / row["file"]).convert("RGB")
        mask = Image.open((root / "masks" / row["file"]).with_suffix(".png"))
        pixels = np.array(photo.resize((side, side), Image.Resampling.BILINEAR))
        object_ = np.asarray(mask.resize((side, side), Image.Resampling.NEAREST)) > 0
        found.append(
            canvas(pixels, object_, stored=photo.size[::-1], image_id=row["file"], crop=side)
        )
    assert len(found) == 6 * each
    return found


@pytest.fixture(scope="module")
def photos(shared):
    return some(shared, 2, 224)


@pytest.fixture(scope="module")
def cues():
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF_DIR)):
        config = compose("config")
    nodes = {
        path.stem: OmegaConf.merge(config, {"cue": OmegaConf.load(path)}).cue
        for path in sorted((CONF_DIR / "cue").glob("*.yaml"))
        if path.stem != "stamp"
    }
    return {name: build("cue", node) for name, node in nodes.items()}


def test_a_photo_with_its_own_cue_is_itself(photos, cues):
    for name, cue in cues.items():
        if cue.way == "none":
            continue
        for one in photos:
            got = transplanted(cue, one, one)
            assert got.shape == one.photo.shape
            change = (got.int() - one.photo.int()).abs().amax(0).numpy()
            if name in REGIONS:  # mended where the donor's object was, and a rim wider
                change = change[distance_transform_edt(one.object.numpy() == 0) > 16]
            assert change.mean() < 0.5, (name, one.record)


@pytest.mark.parametrize("name", REGIONS)
def test_nothing_changes_outside_the_region(photos, cues, name):
    cue = cues[name]
    for one, other in zip(photos, photos[2:] + photos[:2], strict=True):
        outside = np.asarray(cue.region(one)) == 0
        got = transplanted(cue, one, other)
        changed = (got.int() - one.photo.int()).abs().amax(0).numpy()
        deeper = name == "border"  # as deep as the deeper frame of the two
        assert (changed[outside] > 0).mean() <= (0.3 if deeper else 0), one.record
        inside = np.asarray(cue.region(one)) == 1
        free = inside & (one.object.numpy() == 0)  # a cue may spare the object
        assert (changed[free if free.any() else inside] > 0).mean() > 0.6, one.record


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_the_blur_of_a_stored_photo_is_known(photos, cues, sigma):
    """Through a JPEG, as blurred photos come."""
    more = []
    for one in photos:
        soft = gaussian_filter(one.photo.permute(1, 2, 0).numpy().astype(float), (sigma, sigma, 0))
        stream = io.BytesIO()
        Image.fromarray(soft.round().astype(np.uint8)).save(stream, "JPEG", quality=90)
        stored = canvas(np.array(Image.open(stream)), crop=224)
        before, after = (-cues["sharpness"].level(c) for c in (one, stored))
        more.append(after**2 * np.sign(after) - before**2 * np.sign(before))
    assert np.median(more) == pytest.approx(sigma**2, rel=0.2)


def test_a_cast_stands_out_from_what_the_photos_show(shared, monkeypatch):
    """How many standard deviations of the photos' own colours the same cast is away."""
    gains = np.array([0.78, 1.0, 1.25])[:, None, None]
    plain = some(shared, 12, 96)
    tinted = [
        replace(c, photo=torch.from_numpy((c.photo.numpy() * gains).clip(0, 255).astype(np.uint8)))
        for c in plain
    ]
    apart = {}
    for norm in (6, colour._NORM):
        monkeypatch.setattr(colour, "_NORM", norm)
        before, after = (np.log([colour._light(c) for c in some]) for some in (plain, tinted))
        ratios = [light[:, [0, 2]] - light[:, [1]] for light in (before, after)]
        shift = (ratios[1] - ratios[0]).mean(0) / ratios[0].std(0)
        apart[norm] = float(np.hypot(*shift))
    assert apart[colour._NORM] > 1.1 * apart[6]


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_becomes_the_donors(photos, cues, name):
    cue, nearer = cues[name], []
    for one, other in zip(photos, photos[2:] + photos[:2], strict=True):
        before, wanted = (cue.descriptors(c)[0] for c in (one, other))
        photo = transplanted(cue, one, other)
        after = cue.descriptors(canvas(photo.numpy(), one.object.numpy() > 0, crop=224))[0]
        nearer.append(abs(after - wanted) < 0.5 * abs(before - wanted) + 0.02)
    assert np.mean(nearer) > 0.8
