"""Every built-in cue on photos of odd shapes and kinds, as the photo and as the donor."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from PIL import Image

from tests import tiny
from xai_audit.cues._discovered import Cluster
from xai_audit.cues._strips import check_size, resampling
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import CueProblem
from xai_audit.evidence.near import perceptual_hash
from xai_audit.index.listing import entries_of, listed, manifest_of
from xai_audit.index.rows import probe_all
from xai_audit.masks.folder import FolderMasks
from xai_audit.schema import MANIFEST
from xai_audit.types import Preprocess
from xai_audit.vision.canvas import Source, fitted, one_thread, seen, transplanted
from xai_audit.vision.transform import pull_down

# The two ways of a model's resize: to the shorter side, and to a square.
PREPROCESSES = {
    "shorter": Preprocess(resize=72, crop=(64, 64)),
    "square": Preprocess(resize=(64, 64), crop=(64, 64)),
}
KINDS = ["pixel", "wide", "tall", "tiny", "flat", "alpha", "deep", "huge"]
CASES = [
    pytest.param(kind, way, marks=pytest.mark.slow if kind == "huge" else ())
    for kind in KINDS
    for way in PREPROCESSES
    # A strip of one pixel's height has 288,000 columns once its height is 72: see the last test.
    if (kind, way) not in {("wide", "shorter"), ("tall", "shorter")}
]
VALUES = {
    "${regions.border}": 0.08, "${regions.corner}": 0.15, "${stamp.image}": None,
    "${stamp.where}": "centre", "${stamp.size}": 0.3, "${stamp.opacity}": 1.0,
    "${stamp.text}": "hello",
}  # fmt: skip


def pixels(rng, kind):
    height, width = {"pixel": (1, 1), "wide": (1, 4000), "tall": (4000, 1), "tiny": (3, 3)}.get(
        kind, (80, 90)
    )
    if kind == "flat":
        return np.full((height, width, 3), 90, np.uint8)
    if kind == "alpha":  # nothing but transparency
        return np.dstack([np.zeros((height, width, 3)), rng.integers(0, 256, (height, width))])
    if kind == "deep":
        return rng.integers(0, 2**16, (height, width), dtype=np.uint16)
    photo = rng.integers(0, 256, (height, width, 3))
    # 5120 x 10080 px
    return photo.repeat(64, 0).repeat(112, 1).astype(np.uint8) if kind == "huge" else photo


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("odd"), np.random.default_rng(0)
    for part in ("images", "masks"):
        (root / part / "a").mkdir(parents=True)
    for kind in (*KINDS, "usual"):
        photo = pixels(rng, kind)
        photo = photo if kind == "deep" else photo.astype(np.uint8)
        Image.fromarray(photo).save(root / "images" / "a" / f"{kind}.png", compress_level=1)
        height, width = photo.shape[:2]
        mask = np.zeros((height, width), np.uint8)
        mask[height // 3 : max(2 * height // 3, 1), width // 3 : max(2 * width // 3, 1)] = 255
        Image.fromarray(mask).save(root / "masks" / "a" / f"{kind}.png", compress_level=1)
    return root


@pytest.fixture(scope="module")
def canvases(root):
    """(kind, way) -> its canvas, read from the disk once."""
    keys = {"name": None, "class_to_idx": None, "split": None, "links_outside": False}
    dataset = ImageFolder(root=str(root / "images"), **keys)
    probed = [
        row | {"label": None, "selected": False}
        for row in probe_all(entries_of(listed(dataset)), dataset.root, max_pixels=10**8, threads=2)
    ]
    table = pa.Table.from_pylist(probed, schema=MANIFEST)
    rows = manifest_of(table, dataset.root, labels={"a": 0}, limit=None, seed=0)
    masks = FolderMasks(root=str(root / "masks"), object=[255], background=[0], soft=False)

    @cache
    def read(kind, way):
        preprocess = PREPROCESSES[way]
        source = Source(rows.combine_chunks(), masks, dataset.root, preprocess, 10**8, 0)
        return source.read(f"a/{kind}.png")

    return read


def cue(name):
    if name == "cluster":
        return Cluster(name="cluster_1", cells=np.eye(7, dtype=int).tolist())
    node = yaml.safe_load((tiny.REPO / "conf" / "cue" / f"{name}.yaml").read_text("utf-8"))
    module, _, attribute = node.pop("_target_").rpartition(".")
    keys = {k: VALUES.get(v, v) if isinstance(v, str) else v for k, v in node.items()}
    return getattr(__import__(module, fromlist=[attribute]), attribute)(**keys)


NAMES = [*sorted(path.stem for path in (tiny.REPO / "conf" / "cue").glob("*.yaml")), "cluster"]


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "bare"])
@pytest.mark.parametrize(("kind", "way"), CASES)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_and_transplanted(canvases, name, kind, way, masked):
    plugin, odd, usual = cue(name), canvases(kind, way), canvases("usual", way)
    if not masked:
        odd, usual = replace(odd, object=None), replace(usual, object=None)
    with one_thread():
        region, vector = plugin.region(odd), plugin.descriptors(odd)
        if region is not None:
            assert region.shape == odd.photo.shape[1:]
            assert region.min() >= 0
            assert region.max() <= 1 + 1e-6
            pulled = pull_down(seen(region[None], odd.preprocess)[0].double(), (7, 7))
            assert pulled.isfinite().all()
        # What is too small to describe has no descriptors; otherwise as many as any photo.
        expected = plugin.descriptors(usual)
        assert vector is None or (vector.shape == expected.shape and np.isfinite(vector).all())
        assert np.isfinite(plugin.level(odd)) == (plugin.way == "down")
        if plugin.way == "none" or (plugin.needs_mask and not masked):
            return
        for one, donor in ((odd, usual), (usual, odd), (odd, odd)):
            photo = transplanted(fitted(plugin, [one, donor]), one, donor)
            assert name == "aspect_ratio" or photo.shape == one.photo.shape
            assert seen(photo, one.preprocess).shape == (3, 64, 64)


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_it_has_a_hash(canvases, kind, way):
    assert 0 <= perceptual_hash(canvases(kind, way).photo) < 2**64


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_a_photo_shrunk_to_one_pixel_s_width_keeps_its_mean(size):
    """torch's kernel for uint8 fails for 1 x 1 px, and for 5 x 1 it gives wrong values."""
    level = max(size) / 60
    photo = torch.zeros(3, *(12 * side for side in size), dtype=torch.uint8)
    photo[0], photo[1] = 200, 40
    canvas = replace(made(photo), photo=photo)
    donor = made(torch.zeros(3, 60, 60, dtype=torch.uint8), stored=round(60 * level))
    found = cue("resolution").transplant(canvas, donor)
    assert found.float().mean((1, 2)).tolist() == [200, 40, 0]


def made(photo, stored=None):
    from tests.cues import property_canvases

    array = photo.permute(1, 2, 0).numpy()
    return property_canvases.canvas(array, stored=stored and (stored, stored))


def test_a_strip_that_would_fill_the_memory_is_a_problem_of_its_own(canvases):
    """1 x 4000 px of which the model sees 64 x 64: no matrix of 288,000 x 288,000 is made."""
    strip = canvases("wide", "shorter")
    assert strip.photo.shape[2] == 288_000
    with pytest.raises(CueProblem, match=r"cue corner_top_left failed: a/wide.png.* too narrow"):
        transplanted(cue("corner_top_left"), strip, strip)
    with pytest.raises(CueProblem, match="cue background failed.* too narrow"):
        transplanted(cue("background"), strip, canvases("usual", "shorter"))
    with pytest.raises(ValueError, match="8193 x 8192 elements"):
        resampling(8193, (0, 8193), 8192, (0, 8192))
    check_size(8192, 8192)
