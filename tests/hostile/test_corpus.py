"""What is read of hostile tables, annotations, tars and checkpoints."""

from __future__ import annotations

import json
import re
import warnings

import pytest
import torch

from tests.data.shards import cache
from tests.hostile import checkpoints, masks, names, photos, tables, tars
from xai_audit.data.csv import CsvTable
from xai_audit.data.webdataset import WebDataset
from xai_audit.errors import AuditError, MaskProblem
from xai_audit.index.rows import probe_all
from xai_audit.masks.coco import CocoMasks
from xai_audit.masks.voc import VocMasks
from xai_audit.models._checkpoint import load_into
from xai_audit.models._state_dict import read_state_dict
from xai_audit.types import ImageRecord

__all__ = ["cache"]

ALL = [
    *photos.CASES, *names.CASES, *masks.CASES, *tables.TABLES, *tables.COCO, *tables.VOC,
    *tars.CASES, *checkpoints.CASES,
]  # fmt: skip
RECORD = ImageRecord(
    image_id="x/a.jpg", path="/photos/x/a.jpg", class_name="x", label=0, height=tables.HEIGHT,
    width=tables.WIDTH, mask=None,
)  # fmt: skip


def of(cases):
    return pytest.mark.parametrize("case", cases, ids=str)


def said(call):
    """What ``call`` gives, or its one line."""
    try:
        return call()
    except AuditError as error:
        line = str(error)
    assert "\n" not in line
    return line


def fits(expected, found):
    return found == expected if expected.startswith("[") else re.search(expected, found)


def table_of(folder, name):
    return CsvTable(
        name=None, file=str(folder / name), root=None, split=None, class_to_idx=None,
        separator="|", classes=None,
    )  # fmt: skip


def listed(dataset):
    """Path, class and status of every row, as JSON."""
    dataset.prepare()
    rows = probe_all(dataset.entries(), dataset.root, max_pixels=10**6, threads=1)
    found = [(r["image_id"], r["class_name"], r["status"]) for r in rows]
    return json.dumps([(i, name, None if status == "ok" else status) for i, name, status in found])


def mask_status(source):
    try:
        source.load(RECORD)
    except MaskProblem as problem:
        return problem.status
    return "ok"


def test_the_corpus_is_large_and_each_case_its_own():
    assert len(ALL) >= 150
    titles = [case.title for case in ALL]
    assert len({*titles}) == len(titles)


@of(tables.TABLES)
def test_tables(case, tmp_path):
    case.make(tmp_path)
    found = said(lambda: listed(table_of(tmp_path, case.name)))
    assert fits(case.expected, found), found


@of(tables.COCO)
def test_coco(case, tmp_path):
    pytest.importorskip("pycocotools")
    case.make(tmp_path)
    file = str(tmp_path / case.name)
    found = said(lambda: mask_status(CocoMasks(file=file, categories=None)))
    assert re.search(case.expected, found), found


@of(tables.VOC)
def test_voc(case, tmp_path):
    case.make(tmp_path)
    found = said(lambda: mask_status(VocMasks(root=str(tmp_path), object=None)))
    assert re.fullmatch(case.expected, found), found


@pytest.mark.usefixtures("cache")
@of(tars.CASES)
def test_tars(case, tmp_path):
    case.make(tmp_path)
    dataset = WebDataset(
        name=None, root=str(tmp_path), shards=None, image=["jpg"], label_key=None, classes=None,
        class_to_idx=None,
    )  # fmt: skip

    def found():
        dataset.prepare()
        entries = [(e.path, e.problem and e.problem[0]) for e in dataset.entries()]
        return json.dumps([(path.partition("/")[2], status) for path, status in entries])

    got = said(found)
    assert fits(case.expected, got), got


def test_the_torchscript_is_hostile(tmp_path):
    """torch's own loader does run it, so that the test below shows something."""
    checkpoints.writing(tmp_path / "c.pt")
    witness = tmp_path / checkpoints.WITNESS
    witness.unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the format
        torch.jit.load(tmp_path / "c.pt")
    assert witness.exists()


@of(checkpoints.CASES)
def test_checkpoints(case, tmp_path):
    file = tmp_path / case.name
    case.make(file)
    witness = tmp_path / checkpoints.WITNESS
    witness.unlink(missing_ok=True)

    def load():
        given = read_state_dict(file, trust=False)
        load_into(checkpoints.net(), given, file)
        return "ok"

    found = said(load)
    assert re.search(case.expected, found), found
    assert not witness.exists()
