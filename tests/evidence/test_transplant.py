"""Transplants through the model against a slow plain version."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests import tiny
from tests.evidence.halves import Broken, Grey, LeftHalf, Picky
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import PluginError
from xai_audit.evidence.measure import Together, measured
from xai_audit.evidence.plan import OWN, Cell, Pair
from xai_audit.evidence.transplant import Transplanter
from xai_audit.index.listing import entries_of, listed, manifest_of
from xai_audit.index.rows import probe_all
from xai_audit.masks.folder import FolderMasks
from xai_audit.network.prepare import prepare
from xai_audit.schema import MANIFEST
from xai_audit.types import ModelSpec, Preprocess
from xai_audit.vision.canvas import Canvases, Source, seen

PREPROCESS = Preprocess(resize=72, crop=(64, 64))


@pytest.fixture(scope="module")
def source(folder):
    keys = {"name": None, "class_to_idx": None, "split": None, "links_outside": False}
    dataset = ImageFolder(root=str(folder / "images"), **keys)
    labels = {name: index for index, name in enumerate(tiny.CLASSES)}
    entries = entries_of(listed(dataset))
    probed = [
        row | {"label": None, "selected": False}
        for row in probe_all(entries, dataset.root, max_pixels=10**8, threads=2)
    ]
    table = pa.Table.from_pylist(probed, schema=MANIFEST)
    rows = manifest_of(table, dataset.root, labels=labels, limit=None, seed=0).combine_chunks()
    masks = FolderMasks(root=str(folder / "masks"), object=[255], background=[0], soft=False)
    return Source(rows, masks, dataset.root, PREPROCESS, 10**8, 0)


@pytest.fixture(scope="module")
def model():
    return prepare(ModelSpec(tiny.net(), PREPROCESS, "tiny"), device="cpu")


def transplanter(source, model, *, batch_size=5, workers=0, **cues):
    return Transplanter(
        replace(source, num_workers=workers),
        {"left": LeftHalf(name="left"), **cues},
        model,
        precision="fp32",
        batch_size=batch_size,
    )


NUMBERS = ["p_with", "p_without", "log_odds_with", "log_odds_without"]


def probabilities(rows) -> list[tuple[float, float]]:
    return [(row["p_with"], row["p_without"]) for _, row in rows]


IDS = [f"{name}/{number:04d}.jpg" for name in tiny.CLASSES for number in range(6)]


def pair(image: int, donor: int, other: int, *, of: str | None = None) -> Pair:
    """A pair of class ``of``, that of the photo by default; then it is one of reliance."""
    question = "reliance" if of is None else "pull"
    name = of or tiny.CLASSES[image // 6]
    return Pair(name, "left", question, IDS[image], IDS[donor], IDS[other])


PAIRS = [
    pair(image, donor, other)
    for image, donor, other in [
        (0, 1, 7),
        (1, 2, 8),
        (0, 2, 13),
        (6, 7, 0),
        (17, 12, 3),
        (12, 13, 1),
    ]
]


def plain(source, model, pair):
    """p and log-odds, one photo at a time, in float64."""
    canvases = Canvases(source)
    canvas = canvases[pair.image]
    found, label = [], tiny.CLASSES.index(pair.class_name)
    for donor in (pair.donor_with, pair.donor_without):
        photo = LeftHalf().transplant(canvas, canvases[donor])
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PREPROCESS.mean, PREPROCESS.std))
        image = (seen(photo, PREPROCESS).float() / 255 - mean) / std
        with torch.no_grad():
            p = model.module(image[None]).double().softmax(1)[0]
        found.append(
            (float(p[label]), float(torch.log(p[label] / (1 - p[label]))), int(p.argmax()))
        )
    return found


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (5, 0), (64, 2)])
def test_equal_to_one_at_a_time(source, model, batch_size, workers):
    runner = transplanter(source, model, batch_size=batch_size, workers=workers)
    rows = dict(runner.run(PAIRS))
    assert set(rows) == set(PAIRS)
    assert runner.forwards.total() == 2 * len(PAIRS)
    for pair, row in rows.items():
        for end, (p, odds, pred) in zip(
            ("with", "without"), plain(source, model, pair), strict=True
        ):
            assert row[f"p_{end}"] == pytest.approx(p, abs=1e-5)
            assert row[f"log_odds_{end}"] == pytest.approx(odds, abs=1e-4)
            assert row[f"correct_{end}"] == (tiny.CLASSES[pred] == row["image_class"])
        assert row["image_class"] == pair.image.split("/")[0]
        assert row["donor_without_class"] == pair.donor_without.split("/")[0]


def test_putting_back_the_same_cue_leaves_no_effect(source, model):
    again = [replace(pair, given="left") for pair in PAIRS]
    for _, row in transplanter(source, model).run(again):
        assert row["p_with"] == pytest.approx(row["p_without"], abs=1e-6)
        assert row["given"] == "left"


class Taller(LeftHalf):
    def transplant(self, canvas, donor):
        return super().transplant(canvas, donor).repeat(1, 2, 1)


class AlikeHalf(LeftHalf):
    """Checks how many photos it is fitted to, and fails to edit one unless it was."""

    def fitted(self, canvases):
        assert len(canvases) == 3
        return LeftHalf(name=self.name)

    def transplant(self, canvas, donor):
        raise AssertionError("not fitted")


def test_nothing_is_put_back_into_a_photo_of_another_shape(source, model):
    both = [replace(PAIRS[0], cue="mine", given=given) for given in (None, "left")]
    rows = transplanter(source, model, mine=Taller(name="mine")).run(both)
    found = {pair.given: row for pair, row in rows}
    assert all(np.isfinite(found[None][name]) for name in NUMBERS)
    assert [found["left"][name] for name in (*NUMBERS, "correct_with")] == [None] * 5


def test_both_photos_of_a_pair_are_edited_alike(source, model):
    mine = [replace(pair, cue="mine") for pair in PAIRS]
    found = transplanter(source, model, mine=AlikeHalf(name="mine")).run(mine)
    expected = transplanter(source, model).run(PAIRS)
    assert probabilities(found) == probabilities(expected)


def test_all_cues_together_are_edited_alike_too(source, model):
    mine = [replace(pair, cue="all") for pair in PAIRS]
    together = Together([AlikeHalf(name="left")])
    found = transplanter(source, model, all=together).run(mine)
    expected = transplanter(source, model).run(PAIRS)
    assert probabilities(found) == probabilities(expected)


def test_a_photo_that_is_gone_is_left_out_and_the_others_go_on(source, model, tmp_path):
    for name in tiny.CLASSES:
        shutil.copytree(source.root / name, tmp_path / name)
    (tmp_path / IDS[0]).unlink()
    without = replace(source, root=tmp_path)
    found = dict(transplanter(without, model).run(PAIRS))
    lost = [pair for pair in PAIRS if IDS[0] in pair.photos]
    assert lost
    for pair in PAIRS:
        assert (found[pair]["p_with"] is None) == (pair in lost)
    assert len(found) == len(PAIRS)


def test_a_cue_that_breaks_its_contract_is_named(source, model):
    message = r"cue mine broke its contract.*expected a photo \(3, h, w\) uint8"
    mine = [replace(pair, cue="mine") for pair in PAIRS]
    with pytest.raises(PluginError, match=message):
        list(transplanter(source, model, mine=Grey(name="mine")).run(mine))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pair_on_which_a_cue_fails_is_left_out_and_noted(source, model, workers):
    runner = transplanter(source, model, mine=Picky(name="mine"), workers=workers)
    rows = dict(runner.run([replace(pair, cue="mine") for pair in PAIRS]))
    failed = [pair for pair in rows if pair.image.endswith("0000.jpg")]
    assert [*runner.problems] == failed
    assert failed
    problem = runner.problems[failed[0]]
    assert problem.where == "circle/0000.jpg, donor circle/0001.jpg"
    assert problem.reason == "ValueError: not this photo <object at 0x...>"
    for pair, row in rows.items():
        assert (row["p_with"] is None) == (pair in failed)
    # The others are as if it had not been asked.
    alone = [replace(pair, cue="mine") for pair in PAIRS if not pair.image.endswith("0000.jpg")]
    expected = dict(transplanter(source, model, mine=Picky(name="mine")).run(alone))
    for pair, row in expected.items():
        assert row["p_with"] == pytest.approx(rows[pair]["p_with"], abs=1e-6)


def test_a_cue_of_the_user_s_that_fails_everywhere_is_named(source, model):
    pairs = tuple(replace(pair, cue="mine") for pair in PAIRS[:3])
    runner = transplanter(source, model, mine=Broken(name="mine"))
    message = r"cue mine failed: circle/0000.jpg.* got ZeroDivisionError: the user"
    with pytest.raises(PluginError, match=message):
        looked(runner, [Cell("circle", "mine", OWN, pairs, ())])
    # One photo is no evidence against it.
    assert looked(runner, [Cell("circle", "mine", OWN, pairs[:1], ())]).num_rows == 1


def looked(transplanter, cells, *, limit=0.0, sequential=True, clusters=None):
    ids = sorted({one for cell in cells for pair in cell.pairs for one in pair.photos})
    return measured(
        transplanter,
        cells,
        clusters=clusters or {one: number for number, one in enumerate(ids)},
        limit=limit,
        sequential=sequential,
        progress=lambda _: None,
    )


def test_looks_stop_when_the_answer_is_clear(source, model):
    pairs = tuple(pair(i % 6, (i + 1) % 6, 6 + i // 6) for i in range(24))
    cells = [Cell("circle", "left", OWN, pairs, ())]
    clear = looked(transplanter(source, model), cells, limit=0.9)
    assert clear.num_rows == 8  # an untrained network: nothing near 0.9
    unclear = looked(transplanter(source, model), cells, limit=0.0)
    assert unclear.num_rows >= 16
    every = looked(transplanter(source, model), cells, limit=0.9, sequential=False)
    assert every.num_rows == 24
    photos = [one for each in pairs for one in each.photos]
    few = {one: number % 3 for number, one in enumerate(sorted(set(photos)))}
    # Of 3 sites no number of photos is surely below.
    assert looked(transplanter(source, model), cells, limit=0.9, clusters=few).num_rows == 24
    row = clear.to_pylist()[0]
    assert row["question"] == "reliance"
    assert row["image_class"] == "circle"
    assert row["donor_without_class"] == "square"
    assert 0 <= row["p_with"] <= 1


def test_rows_do_not_depend_on_the_batch(source, model):
    own = tuple(pair(i, (i + 1) % 6, 6 + i) for i in range(6))
    others = tuple(pair(i, 6 + i, (i + 1) % 6, of="square") for i in range(4))
    cells = [Cell("circle", "left", OWN, own, ()), Cell("square", "left", OWN, (), others)]
    first, second = (
        looked(transplanter(source, model, batch_size=size, workers=workers), cells).to_pandas()
        for size, workers in ((1, 0), (32, 2))
    )
    assert first["question"].tolist() == ["reliance"] * 6 + ["pull"] * 4
    assert first.drop(columns=NUMBERS).equals(second.drop(columns=NUMBERS))
    assert np.allclose(first[NUMBERS], second[NUMBERS], atol=1e-4)
