"""Groups of methods: what shares a pass, in which order, what a photo counts as in each."""

from __future__ import annotations

import yaml

from tests import tiny
from xai_audit.attribute.groups import SharedProgress, grouped, shares
from xai_audit.work.stage import Part

METHODS = tiny.REPO / "conf" / "method"


def nodes(*names, **keys):
    found = [yaml.safe_load((METHODS / f"{name}.yaml").read_text()) for name in names]
    return [node | keys.get(node["name"], {}) for node in found]


def names(*given, targets=2, **keys):
    return [group.names for group in grouped(nodes(*given, **keys), targets=targets)]


def test_cheap_ones_are_one_group_and_the_others_follow_by_cost():
    given = ("rise", "saliency", "lime", "gradcam", "feature_ablation", "guided_gradcam")
    cheap = ["saliency", "gradcam", "guided_gradcam"]
    assert names(*given) == [cheap, ["feature_ablation"], ["lime"], ["rise"]]
    few = {"rise": {"samples": 9}, "lime": {"samples": 5000}}
    assert names("rise", "lime", "gradcam", **few) == [["rise", "gradcam"], ["lime"]]
    assert names("lime") == [["lime"]]
    assert names("gradcam", "eigencam") == [["gradcam", "eigencam"]]


def test_what_takes_a_forward_a_target_depends_on_their_number():
    assert names("lrp", "gradcam", targets=3) == [["lrp", "gradcam"]]
    assert names("lrp", "gradcam", targets=30) == [["gradcam"], ["lrp"]]


def test_what_is_unknown_comes_last():
    mine = {"gradcam": {"_target_": "mine.Cam"}}
    assert names("gradcam", "rise", "saliency", **mine) == [["saliency"], ["rise"], ["gradcam"]]
    assert names("scorecam", "lime") == [["lime"], ["scorecam"]]


def test_photos_count_by_forwards_and_their_sum_is_all():
    """Closed form: gradcam and saliency 1 + 1, feature_ablation 51, lime 1001."""
    groups = grouped(nodes("gradcam", "saliency", "feature_ablation", "lime"), targets=2)
    assert shares(groups, 1054 * 3) == [6, 153, 3003]
    for photos in range(1, 300):
        found = shares(groups, photos)
        assert sum(found) == photos
        assert min(found) >= 0
    unknown = grouped(nodes("feature_ablation", "scorecam"), targets=2)
    assert shares(unknown, 100) == [50, 50]
    assert shares(grouped(nodes("scorecam"), targets=2), 7) == [7]


class Shown:
    """What was reported."""

    def __init__(self) -> None:
        self.images, self.copies = [], 0

    def __call__(self, images):
        self.images.append(images)

    def forwards(self, count):
        self.copies += count


def test_a_part_reports_its_share_bit_by_bit():
    shown = Shown()
    progress = SharedProgress(shown)
    for size, expected in ((7, [2, 2, 3]), (0, [0, 0, 0]), (10, [3, 3, 4])):
        shown.images.clear()
        progress.begin(Part(0, "m", {"start": 20, "stop": 30}, size))
        for images in (3, 3, 4):
            progress(images)
        assert shown.images == expected
    progress.forwards(5)
    assert shown.copies == 5
