"""Each target of the fuzzer takes a few inputs; what it once found stays found."""

from __future__ import annotations

import pytest
import torch

from tests import tiny
from tests.fuzz.targets import TARGETS, attempt
from xai_audit.config.compose import compose
from xai_audit.data._classes import read_class_to_idx
from xai_audit.data._labels import read_names
from xai_audit.data._table import header
from xai_audit.errors import ConfigError, DatasetError, MaskProblem, ModelError
from xai_audit.masks._segmenter import state_dict
from xai_audit.masks.boxes import BoxMasks
from xai_audit.types import ImageRecord

RECORD = ImageRecord(
    image_id="x/a.jpg", path="/x/a.jpg", class_name="x", label=0, height=40, width=48, mask=None
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_inputs_of_each_target(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "scratch"
    folder.mkdir()
    for seed in range(4 if name == "overrides" else 12):
        attempt(TARGETS[name], seed, folder)


def test_inputs_are_of_their_number_alone(tmp_path):
    """So that a failure can be made again."""
    made = []
    for _ in range(2):
        attempt(TARGETS["voc"], 7, tmp_path)
        made.append((tmp_path / "a.xml").read_bytes())
    assert made[0] == made[1]


def test_names_of_columns_that_are_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"pat\xffh,label\na.jpg,x\n")
    with pytest.raises(DatasetError, match="the table cannot be read.* can't decode"):
        header(tmp_path / "t.csv")


def test_a_coordinate_that_no_float_can_hold(tmp_path):
    huge = "9" * 400
    rows = f"x/a.jpg,1,2,9,{huge}\nx/b.jpg,1,2,9,9\n"
    (tmp_path / "b.csv").write_text(f"path,x_min,y_min,x_max,y_max\n{rows}")
    boxes = BoxMasks(file=str(tmp_path / "b.csv"))
    with pytest.raises(MaskProblem) as caught:
        boxes.load(RECORD)
    assert caught.value.status == "corrupt"


def test_a_key_longer_than_a_file_s_name():
    with pytest.raises(ConfigError, match=r"no such key: x+\.\.\. \| got 300 letters"):
        compose(["x" * 300 + "=1"])
    said = tiny.audit(["x" * 300 + "=1"])
    assert (said.returncode, len(said.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((read, text) for read in (read_names, read_class_to_idx)
          for text in ("[" * 100_000, r'["a", "\ud800"]')),
        (read_class_to_idx, r'{"\udfff": 0}'),
    ],
)  # fmt: skip
def test_brackets_without_end_and_halves_of_a_character(tmp_path, read, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DatasetError) as caught:
        read(str(tmp_path / "c.json"))
    str(caught.value).encode()


def test_an_error_is_cut_where_nobody_reads_on(tmp_path):
    (tmp_path / "c.csv").write_text("a,0\nb," + "[" * 100_000)
    with pytest.raises(DatasetError) as caught:
        read_class_to_idx(str(tmp_path / "c.csv"))
    assert len(str(caught.value)) < 5000


def test_weights_of_names_that_are_no_text(tmp_path):
    torch.save({1: torch.zeros(2)}, tmp_path / "s.pth")
    with pytest.raises(ModelError, match="the weights of the segmentation network"):
        state_dict(tmp_path / "s.pth")
