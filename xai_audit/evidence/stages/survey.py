"""survey: a sample of photos and the cues -> what each photo holds of each cue; no model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.evidence.donors import MIN_PHOTOS, sample
from xai_audit.evidence.left_out import warn
from xai_audit.evidence.readings import SurveyTables
from xai_audit.evidence.source import clusters, cue_marks
from xai_audit.run.files import write_table
from xai_audit.run.labelling import label_each, labels_of
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.record import fingerprint
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from xai_audit.evidence.heatmaps import Predictions
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 3
_PHOTOS = 64  # a part: what a kill can cost


def plan(audit: Audit) -> Plan:
    """Parts of 64 sampled photos."""
    rows = sampled(audit)
    described = _described(audit, rows)
    same = fingerprint(
        _VERSION,
        described,
        cue_marks(audit),
        clusters(audit),
        audit.facts.preprocess,
        list(audit.facts.grid),
        audit.settings.max_pixels,
    )

    def parts() -> list[Part]:
        pieces = [rows.slice(at, _PHOTOS) for at in range(0, rows.num_rows, _PHOTOS)]
        return [
            Part(
                number=number,
                fingerprint=fingerprint(same, content_fingerprint(piece), audit.mask_mark(piece)),
                args={
                    "image_ids": piece.column("image_id").to_pylist(),
                    "described": described,
                },
                size=piece.num_rows,
            )
            for number, piece in enumerate(pieces)
        ]

    named = rows.column("group").to_pylist()
    mark = fingerprint(same, content_fingerprint(rows), audit.mask_mark(rows), named)
    paths = audit.paths
    return Plan(mark, parts, (paths.surveyed, paths.confusion, paths.cues, paths.groups))


def sampled(audit: Audit) -> pa.Table:
    """The rows of the manifest that are read."""
    rows, settings = audit.usable(), audit.settings
    ids, classes = (rows.column(name).to_pylist() for name in ("image_id", "class_name"))
    if audit.several_labels:  # there may be as many sets of labels as photos
        classes = label_each(classes)
    per_class = settings.evidence.read_per_class
    places = sample(ids, classes, per_class=per_class, seed=settings.seed)
    return rows.take(pa.array(places, pa.int64()))


def photos_of(audit: Audit, rows: pa.Table) -> Counter[str]:
    """Class -> how many photos of ``rows`` are of it."""
    classes = rows.column("class_name").to_pylist()
    if audit.several_labels:
        classes = [label for text in classes for label in labels_of(text)]
    return Counter(classes)


def _described(audit: Audit, rows: pa.Table) -> bool:
    """Whether a class has photos enough for descriptors, most of the cost, to tell of it."""
    return max(photos_of(audit, rows).values(), default=0) >= MIN_PHOTOS


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """Descriptors, region and level of every cue in the photos of a part."""
    from xai_audit.evidence.read import surveyed
    from xai_audit.evidence.source import cues_of, source_of

    tables = surveyed(
        source_of(audit),
        cues_of(audit),
        [part.args["image_ids"] for part in parts],
        grid=audit.facts.grid,
        described=all(part.args["described"] for part in parts),
        progress=progress,
    )
    for part, table in zip(parts, tables, strict=True):
        yield Finished(part, table)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the photos that were read with their near-duplicates, and who is confused with whom."""
    from xai_audit.evidence.offered import groups
    from xai_audit.evidence.source import cues_of
    from xai_audit.evidence.summary import confusion_table, cue_table, photo_table

    warn(SurveyTables(audit.paths).left_out, "photos")
    paths, cues = audit.paths, cues_of(audit)
    hashes = _hashes(audit, parts, len(cues))
    class_of, group_of = _known(audit, list(hashes))
    seen = _seen(audit, list(hashes))
    write_table(paths.surveyed, photo_table(hashes, class_of, group_of, seen))
    write_table(paths.confusion, confusion_table(seen.confusion))
    write_table(paths.cues, cue_table(cues))
    write_table(paths.groups, groups(paths))
    return {}


def _seen(audit: Audit, ids: list[str]) -> Predictions:
    """What the model says of the photos ``ids``, and who is confused with whom."""
    from xai_audit.evidence.heatmaps import predictions, wrong_decisions

    if not audit.several_labels:
        return predictions(audit.paths, ids, {i: name for name, i in audit.labels.items()})
    rows = audit.usable()
    every = (rows.column(name).to_pylist() for name in ("image_id", "class_name"))
    return wrong_decisions(audit.paths, ids, dict(zip(*every, strict=True)))


def _known(audit: Audit, ids: Collection[str]) -> list[dict[str, Any]]:
    """Image id -> class, and image id -> group, of the photos ``ids``."""
    rows = audit.usable().select(["image_id", "class_name", "group"])
    rows = rows.filter(pc.is_in(rows.column("image_id"), value_set=pa.array(ids, pa.string())))
    found, *columns = (rows.column(name).to_pylist() for name in rows.column_names)
    return [dict(zip(found, column, strict=True)) for column in columns]


def _hashes(audit: Audit, parts: Sequence[Part], cues: int) -> dict[str, int]:
    """Image id -> perceptual hash, in the order of the survey."""
    import pyarrow.parquet as pq

    from xai_audit.work.parts import files_of

    found: dict[str, int] = {}
    for file in files_of(audit.paths, SURVEY, parts):
        table = pq.read_table(file, columns=["image_id", "hash"])
        ids, hashes = (table.column(name).to_pylist()[::cues] for name in table.column_names)
        found |= dict(zip(ids, hashes, strict=True))
    return found


SURVEY = Stage(
    "survey", "evidence", _VERSION, "evidence/survey", plan, merge, work,
    needs=("score",), reads=("discover",),
)  # fmt: skip
