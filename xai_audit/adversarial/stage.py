"""adversarial: a sample of photos and the model -> the smallest changes that flip a decision."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.run.files import read_notes, write_table
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.record import fingerprint
from xai_audit.run.sample import drawn
from xai_audit.schema import ADVERSARIAL as COLUMNS
from xai_audit.schema import OK
from xai_audit.work.parts import files_of, in_spans
from xai_audit.work.stage import Finished, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.adversarial.attacker import Attacker
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part

log = logging.getLogger(__name__)

_VERSION = 1
_PART = 8  # images: what a kill can cost
_FORWARDS, _RETRIES = "forwards", "oom_retries"


def plan(audit: Audit) -> Plan:
    """Parts of eight sampled images; none with ``adversarial.images`` 0 or without gradients.

    Nor are there any where photos have several labels: no class has to have the highest score.
    """
    rows, settings, regions = _sampled(audit), audit.settings, audit.settings.regions
    chosen = settings.adversarial
    mark = fingerprint(
        _VERSION,
        content_fingerprint(rows),
        audit.facts.mark,
        audit.mask_mark(rows),
        [regions.border, regions.corner],
        [chosen.steps, chosen.max_epsilon],
        settings.seed,
    )

    return Plan(mark, lambda: in_spans(rows.num_rows, _PART, mark), (audit.paths.adversarial,))


def _sampled(audit: Audit) -> pa.Table:
    """The rows of the manifest that are attacked."""
    # The attacks follow gradients, to where another class has the highest score.
    able = not (audit.facts.forward_only or audit.several_labels)
    images = audit.settings.adversarial.images if able else 0
    return drawn(audit.selected(), images, audit.settings.seed)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """Every attack on the images of a part."""
    from xai_audit.vision.loader import batches

    compute, rows = audit.compute, _sampled(audit)
    load = audit.load(batch_size=_PART, num_workers=min(compute.num_workers, len(parts)))
    attacker = _attacker(audit, progress)
    spans = [range(part.args["start"], part.args["stop"]) for part in parts]
    stream = batches(audit.photos(rows, load), spans, load)
    forwards, retries = 0, 0
    for part, (_, batch) in zip(parts, stream, strict=True):
        table = attacker.rows(batch)
        now = attacker.decision.forwards, attacker.adaptive.retries
        notes = {_FORWARDS: str(now[0] - forwards), _RETRIES: str(now[1] - retries)}
        forwards, retries = now
        progress(part.size)
        yield Finished(part, table, notes)


def _attacker(audit: Audit, progress: Progress) -> Attacker:
    """The model with the regions and how hard to search."""
    from xai_audit.adversarial.attacker import Attacker
    from xai_audit.adversarial.search import Settings
    from xai_audit.score.stage import scorer_of

    chosen = audit.settings.adversarial
    return Attacker(
        audit.model,
        scorer_of(audit, audit.compute.device),
        Settings(chosen.max_epsilon, chosen.steps, audit.settings.seed),
        batch_size=audit.compute.batch_size,
        check=lambda: progress(0),
    )


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the table of all attacks; note their budget, for a later command may want another."""
    files = files_of(audit.paths, ADVERSARIAL, parts)
    table = pa.concat_tables([COLUMNS.empty_table(), *map(pq.read_table, files)])
    write_table(audit.paths.adversarial, table)
    flipped = pc.sum(pc.equal(table.column("status"), OK)).as_py() or 0
    if audit.several_labels:
        log.info("adversarial: photos with several labels are not attacked, which is not supported")
    else:
        log.info("adversarial: %d of %d attacks flip the decision", flipped, table.num_rows)
    notes = [read_notes(file) for file in files]
    spent = {name: sum(int(n[name]) for n in notes) for name in (_FORWARDS, _RETRIES)}
    return {"adversarial": {"max_epsilon": audit.settings.adversarial.max_epsilon, **spent}}


ADVERSARIAL = Stage(
    "adversarial", "adversarial", _VERSION, "adversarial", plan, merge, work,
    needs=("index",), reads=("attribute",),
)  # fmt: skip
