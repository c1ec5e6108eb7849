"""Folder, dataset and absent masks: where they are looked for, what changes the fingerprint."""

from __future__ import annotations

import dataclasses
import inspect
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from PIL import Image

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks.dataset import DatasetMasks
from xai_audit.masks.folder import FolderMasks
from xai_audit.masks.none import NoMasks

CONF = Path(__file__).resolve().parents[2] / "conf" / "masks"
FOLDER = {"object": [255], "background": [0], "soft": False}
DATASET = {**FOLDER, "blue_background": False, "required": True}


def problem(source, image):
    with pytest.raises(MaskProblem) as caught:
        source.load(image)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_yaml_gives_each_keyword_and_the_code_no_default(path):
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF.parent)):
        node = compose(f"masks/{path.stem}").masks  # some only change a key of another
    keys = set(node) - {"_target_"}
    parameters = inspect.signature(get_class(node._target_)).parameters
    assert keys == set(parameters)
    for key in keys:
        assert parameters[key].default is inspect.Parameter.empty
        assert parameters[key].kind is inspect.Parameter.KEYWORD_ONLY


def test_yaml_builds_and_survives_pickle(tmp_path, store, photo, labels):
    store(tmp_path / "rose" / "a.png", labels)
    node = OmegaConf.load(CONF / "folder.yaml")
    node.root = str(tmp_path)
    source = pickle.loads(pickle.dumps(instantiate(node, _convert_="all")))
    np.testing.assert_array_equal(source.load(photo())[0], np.where(labels == 255, 255, 0))
    # A node passed without conversion works too.
    assert instantiate(node).fingerprint() == source.fingerprint()


def test_no_masks(photo):
    assert NoMasks().load(photo()) is None
    assert NoMasks().fingerprint() == "none"


def test_the_whole_id_goes_before_class_and_stem(tmp_path, store, photo, labels):
    source = FolderMasks(root=str(tmp_path), **FOLDER)
    nested = photo("rose/x/a.v2.jpg")
    store(tmp_path / "rose" / "a.v2.png", np.full_like(labels, 255))
    assert source.load(nested)[0].all()
    store(tmp_path / "rose" / "x" / "a.v2.png", labels)
    np.testing.assert_array_equal(source.load(nested)[0], np.where(labels == 255, 255, 0))
    assert source.load(photo("rose/y/a.v2.jpg"))[0].all()


def test_missing_says_where_it_looked(tmp_path, photo):
    source = FolderMasks(root=str(tmp_path), **FOLDER)
    found, message = problem(source, photo("rose/x/a.jpg"))
    assert found == "missing"
    assert message == f"in {tmp_path} there is no rose/x/a.png or rose/a.png"


def test_ids_that_leave_the_folder_find_nothing(tmp_path, store, photo, labels):
    store(tmp_path / "b.png", labels)
    (tmp_path / "masks").mkdir()
    source = FolderMasks(root=str(tmp_path / "masks"), **FOLDER)
    for image_id in ("../b.png", f"{tmp_path}/b.png"):
        image = dataclasses.replace(photo(image_id), class_name="..")
        assert problem(source, image)[0] == "missing"


def test_a_photo_is_not_its_own_mask(tmp_path, store, photo, labels):
    path = store(tmp_path / "rose" / "a.png", labels)
    image = dataclasses.replace(photo("rose/a.png"), path=str(path))
    assert problem(FolderMasks(root=str(tmp_path), **FOLDER), image)[0] == "missing"


def test_a_folder_that_may_not_be_entered_is_corrupt(tmp_path, photo, monkeypatch):
    source = FolderMasks(root=str(tmp_path), **FOLDER)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    found, message = problem(source, photo())
    assert found == "corrupt"
    assert "Permission denied" in message


def test_a_nul_in_an_id_is_one_images_problem(tmp_path, photo):
    source = FolderMasks(root=str(tmp_path), **FOLDER)
    assert problem(source, photo("rose/a\0b.jpg"))[0] == "corrupt"


def test_soft_folder(tmp_path, store, photo):
    values = np.arange(24, dtype=np.uint8).reshape(4, 6) * 11
    store(tmp_path / "rose" / "a.png", values)
    covered = FolderMasks(root=str(tmp_path), **{**FOLDER, "soft": True}).load(photo())
    np.testing.assert_array_equal(covered, [values, 255 - values])


@pytest.mark.parametrize("kind", ["nothing", "file"])
def test_missing_root_is_a_config_error(tmp_path, kind):
    root = tmp_path / "masks"
    if kind == "file":
        root.touch()
    with pytest.raises(ConfigError, match=r"no such mask folder: masks\.root=.*remedy: set") as e:
        FolderMasks(root=str(root), **FOLDER)
    assert ("got a file" in str(e.value)) == (kind == "file")


def test_folder_fingerprint_changes_with_files_and_keys(tmp_path, store, labels):
    path = store(tmp_path / "rose" / "a.png", labels)

    def stamp(**keys):
        return FolderMasks(root=str(tmp_path), **{**FOLDER, **keys}).fingerprint()

    stamps = [stamp(), stamp(object=[1]), stamp(background=None), stamp(soft=True)]
    assert stamp() == stamps[0]
    (tmp_path / "notes.txt").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone")
    assert stamp() == stamps[0]
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    stamps.append(stamp())
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    stamps.append(stamp())
    path.rename(tmp_path / "rose" / "b.png")
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)


def test_folder_fingerprint_sees_through_linked_folders(tmp_path, store, labels):
    store(tmp_path / "else" / "a.png", labels)
    root = tmp_path / "masks"
    root.mkdir()
    source = FolderMasks(root=str(root), **FOLDER)
    before = source.fingerprint()
    (root / "rose").symlink_to(tmp_path / "else")
    assert source.fingerprint() != before


def test_dataset_masks(tmp_path, store, photo, labels):
    source = DatasetMasks(**DATASET)
    covered = source.load(photo(mask=store(tmp_path / "m.png", labels)))
    np.testing.assert_array_equal(covered[0], np.where(labels == 255, 255, 0))
    np.testing.assert_array_equal(covered[1], np.where(labels == 0, 255, 0))
    found, message = problem(source, photo())
    assert found == "missing"
    assert message == "the dataset names no mask for rose/a.jpg"
    assert problem(source, photo(mask=tmp_path / "gone.png"))[0] == "missing"


def test_dataset_fingerprint_is_its_keys():
    def stamp(**keys):
        return DatasetMasks(**{**DATASET, **keys}).fingerprint()

    assert stamp() == stamp()
    keys = [{}, {"object": [1]}, {"background": None}, {"soft": True}, {"blue_background": True}]
    assert len({stamp(**some) for some in keys}) == len(keys)


def test_blue_background_survives_jpeg(tmp_path, photo):
    rng = np.random.default_rng(0)
    values = np.zeros((96, 96, 3), dtype=np.uint8)
    values[..., 2] = 254
    flower = np.zeros((96, 96), dtype=bool)
    flower[24:72, 16:64] = True
    # Violet, the petal colour nearest to the background, with texture.
    values[flower] = rng.integers(-20, 20, (flower.sum(), 3)) + (120, 70, 190)
    path = tmp_path / "segmim.jpg"
    Image.fromarray(values).save(path, quality=75)
    covered = DatasetMasks(**{**DATASET, "blue_background": True}).load(
        photo("r/a.jpg", 96, 96, path)
    )
    np.testing.assert_array_equal(covered[1], 255 - covered[0])
    wrong = (covered[0] == 255) != flower
    # JPEG mixes colours next to the outline and nowhere else.
    edge = np.zeros_like(flower)
    edge[22:74, 14:66] = True
    edge[26:70, 18:62] = False
    assert not wrong[~edge].any()
    assert wrong.mean() < 0.02


def test_blue_background_problems(tmp_path, store, photo, labels):
    source = DatasetMasks(**{**DATASET, "blue_background": True})
    found, message = problem(source, photo(mask=store(tmp_path / "grey.png", labels)))
    assert found == "corrupt"
    assert "mode L: masks.blue_background expects an RGB image" in message
    blue = np.tile(np.array([0, 0, 254], dtype=np.uint8), (4, 6, 1))
    found, message = problem(source, photo(mask=store(tmp_path / "blue.png", blue)))
    assert found == "empty"
    with pytest.raises(ConfigError, match="soft or on a blue background"):
        DatasetMasks(**{**DATASET, "soft": True, "blue_background": True})


@pytest.mark.shared
def test_flowers17_void_is_what_its_index_says(shared, photo):
    root = shared / "data" / "flowers17"
    index = pd.read_csv(root / "index.csv")
    index = index[index["has_mask"] == 1].iloc[::20]
    source = FolderMasks(root=str(root / "masks"), **FOLDER)
    assert len(index) > 20
    for row in index.itertuples():
        covered = source.load(photo(row.file, row.h, row.w))
        # The index was counted on the original size, before photo and mask were made smaller.
        void = (covered.sum(axis=0) == 0).mean()
        assert void == pytest.approx(row.void_frac, abs=4e-3)
        assert (covered[0] == 255).mean() == pytest.approx(row.flower_frac, abs=4e-3)
