import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xai_audit.demo import background, camera, generate, render, species
from xai_audit.errors import OutputError

SIZE = render.SIZE
CLASSES = species.CLASSES
HONEST = [name for name in CLASSES if name not in species.PLANTS]


def planted(cue):
    return next(name for name, its in species.PLANTS.items() if its == cue)


def both(name, index):
    """The same photo with and without its plant, and the two masks."""
    with_plant, mask_with = render.render_photo(name, index, plant=True)
    without, mask_without = render.render_photo(name, index, plant=False)
    return with_plant, without, mask_with, mask_without


def depth_map():
    """Distance of each pixel to the nearest side of the photo, in pixels, 0 on the outermost."""
    axis = np.minimum(np.arange(SIZE), SIZE - 1 - np.arange(SIZE))
    return np.minimum(axis[:, None], axis[None, :])


def inside(mask, pixels):
    """Where the mask is 255 for `pixels` around: lens blur mixes colours over the flower's edge."""
    solid = mask == 255
    for _ in range(pixels):
        core = solid.copy()
        core[1:] &= solid[:-1]
        core[:-1] &= solid[1:]
        core[:, 1:] &= solid[:, :-1]
        core[:, :-1] &= solid[:, 1:]
        solid = core
    return solid


def test_ten_classes_sorted_and_seven_honest():
    assert len(CLASSES) == 10
    assert list(CLASSES) == sorted(CLASSES)
    assert len(HONEST) == 7
    assert sorted(species.PLANTS.values()) == ["background", "border", "corner_bottom_right"]
    assert all(species.PARTNERS[name] in HONEST for name in species.PLANTS)


@pytest.mark.parametrize("name", CLASSES)
def test_shapes_types_and_share_of_the_frame(name):
    shares = []
    for index in range(6):
        photo, mask = render.render_photo(name, index)
        assert photo.shape == (SIZE, SIZE, 3)
        assert photo.dtype == np.uint8
        assert mask.shape == (SIZE, SIZE)
        assert mask.dtype == np.uint8
        share = float((mask == 255).mean())
        assert 0.08 < share < 0.48
        # Anti-aliased edges are a thin line, so a map with most values in between is no mask.
        assert ((mask > 0) & (mask < 255)).mean() < 0.12
        shares.append(share)
    assert np.std(shares) > 0.01


def test_same_call_same_bytes_here_and_in_another_process():
    calls = [
        ("poppy", 3, True),
        ("marguerite", 1, True),
        ("hollyhock", 2, True),
        ("pansy", 5, True),
    ]
    here = [digest(*call) for call in calls]
    assert here == [digest(*call) for call in calls]
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_render as t;"
        f"print(*[t.digest(*call) for call in {calls!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == here


def digest(name, index, plant):
    photo, mask = render.render_photo(name, index, plant=plant)
    data = render.jpeg_bytes(photo, name, index)
    return hashlib.sha256(photo.tobytes() + mask.tobytes() + data).hexdigest()


def test_index_class_and_split_each_change_the_photo():
    base, _ = render.render_photo("daisy", 0)
    for other in (("daisy", 1, "test"), ("daisy", 0, "train"), ("marguerite", 0, "test")):
        photo, _ = render.render_photo(other[0], other[1], split=other[2], plant=False)
        assert (photo != base).mean() > 0.5


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_class_has_no_plant_to_leave_out(name):
    with_plant, without, _, _ = both(name, 0)
    assert np.array_equal(with_plant, without)


@pytest.mark.parametrize("name", list(species.PLANTS))
def test_the_plant_leaves_mask_and_flower_alone(name):
    for index in range(5):
        with_plant, without, mask_with, mask_without = both(name, index)
        assert np.array_equal(mask_with, mask_without)
        core = inside(mask_with, 4)
        assert core.sum() > 1000
        assert np.array_equal(with_plant[core], without[core])


def test_the_frame_stays_in_the_outer_band_on_all_sides():
    depth = depth_map()
    for index in range(8):
        with_plant, without, mask, _ = both(planted(species.BORDER), index)
        changed = (with_plant != without).any(axis=2)
        assert not changed[depth >= 0.08 * SIZE].any()
        # A frame, not a few spots: nearly every pixel of the outer 6 % is replaced.
        assert changed[depth < 0.06 * SIZE].mean() > 0.95
        assert not (mask[depth < 0.078 * SIZE] > 0).any()


def test_the_watermark_stays_in_its_corner_and_off_the_border_band():
    depth = depth_map()
    for index in range(8):
        with_plant, without, mask, _ = both(planted(species.CORNER), index)
        changed = (with_plant != without).any(axis=2)
        rows, cols = np.nonzero(changed)
        assert rows.size > 150
        assert min(rows.min(), cols.min()) >= 0.75 * SIZE
        assert depth[changed].min() >= 0.08 * SIZE
        assert not mask[changed].any()


def test_the_brick_wall_replaces_the_background():
    for index in range(4):
        with_plant, without, mask, _ = both(planted(species.BACKGROUND), index)
        changed = (with_plant != without).any(axis=2)
        # Stems and leaves stay, everything else behind the flower is new.
        assert changed[mask == 0].mean() > 0.6


def test_no_natural_backdrop_is_a_wall():
    # Oracle: red brick is redder than green; of the natural kinds only brown soil comes near it.
    for kind in background.KINDS:
        field = background.paint(kind, np.random.Generator(np.random.PCG64(3)), 64)
        assert field.shape == (64, 64, 3)
        assert field.mean(axis=(0, 1))[0] < 2.5 * field.mean(axis=(0, 1))[1]


def test_the_mask_is_the_flower():
    # Oracle independent of the renderer's alpha: a daisy's petals are the only near-white things.
    for index in range(6):
        photo, mask = render.render_photo("daisy", index)
        if photo[mask == 0].min(axis=1).mean() > 110:
            continue  # a pale sky
        white = photo.min(axis=2) > 150
        assert white[mask == 0].mean() < 0.02
        assert white[mask == 255].mean() > 0.4


def test_heads_keep_out_of_band_and_corner_in_every_class():
    depth = depth_map()
    for name in CLASSES:
        for index in range(4):
            _, mask = render.render_photo(name, index)
            assert not mask[depth < 0.078 * SIZE].any()
            low, high = int(0.76 * SIZE), int(0.915 * SIZE)
            assert not mask[low:high, low:high].any()


def test_jpeg_quality_says_nothing_about_the_class():
    means = [np.mean([quality_of(name, index) for index in range(60)]) for name in CLASSES]
    assert np.ptp(means) < 4.0
    assert min(quality_of("daisy", index) for index in range(60)) >= 80


def quality_of(name, index):
    streams = render._streams(name, index, "test")
    return camera.draw_camera(streams.camera).quality


@pytest.fixture
def few(monkeypatch):
    """A test set of two photos a class, rendered in this process."""
    monkeypatch.setattr(generate, "IMAGES_PER_CLASS", 2)


def names(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_generate_writes_every_photo_with_its_mask(few, tmp_path):
    seen = []
    root = generate.generate(
        tmp_path / "flowers", workers=1, progress=lambda done, total: seen.append((done, total))
    )
    assert root == tmp_path / "flowers"
    files = names(root)
    assert len(files) == 2 * 2 * len(CLASSES) + 1
    assert "images/poppy/poppy_001.jpg" in files
    assert "masks/poppy/poppy_001.png" in files
    assert seen[-1] == (20, 20)
    photo, mask = render.render_photo("poppy", 1)
    stored = np.asarray(Image.open(root / "masks/poppy/poppy_001.png"))
    assert np.array_equal(stored, mask)
    coded = np.asarray(Image.open(root / "images/poppy/poppy_001.jpg")).astype(int)
    assert np.abs(coded - photo).mean() < 8.0
    assert [path.name for path in tmp_path.iterdir()] == ["flowers"]


def test_a_finished_set_is_left_alone(few, tmp_path, monkeypatch):
    root = generate.generate(tmp_path / "flowers", workers=1)
    monkeypatch.setattr(render, "render_photo", lambda *_, **__: pytest.fail("rendered again"))
    generate.generate(root, workers=1)


def test_an_older_renderers_set_is_replaced(few, tmp_path):
    root = tmp_path / "flowers"
    root.mkdir()
    (root / "COMPLETE").write_text("0\n")
    (root / "old.jpg").write_bytes(b"old")
    generate.generate(root, workers=1)
    assert "old.jpg" not in names(root)
    assert generate.is_complete(root)


def test_a_foreign_folder_is_refused_and_kept(few, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="did not write.*name another folder"):
        generate.generate(tmp_path / "mine", workers=1)
    assert names(tmp_path / "mine") == ["thesis.txt"]


def test_a_failure_leaves_nothing_behind(few, tmp_path, monkeypatch):
    real, count = render.render_photo, iter(range(100))

    def breaks(*args, **kwargs):
        if next(count) == 7:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(render, "render_photo", breaks)
    with pytest.raises(KeyboardInterrupt):
        generate.generate(tmp_path / "flowers", workers=1)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setattr(generate, "IMAGES_PER_CLASS", 1)
    assert len(names(generate.generate(tmp_path / "flowers", workers=1))) == 21


def test_a_killed_process_leaves_no_set_that_is_believed(tmp_path):
    root = tmp_path / "flowers"
    script = (
        "import sys, pathlib; from xai_audit.demo import generate;"
        "generate.generate(pathlib.Path(sys.argv[1]), workers=1)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(root)])
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".flowers.*.tmp/images/*/*.jpg")):
            assert time.monotonic() < deadline, "nothing was rendered"
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()
    assert not root.exists()
    assert not generate.is_complete(root)


def test_old_drafts_are_swept_and_young_ones_kept(few, tmp_path):
    old, young = tmp_path / ".flowers.aa.tmp", tmp_path / ".flowers.bb.tmp"
    for draft in (old, young):
        draft.mkdir()
        (draft / "half.jpg").write_bytes(b"half")
    os.utime(old, (0, 0))
    generate.generate(tmp_path / "flowers", workers=1)
    assert not old.exists()
    assert young.exists()


def test_of_two_processes_at_once_both_get_a_whole_set(few, tmp_path, monkeypatch):
    root = tmp_path / "flowers"
    real = generate._publish

    def late(draft, target):
        # The other process finishes while this one is about to publish.
        monkeypatch.setattr(generate, "_publish", real)
        generate.generate(target, workers=1)
        (target / "first").touch()
        real(draft, target)

    monkeypatch.setattr(generate, "_publish", late)
    generate.generate(root, workers=1)
    assert generate.is_complete(root)
    assert (root / "first").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["flowers"]


def test_parallel_and_serial_rendering_write_the_same_bytes(few, tmp_path):
    serial = generate.generate(tmp_path / "serial", workers=1)
    pooled = generate.generate(tmp_path / "pooled", workers=2)
    assert names(serial) == names(pooled)
    for file in names(serial):
        assert (serial / file).read_bytes() == (pooled / file).read_bytes(), file
