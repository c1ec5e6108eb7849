"""What is known to change does, by as much; what cannot change does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.augmentation.nets import CORNER, Corner, MeanColour, NotFinite, augmenter, batch
from xai_audit.augmentation.maps import compared, masses
from xai_audit.schema import AUGMENTATION, REGIONS

ALL = [("flip", 1.0), ("crop", 0.25), ("rotate", 20.0), ("colour", 0.4), ("blur", 2.0),
       ("noise", 16.0)]  # fmt: skip


def rows(module, augmentations, **options) -> pd.DataFrame:
    photos = options.pop("photos", None) or batch()
    table = augmenter(module, augmentations, **options).rows(photos)
    assert table.schema == AUGMENTATION
    return table.to_pandas()


@pytest.mark.parametrize("name", ["flip", "rotate"])
def test_what_does_not_know_where_changes_nothing_when_the_photo_is_turned(name):
    found = rows(MeanColour(), [(name, 90.0)])
    usable = found[found.status == "ok"]
    assert len(usable) == 12
    assert not usable.changed.astype(bool).any()
    assert (usable.map_status == "ok").all()
    assert (usable.seen == 1).all()
    np.testing.assert_allclose(usable.confidence_after, usable.confidence, atol=1e-5)
    np.testing.assert_allclose(usable.rank_correlation, 1, atol=1e-5)
    np.testing.assert_allclose(usable.overlap, 1, atol=1e-5)
    for region in REGIONS:
        np.testing.assert_allclose(usable[f"mass_{region}_after"], usable[f"mass_{region}"], 1e-5)


def test_the_corner_s_model_follows_the_other_corner_when_flipped():
    photos = batch()
    found = rows(Corner(), [("flip", 1.0)])
    usable = found[found.status == "ok"]
    for row, photo in zip(usable.itertuples(), photos.photos.numpy(), strict=True):
        left = photo[:, :CORNER, :CORNER].mean()
        right = photo[:, :CORNER, -CORNER:].mean()
        assert row.pred == (left > 127.5)
        assert row.pred_after == (right > 127.5)
        assert row.changed == ((left > 127.5) != (right > 127.5))
    assert 0 < usable.changed.mean() < 1
    # It looks at one corner of the photo, then at the other: the maps have nothing in common.
    np.testing.assert_allclose(usable.mass_corner_top_left, 1, atol=1e-6)
    np.testing.assert_allclose(usable.mass_corner_top_left_after, 0, atol=1e-6)
    np.testing.assert_allclose(usable.mass_corner_top_right_after, 1, atol=1e-6)
    np.testing.assert_allclose(usable.overlap, 0, atol=1e-6)
    # The floor is that of the photo's own map.
    assert usable.overlap_floor.min() > 0.9


def test_the_floor_is_what_an_equivariant_map_reaches():
    found = rows(MeanColour(), ALL).set_index("image_id")
    usable = found[found.status == "ok"]
    for name in ("crop", "rotate"):
        of_one = usable[usable.augmentation == name]
        # Blocks with hard edges lose a little of their places; the maps no more than the floor's.
        assert of_one.overlap_floor.between(0.85, 0.999).all()
        assert (of_one.overlap > of_one.overlap_floor - 0.02).all()
    still = usable[usable.augmentation == "flip"]
    assert (still.overlap_floor < 0.9999).all()  # noise of a grey level
    assert (still.overlap_floor > 0.97).all()


def test_what_left_the_view_is_not_compared():
    found = rows(MeanColour(), [("crop", 0.2)])
    usable = found[found.status == "ok"]
    np.testing.assert_allclose(usable.seen, (26 / 32) ** 2)
    # 3 px are cut off: of the border of 4 px, and of a corner of 8 px, less than half is left.
    for region in ("border", "corner_top_left", "corner_bottom_right"):
        assert usable[[f"mass_{region}", f"mass_{region}_after"]].isna().all(axis=None)
    both = usable.mass_object + usable.mass_background
    np.testing.assert_allclose(both, 1, atol=1e-5)
    np.testing.assert_allclose(usable.mass_object_after, usable.mass_object, atol=0.05)


def test_without_masks_or_a_method_the_rest_is_there():
    found = rows(MeanColour(), ALL, photos=batch(masks=False))
    usable = found[found.status == "ok"]
    assert usable.mass_object.isna().all()
    assert usable.mass_border[usable.augmentation == "flip"].notna().all()
    none = rows(MeanColour(), ALL, by=None)
    usable = none[none.status == "ok"]
    assert {*usable.map_status} == {"method=many_forwards"}
    assert usable.overlap.isna().all()
    assert usable.pred_after.notna().all()


def test_rows_do_not_depend_on_the_batch():
    one, other = (rows(Corner(), ALL, batch_size=size) for size in (16, 5))
    pd.testing.assert_frame_equal(one, other, rtol=1e-5, atol=1e-6)
    assert [*one.augmentation[:6]] == [name for name, _ in ALL]
    assert one.image_id.nunique() == 13


def test_what_has_no_answer_says_why():
    found = rows(NotFinite(), [("flip", 1.0)])
    assert (found.status[:12] == "not_finite").all()  # the photo or its mirror image
    assert found.changed[:12].isna().all()
    last = found.iloc[-1]
    assert (last.image_id, last.status, last.map_status) == ("blocks/lost.png", *["unreadable"] * 2)


def test_of_nothing_that_both_show_nothing_is_said():
    maps = torch.rand(2, 8, 8)
    for found in compared(maps, maps, torch.zeros(8, 8, dtype=torch.bool), (2, 2)):
        assert np.isnan(found).all()


def test_maps_are_compared_as_by_hand():
    before = torch.tensor([[[4.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]], [[0.0] * 2] * 2])
    after = torch.tensor([[[0.0, 4.0], [0.0, 0.0]], [[4.0, 3.0], [2.0, 1.0]], [[1.0] * 2] * 2])
    seen = torch.ones(2, 2, dtype=torch.bool)
    correlation, overlap = compared(before, after, seen, (2, 2))
    np.testing.assert_allclose(correlation, [-1 / 3, -1, np.nan])
    np.testing.assert_allclose(overlap, [0, 6 / 14, np.nan])
    seen[1, 1] = False  # 1, 2, 3 of 6 and 4, 3, 2 of 9
    correlation, overlap = compared(before, after, seen, (2, 2))
    np.testing.assert_allclose(correlation[1], -1)
    np.testing.assert_allclose(overlap[1], (3 + 6 + 4) / (8 + 6 + 9))
    regions = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]]).repeat(
        3, 1, 1, 1
    )
    np.testing.assert_allclose(
        masses(before, seen, regions).numpy(), [[1, np.nan], [1 / 6, np.nan], [np.nan] * 2]
    )
