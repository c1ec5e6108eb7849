"""The photos of a folder written as tar shards and as Parquet."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.data.photo_files import noise
from xai_audit.vision.opening import opened


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """An empty cache folder of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def rows(dataset):
    """Path, class and status of every entry, once the dataset is prepared."""
    dataset.prepare()
    return [(e.path, e.class_name, e.problem and e.problem[0]) for e in dataset.entries()]


def content(dataset, path):
    """The bytes of a photo."""
    with opened(f"{dataset.root}/{path}", dataset.open) as file:
        return file.stream.read()


def jpeg(seed=0, height=9, width=13):
    stream = io.BytesIO()
    Image.fromarray(noise(height, width, seed=seed)).save(stream, "jpeg")
    return stream.getvalue()


def put(archive, name, content, **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def write_tar(path, members, **options):
    """``path`` with (name, bytes) members, in order."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as archive:
        for name, content in members:
            put(archive, name, content)
    return Path(path)


def photo_files(folder):
    """Every photo of a folder of class folders: (class, path), by name."""
    return [(p.parent.name, p) for p in sorted(Path(folder).glob("*/*.jpg"))]


def tar_of(folder, path, *, parts=("cls",)):
    """A tar of the folder's photos as ``<class>/<file>``, with labels in ``parts``."""
    names = sorted({name for name, _ in photo_files(folder)})
    members = []
    for name, photo in photo_files(folder):
        stem = f"{name}/{photo.stem}"
        members.append((f"{stem}.jpg", photo.read_bytes()))
        contents = {
            "cls": str(names.index(name)).encode(),
            "json": f'{{"class": "{name}", "n": 1}}'.encode(),
        }
        members += [(f"{stem}.{part}", contents[part]) for part in parts]
    return write_tar(path, members)


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def hugging_face(features):
    """The metadata by which Hugging Face's datasets knows a table's columns."""
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def class_label(names):
    return {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}


def table(photos, labels, *, paths=None, names=None, kind=IMAGE, **columns):
    """A table of photos with their labels, as Hugging Face writes it."""
    if pa.types.is_struct(kind):
        paths = [None] * len(photos) if paths is None else paths
        photos = [{"bytes": b, "path": p} for b, p in zip(photos, paths, strict=True)]
    made = pa.table({"image": pa.array(photos, kind), "label": labels, **columns})
    if names is None:
        return made
    return made.replace_schema_metadata(hugging_face(class_label(names)))


def parquet_of(folder, path, *, own_names=True, **options):
    """A Parquet file of the folder's photos, named ``<class>/<file>`` or by their row."""
    files = photo_files(folder)
    names = sorted({name for name, _ in files})
    paths = [f"{name}/{file.name}" for name, file in files] if own_names else None
    labels = [names.index(name) for name, _ in files]
    photos = [file.read_bytes() for _, file in files]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(photos, labels, paths=paths, names=names), path, **options)
    return path


def saved_of(folder, path):
    """The folder's photos as a data set saved by Hugging Face's library; skips where it is not."""
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    files = photo_files(folder)
    names = sorted({name for name, _ in files})
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    cells = [{"bytes": file.read_bytes(), "path": None} for _, file in files]
    labels = [names.index(name) for name, _ in files]
    datasets.Dataset.from_dict(
        {"image": cells, "label": labels}, features=datasets.Features(features), split="test"
    ).save_to_disk(path)
    return path
