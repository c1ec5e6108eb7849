from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from tests.data.test_csv import source, write
from xai_audit.errors import ConfigError, DatasetError
from xai_audit.evidence.donors import sample
from xai_audit.index.listing import listed
from xai_audit.run.labelling import (
    NO_LABEL,
    joined,
    label_each,
    labels_of,
    one_label_each,
    seen_from,
)
from xai_audit.types import Preprocess
from xai_audit.work.facts import ModelFacts
from xai_audit.work.folder import identity


def labels(dataset):
    dataset.prepare()
    return dataset.class_names(), [(e.path, e.class_name, e.group) for e in dataset.entries()]


def test_a_column_of_joined_labels(tmp_path):
    file = write(tmp_path, "path,labels,group\na.jpg,nodule|effusion,p1\nb.jpg,,p2\nc.jpg,mass,\n")
    names, found = labels(source(file))
    assert names == ("effusion", "mass", "nodule")
    assert found == [
        ("a.jpg", "effusion|nodule", "p1"), ("b.jpg", NO_LABEL, "p2"), ("c.jpg", "mass", None),
    ]  # fmt: skip
    assert source(file).several_labels == "t.csv has the column labels"


def test_another_separator_and_spaces(tmp_path):
    file = write(tmp_path, 'path,labels\na.jpg,"x, y , x"\nb.jpg,y\nc.jpg,"x,"\n')
    found = labels(source(file, separator=","))[1]
    assert [name for _, name, _ in found] == ["x|y", "y", "x"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_column_a_class(tmp_path, mark):
    text = "path,x,y,z,split\na.jpg,1,0,0,v\nb.jpg,0,,False,v\nc.jpg,True,1.0,0.0,v\n"
    names, found = labels(source(write(tmp_path, text.replace(",", mark))))
    assert names == ("x", "y", "z")  # z too, which no photo has: the model has an output for it
    assert [name for _, name, _ in found] == ["x", NO_LABEL, "x|y"]


def test_named_columns_beside_others(tmp_path):
    file = write(tmp_path, "path,age,x,label,y\na.jpg,61,1,x,1\nb.jpg,7,0,y,1\nc.jpg,8,0,y,0\n")
    found = labels(source(file, classes=["y", "x"]))[1]
    assert [name for _, name, _ in found] == ["x|y", "y", NO_LABEL]
    assert source(file).several_labels == ""  # it has a column label


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("path,age,x\na.jpg,61,1\n", {}, "age says neither 0 nor 1.*photo a.jpg.*got 61.*classes="),
        ("path,x\na.jpg,1\n", {"classes": ["y"]}, "lacks the column y.*got path,x"),
        ("path,labels\na.jpg,x|y\n", {"separator": ";"}, "not a name of a class.*x|y.*separator"),
        (f"path,labels\na.jpg,{NO_LABEL}\n", {}, "not a name of a class"),
        ("path\na.jpg\n", {}, "lacks the column label"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, options, message):
    with pytest.raises(DatasetError, match=message) as caught:
        labels(source(write(tmp_path, text), **options))
    assert "\n" not in str(caught.value)


def test_every_photo_is_listed_with_or_without_labels(tmp_path):
    file = write(tmp_path, "path,labels\na.jpg,x|y\nb.jpg,\nmissing.jpg,x\n")
    listing = listed(source(file))
    assert listing.column("status").to_pylist() == [None, None, "unreadable"]


def test_a_set_is_text_and_back():
    assert labels_of(joined(["b", "a", "b"])) == ("a", "b")
    assert labels_of(joined([])) == ()


def test_photos_seen_from_a_class_are_of_it_or_of_a_set_that_lacks_it():
    sets = np.array(["a", "a|b", "ab", "b", NO_LABEL])
    assert seen_from("a", sets).tolist() == ["a", "a", "ab", "b", NO_LABEL]
    assert seen_from("b", sets).tolist() == ["a", "b", "ab", "b", NO_LABEL]


def test_one_label_each_takes_the_rarer_of_a_set():
    rows = pa.table(
        {
            "image_id": ["1", "2", "3", "4"],
            "class_name": ["a|b", NO_LABEL, "a|b", "b"],
            "label": pa.array([None, None, None, 1], pa.int32()),
        }
    )
    found = one_label_each(rows, {"a": 0, "b": 1}).to_pydict()
    assert found == {"image_id": ["1", "3", "4"], "class_name": ["a", "b", "b"], "label": [0, 1, 1]}


def test_a_sample_by_labels_is_bounded_however_many_sets_there_are():
    """600 photos of 600 sets of ten labels: a few of each label, not a few of each set."""
    rng = np.random.default_rng(0)
    drawn = [[f"k{k}" for k in range(10) if rng.random() < 0.6] for _ in range(600)]
    sets = [joined([*own, f"u{i % 2}"]) for i, own in enumerate(drawn)]
    ids = [f"{i:04d}.jpg" for i in range(600)]
    assert len(sample(ids, sets, per_class=5, seed=0)) > 500
    names = label_each(sets)
    rows = sample(ids, names, per_class=5, seed=0)
    counts = Counter(names[row] for row in rows)
    assert set(counts.values()) == {5}
    assert len(counts) == 12
    assert all(name in labels_of(text) for name, text in zip(names, sets, strict=True))


def test_an_empty_separator_is_one_line(tmp_path):
    file = write(tmp_path, "path,labels\na.jpg,x\n")
    with pytest.raises(
        ConfigError, match=r"dataset\.separator \| expected a character, such as \|"
    ):
        source(file, separator="")


def test_keys_of_several_labels_are_no_other_audit():
    """Their defaults are new: a folder of before has neither."""
    keys = {"dataset": {"file": "t.csv"}, "model": {}, "methods": [{"name": "gradcam"}]}
    with_them = {**keys, "dataset": {"file": "t.csv", "separator": "|", "classes": ["x"]}}
    assert identity(with_them) == identity(keys)


def test_another_output_of_a_class_is_another_model():
    common = {"weights": "w", "target_layer": "l", "num_outputs": 3, "grid": (1, 1)}
    common |= {"head": "sigmoid", "preprocess": Preprocess(), "precision": "fp32"}
    marks = [
        ModelFacts(**common, thresholds={"x": 0.5}, outputs=outputs).mark
        for outputs in ({"x": 0}, {"x": 2})
    ]
    assert marks[0] != marks[1]
    assert marks[0][:4] == ModelFacts(**common).mark  # of single labels as ever
