"""A run's photos with what is known of each, as tools that browse data sets take them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xai_audit.errors import OutputError
from xai_audit.report.facts import read_facts
from xai_audit.report.heat import samplings, upsampled
from xai_audit.report.material import photos, read_heatmaps
from xai_audit.run.labelling import check_one_label
from xai_audit.run.verdicts import kinds_of_run, of_kinds
from xai_audit.vision.geometry import view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xai_audit.notebook.run import AuditRun

_BATCH = 256  # photos whose heatmaps are in memory at once
_SIDE = 64  # px of the longer side of an exported heatmap


def photo_table(run: AuditRun) -> pd.DataFrame:
    """One row a photo that was explained, of the run's first method.

    Columns ``image_id``, ``path``, ``class_name``, ``pred`` (a class's name), ``confidence``,
    ``correct``, ``flags`` (reasons), ``carries`` (cues that the photo carries), ``mass_<region>``.

    Raises:
        OutputError: nothing was scored, or the photos are no files of this machine.
    """
    check_one_label(run, "are not handed to other tools")
    facts, kinds = read_facts(run), dict([*kinds_of_run(run).items()][:1])
    table = run.collect("scores", where=of_kinds(kinds))
    found = photos(run, table["image_id"], facts.dataset_root)
    paths = [found[image_id].path for image_id in table["image_id"]]
    if not paths or paths[0] is None or not paths[0].is_file():
        raise OutputError(
            "these photos cannot be handed to another tool",
            where=run.root,
            expected="scored photos in files of this machine",
            got="no photo" if not paths else f"{paths[0]}, which is no file",
        )
    masses = [name for name in map(str, table) if name.startswith("mass_")]
    masses = [name for name in masses if table[name].notna().any()]
    known = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "path": [str(path) for path in paths],
            "class_name": table["class_name"],
            "pred": [facts.classes.get(pred, str(pred)) for pred in table["pred"]],
            "confidence": table["confidence"],
            "correct": table["pred"] == table["label"],
            "flags": _joined(run, "flags", "reason", table["image_id"]),
            "carries": _joined(run, "carriers", "cue", table["image_id"]),
        }
    )
    return pd.concat([known, table[masses]], axis=1)


def _joined(run: AuditRun, table: str, column: str, ids: pd.Series[str]) -> list[list[str]]:
    """The distinct values of ``column`` in the rows of each photo."""
    if not run.has(table):
        return [[] for _ in ids]
    rows = run.collect(table, ["image_id", column]).drop_duplicates()
    by_photo = rows.groupby("image_id")[column].agg(sorted).to_dict()
    return [by_photo.get(image_id, []) for image_id in ids]


def heatmaps(run: AuditRun, ids: list[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """(image_id, its heatmap (h, w) 0..1 over the whole photo); 0 where the model saw nothing."""
    facts = read_facts(run)
    (method, kind), *_ = kinds_of_run(run).items()
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        known = photos(run, some, facts.dataset_root)
        keys = {(image_id, method) for image_id in some}
        for (image_id, _), heatmap in read_heatmaps(run, keys, {method: kind}):
            size = known[image_id].height, known[image_id].width
            scale = _SIDE / max(*size, _SIDE)
            shrunk = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
            grid = heatmap.shape[0], heatmap.shape[1]
            down, across = samplings(shrunk, view(size, facts.preprocess), grid)
            whole = np.zeros(shrunk, np.float32)
            whole[down.seen, across.seen] = upsampled(heatmap, down, across)
            peak = float(whole.max(initial=0.0))
            yield image_id, whole / peak if peak > 0 else whole


def fiftyone_samples(run: AuditRun) -> Iterator[Any]:
    """A ``fiftyone.Sample`` a row of :func:`photo_table`, with its heatmap.

    Raises:
        OutputError: as :func:`photo_table`; or FiftyOne is not installed.
    """
    fiftyone, table = _imported("fiftyone", "fiftyone"), photo_table(run)
    maps = heatmaps(run, table["image_id"].tolist())
    shown = next(maps, None)
    for row in table.to_dict("records"):
        sample = fiftyone.Sample(filepath=row.pop("path"), tags=row.pop("flags"))
        sample["ground_truth"] = fiftyone.Classification(label=row.pop("class_name"))
        sample["prediction"] = fiftyone.Classification(
            label=row.pop("pred"), confidence=row.pop("confidence")
        )
        if shown is not None and shown[0] == row["image_id"]:
            sample["heatmap"] = fiftyone.Heatmap(map=shown[1], range=[0, 1])
            shown = next(maps, None)
        for name, value in row.items():
            sample[str(name)] = None if isinstance(value, float) and value != value else value
        yield sample


def to_fiftyone(run: AuditRun, name: str) -> Any:  # noqa: ANN401 - an optional package's
    """A ``fiftyone.Dataset`` of the run's photos; see ``AuditRun.to_fiftyone``."""
    samples = fiftyone_samples(run)
    first = next(samples)
    fiftyone = _imported("fiftyone", "fiftyone")
    dataset = fiftyone.Dataset(name, overwrite=True)
    dataset.add_samples(each for part in ([first], samples) for each in part)
    return dataset


def to_spotlight(run: AuditRun, **options: Any) -> Any:  # noqa: ANN401 - an optional package's
    """Spotlight's viewer of the run's photos; see ``AuditRun.to_spotlight``."""
    spotlight, table = _imported("renumics.spotlight", "renumics-spotlight"), photo_table(run)
    for name in ("flags", "carries"):
        table[name] = table[name].map(", ".join)
    return spotlight.show(table, dtype={"path": spotlight.Image}, **options)


def _imported(module: str, package: str) -> Any:  # noqa: ANN401
    try:
        return import_module(module)
    except ImportError as exc:
        remedy = f"pip install {package}"
        raise OutputError(f"{package} is not installed", where=module, remedy=remedy) from exc
