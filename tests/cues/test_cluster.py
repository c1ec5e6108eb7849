from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from tests.cues.canvases import auroc, canvas, painted, shape, texture
from xai_audit.cues._discovered import Cluster

# Of a view of 56 x 56; a canvas of 64 x 90 is cropped at 4 rows and 17 columns.
CELLS = [[0] * 7 for _ in range(7)]
CELLS[1][5] = CELLS[1][6] = CELLS[2][5] = CELLS[2][6] = 1
CLUSTER = Cluster(name="cluster_1", cells=CELLS)


def test_region_lies_where_the_view_is_cropped_and_is_smooth():
    region = CLUSTER.region(canvas(np.zeros((3, 64, 90))))
    rows, columns = region.amax(1), region.amax(0)
    # Cells are 8 px; a bilinear edge reaches half a cell to either side.
    assert rows.nonzero().flatten().tolist() == list(range(4 + 4, 4 + 28))
    assert columns.nonzero().flatten().tolist() == list(range(17 + 36, 17 + 56))
    assert float(region[4 + 16, 17 + 50]) == 1
    # Full to half a cell before the inner edges and up to the view's own.
    assert region.sum() == pytest.approx(16 * 16, rel=0.02)


def test_a_view_larger_than_the_photo_is_cut_at_the_photo():
    one = canvas(np.zeros((3, 40, 40)), resize=None, crop=(56, 56))
    region = CLUSTER.region(one)
    # The view starts 8 px before the photo.
    assert float(region[16 - 8, 50 - 8 - 3]) == 1
    assert region.shape == (40, 40)


def test_the_donor_gives_the_same_place_of_its_own_view():
    one = canvas(np.zeros((3, 64, 90)))
    y, x = np.mgrid[:100, :64]
    other = canvas(np.stack([y, x, y * 0]))
    got = CLUSTER.transplant(one, other)
    # Row 16 of the view is 20 of one canvas and 38 of the other; column 50: 67 and 54.
    assert got[:, 20, 67].tolist() == [38, 54, 0]
    outside = CLUSTER.region(one) == 0
    assert torch.equal(got[:, outside], one.photo[:, outside])


def test_where_the_donors_photo_does_not_reach_nothing_changes():
    one = canvas(np.full((3, 64, 64), 9), resize=None, crop=(56, 56))
    other = canvas(np.full((3, 40, 40), 200), resize=None, crop=(56, 56))
    got = CLUSTER.transplant(one, other)
    # The donor's photo ends 8 px before the view does.
    assert (got[:, :, 60:] == 9).all()
    assert int(got.max()) == 200


def test_own_content_changes_nothing():
    one = canvas(texture(np.random.default_rng(0), (64, 90)))
    assert torch.equal(CLUSTER.transplant(one, one), one.photo)


def test_the_donors_object_is_not_carried_over():
    inside = shape((64, 64), "disc", radius=0.3, centre=(0.4, 0.7))
    photo, mask = painted(np.random.default_rng(1), (64, 64), inside, colour=(255, 0, 255))
    got = CLUSTER.transplant(canvas(np.zeros((3, 64, 64))), canvas(photo, mask))
    raw = CLUSTER.transplant(canvas(np.zeros((3, 64, 64))), canvas(photo))
    assert ((raw[0] > 200) & (raw[1] < 60)).sum() > 100
    assert ((got[0] > 200) & (got[1] < 60)).sum() < 5


def test_the_photo_s_own_object_stays():
    inside = shape((64, 64), "disc", radius=0.3, centre=(0.4, 0.7))
    photo, mask = painted(np.random.default_rng(1), (64, 64), inside, colour=(255, 0, 255))
    own = canvas(photo, mask)
    got = CLUSTER.transplant(own, canvas(np.zeros((3, 64, 64))))
    kept = own.object > 127
    assert (got[:, kept] == own.photo[:, kept]).all()
    assert (got != own.photo).any()
    assert (CLUSTER.region(own)[kept] == 0).all()


def test_descriptors_tell_a_mark_at_the_place():
    features, labels = [], []
    for number in range(80):
        photo = texture(np.random.default_rng(number), (64, 90))
        if number % 2:
            photo[:, 16:22, 55:70] = 240
        features.append(CLUSTER.descriptors(canvas(photo)))
        labels.append(number % 2)
    assert auroc(np.array(features), labels) > 0.95


def test_contract():
    one = pickle.loads(pickle.dumps(CLUSTER))
    assert (one.name, one.way) == ("cluster_1", "both")
    assert np.isnan(one.level(canvas(np.zeros((3, 9, 9)))))
