"""What is fuzzed: a function that reads, sound inputs, and what it may say of others."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds
from tests.hostile import checkpoints, photos, tables
from xai_audit.config.compose import compose
from xai_audit.data._classes import read_class_to_idx
from xai_audit.data._labels import read_names
from xai_audit.data.csv import CsvTable
from xai_audit.data.parquet import ParquetPhotos
from xai_audit.data.webdataset import WebDataset
from xai_audit.errors import AuditError, ImageProblem
from xai_audit.index.rows import probe, probe_all
from xai_audit.masks._coverage import value_rule
from xai_audit.masks._meaning import coverage_of
from xai_audit.masks._segmenter import state_dict
from xai_audit.masks.boxes import BoxMasks
from xai_audit.masks.coco import CocoMasks
from xai_audit.masks.voc import VocMasks
from xai_audit.models._checkpoint import load_into
from xai_audit.models._state_dict import read_state_dict
from xai_audit.types import Entry, ImageRecord
from xai_audit.vision.decode import decode

# What a reading function may raise: a line of the run, or the status of a row.
ALLOWED = (AuditError, ImageProblem)
RECORD = ImageRecord(
    image_id="x/a.jpg", path="/photos/x/a.jpg", class_name="x", label=0, height=tables.HEIGHT,
    width=tables.WIDTH, mask=None,
)  # fmt: skip
_SUFFIXES = ("jpg", "png", "gif", "webp", "tif", "bmp", "jp2", "avif", "ppm", "qoi", "txt")
_OVERRIDES = (
    "regions.border=0.1", "cues=[border,corner]", "seed=1", "targets=[label,contrast]",
    "methods=[gradcam,lime]", "model.kwargs={a: 1}", "gate.max_confirmed=0", "stamp.size=0.1",
    "masks=folder", "masks.root=m", "dataset=csv", "dataset.file=t.csv", "thresholds={a: 0.2}",
    "compute.precision=fp32", "limit=null", "~dataset", "+x.y=1", "++a=b", "method=captum",
    "budget=60s", "output_dir=${dataset.name}", "shard=1/3",
)  # fmt: skip

_CLASSES = [
    b'["a", "b"]', b'{"a": 0, "b": 1}', b'{"0": "a", "1": "b"}', b"a,0\nb,1\n", b"a\nb\n",
    b'{"id2label": {"0": "a", "1": "b"}, "x": [1, null]}', b"[" * 100_000, b'["\\ud800"]',
]  # fmt: skip

Target = Callable[[random.Random, Path], object]


def image(rng: random.Random, folder: Path) -> None:
    """A photo's header and pixels."""
    file = folder / f"a.{rng.choice(_SUFFIXES)}"
    file.write_bytes(mutated(rng, seeds("image", folder)))
    probe(str(file), max_pixels=photos.MAX_PIXELS)
    small = rng.choice((None, 8, 32))
    pixels = decode(str(file), shorter_side=small, max_pixels=photos.MAX_PIXELS)
    assert pixels.ndim == 3, pixels.shape
    assert pixels.size <= 3 * photos.MAX_PIXELS


def mask(rng: random.Random, folder: Path) -> None:
    """A mask image by its obvious reading, by values, and as a soft one."""
    file = folder / "a.png"
    file.write_bytes(mutated(rng, seeds("mask", folder)))
    given, soft = rng.choice((([1], False), (None, False), (None, True)))
    rule = value_rule(given, None, soft=soft)
    found = coverage_of(file, RECORD, rule)
    assert found.shape == (2, RECORD.height, RECORD.width)


def csv(rng: random.Random, folder: Path) -> None:
    """A table of photos, CSV or Parquet."""
    file = folder / rng.choice(("t.csv", "t.parquet", "t.tsv"))
    file.write_bytes(mutated(rng, seeds("csv", folder)))
    dataset = CsvTable(
        name=None, file=str(file), root=None, split=None, class_to_idx=None, separator="|",
        classes=None,
    )  # fmt: skip
    dataset.prepare()
    rows = [*probe_all(dataset.entries(), folder, max_pixels=10**6, threads=1)]
    for row in rows:
        row["image_id"].encode()


def boxes(rng: random.Random, folder: Path) -> None:
    """A table of boxes."""
    file = folder / "b.csv"
    file.write_bytes(mutated(rng, seeds("boxes", folder)))
    BoxMasks(file=str(file)).load(RECORD)


def coco(rng: random.Random, folder: Path) -> None:
    """A COCO file."""
    file = folder / "c.json"
    file.write_bytes(mutated(rng, seeds("coco", folder)))
    CocoMasks(file=str(file), categories=rng.choice((None, None, [1], ["cat"]))).load(RECORD)


def voc(rng: random.Random, folder: Path) -> None:
    """A VOC annotation."""
    (folder / "a.xml").write_bytes(mutated(rng, seeds("voc", folder)))
    VocMasks(root=str(folder), object=rng.choice((None, ["cat"]))).load(RECORD)


def checkpoint(rng: random.Random, folder: Path) -> None:
    """A checkpoint, its bytes or those of one member of its zip."""
    data = rng.choice(seeds("checkpoint", folder))
    file = folder / "c.pt"
    file.write_bytes(_member_changed(rng, data) or mutated(rng, [data]))
    load_into(checkpoints.net(), read_state_dict(file, trust=False), file)


def _member_changed(rng: random.Random, data: bytes) -> bytes | None:
    """The zip ``data`` with one member mutated and its checksum right; None of no zip."""
    if rng.random() < 0.3:
        return None
    stream = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream, "w") as copy:
            names = archive.namelist()
            chosen = rng.choice([n for n in names if n.endswith(".pkl")] or names)
            for name in names:
                content = archive.read(name)
                copy.writestr(name, mutated(rng, [content]) if name == chosen else content)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, IndexError):
        return None
    return stream.getvalue()


def tar(rng: random.Random, folder: Path) -> None:
    """A tar shard: its rows, and the photo of each."""
    file = folder / "t.tar"
    file.write_bytes(mutated(rng, seeds("tar", folder)))
    dataset = WebDataset(
        name=None, root=str(file), shards=None, image=["jpg"], label_key=rng.choice((None, "a")),
        classes=None, class_to_idx=None,
    )  # fmt: skip
    dataset.prepare()
    [*probe_all(dataset.entries(), dataset.root, max_pixels=10**6, threads=1, opener=dataset.open)]


def parquet(rng: random.Random, folder: Path) -> None:
    """A Parquet file of photos: its rows, and the photo of each."""
    file = folder / "p.parquet"
    file.write_bytes(mutated(rng, seeds("parquet", folder)))
    keys = dict.fromkeys(("name", "image", "label", "split", "group", "class_to_idx"))
    dataset = ParquetPhotos(file=str(file), **keys)
    dataset.prepare()
    [*probe_all(dataset.entries(), dataset.root, max_pixels=10**6, threads=1, opener=dataset.open)]


def classes(rng: random.Random, folder: Path) -> None:
    """Files that name the classes, or their outputs."""
    file = folder / rng.choice(("c.json", "c.csv", "c.txt"))
    file.write_bytes(mutated(rng, _CLASSES))
    for name in read_names(str(file)) if rng.random() < 0.5 else read_class_to_idx(str(file)):
        name.encode()


def segmenter(rng: random.Random, folder: Path) -> None:
    """The weights of a network that makes masks."""
    data = rng.choice(seeds("checkpoint", folder))
    file = folder / rng.choice(("s.pth", "s.safetensors"))
    file.write_bytes(_member_changed(rng, data) or mutated(rng, [data]))
    state_dict(file)


def overrides(rng: random.Random, folder: Path) -> None:
    """The command line."""
    del folder
    words = [text.encode() for text in _OVERRIDES]
    given = [rng.choice(_OVERRIDES) for _ in range(rng.randint(0, 2))]
    given += [mutated(rng, words).decode("utf-8", "surrogateescape")]
    compose(given)


def names(rng: random.Random, folder: Path) -> None:
    """Names of the manifest, whatever their bytes."""
    spelled = [
        b"a.jpg",
        b"x/b.jpg",
        "caf\u00e9.jpg".encode(),
        b"\xff",
        b"\xed\xa0\x80.jpg",
        b"..",
        b"#1",
    ]
    given = [mutated(rng, spelled).decode("utf-8", "surrogateescape") for _ in range(4)]
    entries = [Entry(name, "x", mask=name) for name in dict.fromkeys(given)]
    rows = [*probe_all(entries, folder, max_pixels=10**6, threads=1)]
    assert len({row["image_id"] for row in rows}) == len(entries)
    for row in rows:
        (row["image_id"] + (row["error"] or "") + row["mask"]).encode()


TARGETS: dict[str, Target] = {
    each.__name__: each
    for each in (
        *(image, mask, csv, boxes, coco, voc, checkpoint, segmenter, tar, parquet, classes),
        *(overrides, names),
    )
}


def attempt(target: Target, seed: int, folder: Path) -> None:
    """One input of ``target``, made from ``seed`` alone.

    Raises:
        Exception: what no user should see.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target(random.Random(seed), folder)  # noqa: S311 - no secret
    except ALLOWED as problem:
        line = str(problem)
        assert "\n" not in line, line
        assert len(line) < 20_000, line[:200]
