"""Transplants through the model against a slow plain version."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests import tiny
from tests.evidence.halves import Broken, Grey, LeftHalf
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import PluginError
from xai_audit.evidence.measure import Scope, Together, measured
from xai_audit.evidence.plan import OWN, Cell, Pair
from xai_audit.evidence.transplant import Task, Transplanter
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
    dataset = ImageFolder(root=str(folder / "images"), name=None, class_to_idx=None)
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


IDS = [f"{name}/{number:04d}.jpg" for name in tiny.CLASSES for number in range(6)]


def pair(*places: int) -> Pair:
    return Pair(*(IDS[place] for place in places))


TASKS = [
    Task(tiny.CLASSES[image // 6], image // 6, "left", "reliance", pair(image, donor, other))
    for image, donor, other in [
        (0, 1, 7),
        (1, 2, 8),
        (0, 2, 13),
        (6, 7, 0),
        (17, 12, 3),
        (12, 13, 1),
    ]
]


def plain(source, model, task):
    """p and log-odds, one photo at a time, in float64."""
    canvases = Canvases(source)
    canvas = canvases[task.pair.image]
    found = []
    for donor in (task.pair.donor_with, task.pair.donor_without):
        photo = LeftHalf().transplant(canvas, canvases[donor])
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PREPROCESS.mean, PREPROCESS.std))
        image = (seen(photo, PREPROCESS).float() / 255 - mean) / std
        with torch.no_grad():
            p = model.module(image[None]).double().softmax(1)[0]
        found.append((float(p[task.label]), float(torch.log(p[task.label] / (1 - p[task.label])))))
    return found


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (5, 0), (64, 2)])
def test_equal_to_one_at_a_time(source, model, batch_size, workers):
    runner = transplanter(source, model, batch_size=batch_size, workers=workers)
    outcomes = {outcome.task: outcome for outcome in runner.run(TASKS)}
    assert set(outcomes) == set(TASKS)
    assert runner.forwards == 2 * len(TASKS)
    for task in TASKS:
        (p1, o1), (p2, o2) = plain(source, model, task)
        assert outcomes[task].probability == pytest.approx((p1, p2), abs=1e-5)
        assert outcomes[task].log_odds == pytest.approx((o1, o2), abs=1e-4)


def test_putting_back_the_same_cue_leaves_no_effect(source, model):
    tasks = [replace(task, given="left") for task in TASKS]
    for outcome in transplanter(source, model).run(tasks):
        assert outcome.probability[0] == pytest.approx(outcome.probability[1], abs=1e-6)


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
    tasks = [replace(TASKS[0], cue="mine", given=given) for given in (None, "left")]
    outcomes = transplanter(source, model, mine=Taller(name="mine")).run(tasks)
    found = {outcome.task.given: outcome for outcome in outcomes}
    assert np.isfinite(found[None].probability).all()
    assert np.isnan(found["left"].probability).all()


def test_both_photos_of_a_pair_are_edited_alike(source, model):
    mine = [replace(task, cue="mine") for task in TASKS]
    found = transplanter(source, model, mine=AlikeHalf(name="mine")).run(mine)
    expected = transplanter(source, model).run(TASKS)
    assert [o.probability for o in found] == [o.probability for o in expected]


def test_all_cues_together_are_edited_alike_too(source, model):
    mine = [replace(task, cue="all") for task in TASKS]
    together = Together([AlikeHalf(name="left")])
    found = transplanter(source, model, all=together).run(mine)
    expected = transplanter(source, model).run(TASKS)
    assert [o.probability for o in found] == [o.probability for o in expected]


def test_a_photo_that_is_gone_is_left_out_and_the_others_go_on(source, model, tmp_path):
    for name in tiny.CLASSES:
        shutil.copytree(source.root / name, tmp_path / name)
    (tmp_path / IDS[0]).unlink()
    without = replace(source, root=tmp_path)
    found = {outcome.task: outcome for outcome in transplanter(without, model).run(TASKS)}
    lost = [task for task in TASKS if IDS[0] in vars(task.pair).values()]
    assert lost
    for task in TASKS:
        assert np.isnan(found[task].probability[0]) == (task in lost)
    assert len(found) == len(TASKS)


@pytest.mark.parametrize(
    ("cue", "message"),
    [
        (
            Broken(name="mine"),
            r"cue mine failed: circle/0000.jpg.* got ZeroDivisionError: the user",
        ),
        (Grey(name="mine"), r"cue mine broke its contract.*expected a photo \(3, h, w\) uint8"),
    ],
)
def test_a_broken_cue_is_named(source, model, cue, message):
    with pytest.raises(PluginError, match=message):
        list(transplanter(source, model, mine=cue).run([replace(TASKS[0], cue="mine")]))


def scope(source, limit: float) -> Scope:
    ids, classes = (source.rows.column(n).to_pylist() for n in ("image_id", "class_name"))
    return Scope(
        place={image_id: place for place, image_id in enumerate(ids)},
        classes=dict(zip(ids, classes, strict=True)),
        labels={name: index for index, name in enumerate(tiny.CLASSES)},
        limit=limit,
        sequential=True,
        seed=0,
    )


def test_looks_stop_when_the_answer_is_clear(source, model):
    pairs = tuple(pair(i % 6, (i + 1) % 6, 6 + i // 6) for i in range(24))
    cells = [Cell("circle", "left", OWN, pairs, ())]
    clear = measured(transplanter(source, model), cells, scope(source, 0.9), lambda _: None)
    assert clear.num_rows == 8  # an untrained network: nothing near 0.9
    unclear = measured(transplanter(source, model), cells, scope(source, 0.0), lambda _: None)
    assert unclear.num_rows >= 16
    row = clear.to_pylist()[0]
    assert row["question"] == "reliance"
    assert row["image_class"] == "circle"
    assert row["donor_without_class"] == "square"
    assert 0 <= row["p_with"] <= 1


def test_rows_do_not_depend_on_the_batch(source, model):
    pairs = tuple(pair(i, (i + 1) % 6, 6 + i) for i in range(6))
    cells = [Cell("circle", "left", OWN, pairs, ()), Cell("square", "left", OWN, (), pairs[:4])]
    first, second = (
        measured(
            transplanter(source, model, batch_size=size, workers=workers),
            cells,
            scope(source, 0.0),
            lambda _: None,
        ).to_pandas()
        for size, workers in ((1, 0), (32, 2))
    )
    numbers = ["p_with", "p_without", "log_odds_with", "log_odds_without"]
    assert first.drop(columns=numbers).equals(second.drop(columns=numbers))
    assert np.allclose(first[numbers], second[numbers], atol=1e-4)
