"""The rows of a group of methods on the photos of some parts: those kept earlier, the rest new."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import TYPE_CHECKING

from xai_audit.attribute.kept import Kept, noted
from xai_audit.attribute.main_pass import Explanations, Pass, explained_parts
from xai_audit.attribute.targets import targets_of
from xai_audit.run.paths import RunPaths
from xai_audit.score.stage import scorer_of
from xai_audit.work.stage import Finished

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from xai_audit.attribute.groups import SharedProgress
    from xai_audit.run.progress import Progress
    from xai_audit.types import Attributor
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part

# Notes of a part file.
COUNTS, PROBLEMS, BATCH = "counts", "problems", "batch_size"


def finished_parts(
    audit: Audit,
    parts: Sequence[Part],
    methods: Sequence[Attributor],
    rows: pa.Table,
    progress: SharedProgress,
) -> Iterator[Finished]:
    """One pass over the photos of the parts; what it finds goes to attributions and scores.

    Photos of which an earlier selection has the rows do not go through the model; the scores of
    their parts are left to the score stage.

    Args:
        audit: of the run.
        parts: of one group of methods.
        methods: of the group.
        rows: of the manifest, those selected.
        progress: called with the number of images just done; may raise to stop.
    """
    kept = Kept(audit.paths, parts[0].args["same"], rows)
    spans = [range(part.args["start"], part.args["stop"]) for part in parts]
    fresh = [[at for at in span if not kept.has(at)] for span in spans]
    with_scores = any(part.args["scores"] for part in parts)
    main = (audit, methods, fresh, rows, progress)
    made = _made(*main, with_scores=with_scores) if any(fresh) else iter(())
    for part, span, new in zip(parts, spans, fresh, strict=True):
        progress.begin(part)
        found, batch = next(made) if new else (Explanations(), audit.settings.compute.batch_size)
        if len(new) < len(span):
            kept.add(found, span)
            progress(len(span) - len(new))
        mine = rows.slice(span.start, len(span))
        yield _finished(audit, part, found, batch, rows=mine, whole=len(new) == len(span))


def _made(
    audit: Audit,
    methods: Sequence[Attributor],
    fresh: Sequence[Sequence[int]],
    rows: pa.Table,
    progress: Progress,
    *,
    with_scores: bool,
) -> Iterator[tuple[Explanations, int]]:
    """What the model says of the rows ``fresh`` of each part that has any, and the batch size."""
    some = [each for each in fresh if each]
    ends = list(accumulate(map(len, some)))
    spans = [range(end - len(each), end) for each, end in zip(some, ends, strict=True)]
    photos = rows.take([at for each in some for at in each])
    main = _pass(audit, methods, photos, progress, with_scores)
    for found in explained_parts(main, spans, progress):
        yield found, main.explainer.adaptive.smallest


def _pass(
    audit: Audit,
    methods: Sequence[Attributor],
    rows: pa.Table,
    progress: Progress,
    with_scores: bool,
) -> Pass:
    from xai_audit.attribute.explain import Explainer
    from xai_audit.attribute.references import references_of

    compute, model = audit.compute, audit.model
    load = audit.load(batch_size=compute.batch_size, num_workers=compute.num_workers)
    explainer = Explainer(
        model,
        targets=targets_of(audit),
        precision=compute.precision,
        batch_size=compute.batch_size,
        references=references_of(audit),
        progress=progress.forwards,
    )
    return Pass(
        explainer=explainer,
        methods=methods,
        photos=audit.photos(rows, load),
        load=load,
        scorer=scorer_of(audit, compute.device) if with_scores else None,
        names={output: name for name, output in audit.labels.items()},
    )


def _finished(
    audit: Audit,
    part: Part,
    found: Explanations,
    batch_size: int | str,
    *,
    rows: pa.Table,
    whole: bool,
) -> Finished:
    """A part of ``rows``, with its scores where the ``whole`` of it went through the model."""
    notes = {
        PROBLEMS: json.dumps(found.problems),
        COUNTS: json.dumps(found.counts),
        BATCH: str(batch_size),
        **noted(part.args["same"], rows),
    }
    also = []
    if (mark := part.args["scores"]) is not None and whole:
        also.append((RunPaths.part(audit.paths.scores, part.number), mark, found.score_table()))
    return Finished(part, found.attribution_table(), notes, also)
