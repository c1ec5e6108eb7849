"""The frames of DICOM files, each a photo of its own."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.schema import MANIFEST, OK
from xai_audit.vision.frames import frame_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def each_frame(rows: pa.Table) -> pa.Table:
    """``rows`` with one for each frame of a DICOM file that has several: ``scan.dcm#3``.

    Frames of one file are not independent of each other: without another group it is theirs.

    Args:
        rows: in MANIFEST, one a file.
    """
    several = pc.and_(pc.equal(rows.column("format"), "DICOM"), pc.greater(rows["frames"], 1))
    several = pc.fill_null(pc.and_(several, pc.equal(rows.column("status"), OK)), False)
    if not pc.any(several).as_py():
        return rows
    is_split = several.to_numpy()
    counts = np.where(is_split, rows.column("frames").fill_null(1).to_numpy(), 1)
    log.info(
        "index: %d DICOM files have several frames: each of %d is a photo, the third of a file "
        "is FILE#3", is_split.sum(), counts[is_split].sum(),
    )  # fmt: skip
    found = rows.take(np.repeat(np.arange(rows.num_rows), counts))
    for name, values in _own(rows, is_split, counts).items():
        field = MANIFEST.field(name)
        column = pa.array(values, field.type)
        found = found.set_column(MANIFEST.get_field_index(name), field, column)
    return found


def _own(
    rows: pa.Table, is_split: NDArray[np.bool_], counts: NDArray[np.int64]
) -> dict[str, list[str | bytes | None]]:
    """The columns of which each frame has a value of its own, with those of the other files."""
    columns = [rows.column(name).to_pylist() for name in ("image_id", "raw_path", "group")]
    taken = {one for one, split in zip(columns[0], is_split, strict=True) if not split}
    own: dict[str, list[str | bytes | None]] = {"image_id": [], "raw_path": [], "group": []}
    for file, raw, group, split, count in zip(*columns, is_split, counts, strict=True):
        ids, raws = [file], [raw]
        if split:
            path = file if raw is None else os.fsdecode(raw)
            ids = [f"{file}#{number}" for number in range(1, count + 1)]
            ids = [f"{one}~" if one in taken else one for one in ids]  # it is a file's own name
            raws = [os.fsencode(frame_path(path, number)) for number in range(1, count + 1)]
        own["image_id"] += ids
        own["raw_path"] += raws
        own["group"] += [file if split and group is None else group] * count
    return own
