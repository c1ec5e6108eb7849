"""index: an image folder -> ``manifest.parquet``, every file once with its status."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.index.frames import each_frame
from xai_audit.index.listing import entries_of, listed, look_alikes, manifest_of, undecodable
from xai_audit.index.rows import probe_all
from xai_audit.run.files import read_notes, write_table
from xai_audit.run.manifest import BITS, counted, record_of, rows_hash
from xai_audit.run.record import fingerprint
from xai_audit.schema import LISTING, MANIFEST, OK
from xai_audit.store.address import spelled
from xai_audit.store.home import withdraw
from xai_audit.vision.depth import sampled_bits
from xai_audit.vision.opening import opener_of
from xai_audit.work.parts import files_of
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_VERSION = 1
_ROWS = 1024  # files a part
_THREADS = 8
_HASH = "rows"
_SAMPLE = 64  # grey photos whose largest number is near that of all


def plan(audit: Audit) -> Plan:
    """Parts of the files that the dataset lists now, so that a change is seen."""
    listing, settings = listed(audit.dataset), audit.settings
    whole = rows_hash(listing, LISTING.names)

    def parts() -> list[Part]:
        if read_notes(audit.paths.listing).get(_HASH) != whole:
            write_table(audit.paths.listing, listing, {_HASH: whole})
        starts = range(0, max(listing.num_rows, 1), _ROWS)
        pieces = [listing.slice(start, _ROWS) for start in starts]
        return [
            Part(
                number=number,
                fingerprint=fingerprint(
                    _VERSION, rows_hash(piece, LISTING.names), settings.max_pixels
                ),
                args={"start": start},
                size=piece.num_rows,
            )
            for number, (start, piece) in enumerate(zip(starts, pieces, strict=True))
        ]

    given = [] if settings.bits == "auto" else [settings.bits]
    mark = fingerprint(
        whole, audit.labels, settings.max_pixels, settings.limit, settings.seed, *given
    )
    return Plan(mark, parts, (audit.paths.manifest,))


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The header of every file of a part, by a few threads; no pixel is decoded."""
    listing = pq.read_table(audit.paths.listing)
    for part in parts:
        rows = []
        for row in probe_all(
            entries_of(listing.slice(part.args["start"], _ROWS)),
            audit.dataset.root,
            max_pixels=audit.settings.max_pixels,
            threads=_THREADS,
            opener=opener_of(audit.dataset),
        ):
            rows.append(row | {"label": None, "selected": False})
            progress(1)
        yield Finished(part, pa.Table.from_pylist(rows, schema=MANIFEST))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the manifest; what decoding found of an earlier listing goes."""
    rows = pa.concat_tables([pq.read_table(file) for file in files_of(audit.paths, INDEX, parts)])
    rows = _without_lone_patient(rows, pq.read_table(audit.paths.listing, columns=["group"]))
    rows = each_frame(rows)
    for reason, count in undecodable(rows).most_common():
        log.warning("index: %d photos are not read: %s", count, reason)
    settings, labels = audit.settings, audit.labels
    if twins := look_alikes(labels):
        log.warning(
            "index: class names that look the same and differ in their Unicode form are different "
            "classes: %s; rename their folders or labels if they are one", "; ".join(twins),
        )  # fmt: skip
    manifest = manifest_of(
        rows, audit.dataset.root, labels=labels, limit=settings.limit, seed=settings.seed
    )
    bits = _bits(audit, manifest)
    write_table(audit.paths.manifest, manifest, {} if bits in (None, 16) else {BITS: str(bits)})
    withdraw(audit.paths.statuses)
    counts = counted(manifest)
    log.info(
        "index: %d files: %d usable, %d failed, %d no images, %d left out by limit",
        counts["images"], counts["ok"], counts["failed"], counts["skipped"], counts["left_out"],
    )  # fmt: skip
    _log_pages(manifest)
    return {
        **({} if bits is None else {BITS: bits}),
        "classes": {i: name for name, i in sorted(labels.items(), key=lambda item: item[1])},
        "dataset_root": spelled(audit.dataset.root),
        "counts": counts,
    }


def _without_lone_patient(rows: pa.Table, listing: pa.Table) -> pa.Table:
    """``rows``; where every DICOM file names the same patient, without that as their group.

    Args:
        rows: in MANIFEST, in the order of the listing.
        listing: with the dataset's own ``group``, which stays.
    """
    named = pc.and_(pc.equal(rows.column("status"), OK), pc.equal(rows.column("format"), "DICOM"))
    named = pc.and_(pc.fill_null(named, False), pc.is_null(listing.column("group")))
    patients = rows.column("group").filter(named)
    if len(patients) < 2 or patients.null_count or pc.count_distinct(patients).as_py() > 1:
        return rows
    log.info(
        "index: all %d DICOM files name the same patient, as where the ID was removed, so that it "
        "is no group; the column group of a table says which photos belong together", len(patients),
    )  # fmt: skip
    group = pc.if_else(named, None, rows.column("group"))
    return rows.set_column(MANIFEST.get_field_index("group"), MANIFEST.field("group"), group)


def _log_pages(manifest: pa.Table) -> None:
    """Log the pages of TIFF that are not read."""
    paged = pc.equal(manifest.column("format"), "TIFF")
    several = pc.and_(paged, pc.greater(manifest.column("frames"), 1))
    frames = manifest.filter(several).column("frames")
    if len(frames):
        log.info(
            "index: %d files have several pages: the first is the photo, %d are not read",
            len(frames), pc.sum(frames).as_py() - len(frames),
        )  # fmt: skip


def _bits(audit: Audit, manifest: pa.Table) -> int | None:
    """The bits that grey photos use of 16, None where there are no such photos."""
    wide = pc.starts_with(manifest.column("mode"), "I")
    rows = manifest.filter(pc.and_(pc.equal(manifest.column("status"), OK), wide))
    if not rows.num_rows:
        return None
    settings, root = audit.settings, audit.dataset.root
    if settings.bits != "auto":
        return int(settings.bits)
    # Spread over all rows: they are sorted by class, and the last may differ from the first.
    count = min(rows.num_rows, _SAMPLE)
    chosen = [number * rows.num_rows // count for number in range(count)]
    paths = [record_of(rows, row, root).path for row in chosen]
    opener = opener_of(audit.dataset)
    bits, largest = sampled_bits(paths, max_pixels=settings.max_pixels, opener=opener)
    log.info(
        "index: the largest number in grey photos of 16 bits is %d, so white is %d (bits=%d; "
        "another: bits=8 to 16)", largest, 2**bits - 1, bits,
    )  # fmt: skip
    return bits


INDEX = Stage("index", "index", _VERSION, "index", plan, merge, work)
