from __future__ import annotations

import io
import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from xai_audit.evidence.near import clusters, near_groups, perceptual_hash


def photo(seed, height=120, width=160):
    """A smooth random picture (3, height, width)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return as_tensor(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def as_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def distance(one, other):
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


def test_hash_is_the_signs_of_low_frequencies_against_their_median():
    image = photo(0, 32, 32)
    grey = image.double().mean(0).numpy()
    place = (2 * np.arange(32) + 1) * np.pi / 64
    low = np.array(
        [
            [(grey * np.outer(np.cos(i * place), np.cos(j * place))).sum() for j in range(1, 9)]
            for i in range(1, 9)
        ]
    )
    bits = (low > np.median(low)).ravel()
    assert perceptual_hash(image) == int("".join("1" if bit else "0" for bit in bits), 2)


def test_near_duplicates_are_near_and_others_far():
    image = photo(1)
    kept = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(kept, "JPEG", quality=40)
    assert distance(image, as_tensor(Image.open(kept))) <= 6
    smaller = torch.nn.functional.interpolate(image[None].float(), size=(60, 80), mode="area")
    assert distance(image, smaller[0].to(torch.uint8)) <= 6
    brighter = (image.float() * 0.8 + 30).to(torch.uint8)
    assert distance(image, brighter) <= 6
    assert min(distance(photo(i), photo(j)) for i in range(8) for j in range(i)) > 12


def test_flat_and_gradient_photos_are_strangers_unless_alike():
    flat = [torch.full((3, 20, 30), level, dtype=torch.uint8) for level in (0, 60, 120, 255)]
    ramp = torch.arange(96, dtype=torch.uint8).expand(3, 64, 96).contiguous()
    hashes = [perceptual_hash(p) for p in (*flat, ramp, 255 - ramp, flat[1].clone())]
    groups = near_groups(hashes)
    assert len(set(groups)) == 6
    assert groups[1] == groups[6]
    perceptual_hash(torch.zeros((3, 1, 7), dtype=torch.uint8))


def naive_groups(hashes, distance):
    """Group labels by flooding every pair."""
    labels = list(range(len(hashes)))
    for i, one in enumerate(hashes):
        for j, other in enumerate(hashes):
            if (one ^ other).bit_count() <= distance:
                labels = [labels[i] if label == labels[j] else label for label in labels]
    return labels


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_groups_are_the_connected_components(seed):
    rng = np.random.default_rng(seed)
    hashes = [int(h) for h in rng.integers(0, 1 << 63, 10, dtype=np.uint64)]
    for _ in range(40):  # chains: each a few bits from one before, some beyond the distance
        flips = rng.choice(64, size=rng.integers(0, 12), replace=False)
        hashes.append(hashes[rng.integers(len(hashes))] ^ sum(1 << int(bit) for bit in flips))
    found, expected = near_groups(hashes), naive_groups(hashes, 6)
    assert found.dtype == np.int64
    pairs = {(a, b) for a, b in zip(found, expected, strict=True)}
    assert len(pairs) == len(set(found)) == len(set(expected))
    assert 10 < len(set(found)) < 50


def test_many_hashes_need_no_square_of_distances():
    hashes = [int(h) for h in np.random.default_rng(0).integers(0, 1 << 63, 8000, dtype=np.uint64)]
    tracemalloc.start()
    assert len(set(near_groups(hashes))) > 7900
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8000**2  # a byte a pair


def test_groups_at_the_distance_itself():
    assert len(set(near_groups([0, 0b111111]))) == 1
    assert len(set(near_groups([0, 0b1111111]))) == 2
    assert len(set(near_groups([0, (1 << 64) - 1]))) == 2
    assert len(set(near_groups([0, 0b11], distance=1))) == 2
    assert near_groups([]).shape == (0,)


def naive_clusters(near, names):
    """Merged until nothing changes."""
    number = list(range(len(near)))
    changed = True
    while changed:
        changed = False
        for i, j in itertools.product(range(len(near)), repeat=2):
            same = near[i] == near[j] or (names[i] is not None and names[i] == names[j])
            if same and number[i] > number[j]:
                number[i], changed = number[j], True
    return number


def test_clusters_join_groups_and_near_duplicates_through_one_another():
    rng = np.random.default_rng(0)
    for _ in range(20):
        near = rng.integers(0, 25, 40)
        drawn = rng.integers(0, 30, 40).tolist()
        names = [None if one > 12 else f"site {one}" for one in drawn]
        found, expected = clusters(near, names), naive_clusters(near, names)
        assert len({*zip(found.tolist(), expected, strict=True)}) == len({*expected})
        assert len({*found.tolist()}) == len({*expected})
    chain = clusters(np.array([0, 1, 1, 2, 3]), ["a", "a", "b", "b", None])
    assert chain.tolist() == [0, 0, 0, 0, 1]
    alone = np.array([2, 0, 1])
    assert clusters(alone, [None] * 3) is alone
    assert clusters(np.empty(0, dtype=np.int64), []).shape == (0,)
