"""attribute: photos -> predictions and heatmaps in part files, scored in the same pass.

Why what decoding found goes into ``statuses.parquet`` and not into the manifest: the manifest is
the table of the index stage, which has finished by then. Each table has one stage that writes it,
so its rows are those that the stage's fingerprint stands for. Whoever reads the manifest through
``Audit.manifest`` gets both together.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from xai_audit.attribute.kept import Kept, keep, noted, prune
from xai_audit.attribute.main_pass import Explanations, Pass, explained_parts
from xai_audit.attribute.targets import resolved
from xai_audit.config.costs import forwards_of
from xai_audit.run.files import read_notes, write_table
from xai_audit.run.manifest import content_fingerprint, counted, statuses_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.score.stage import part_mark, score_mark, scorer_of
from xai_audit.work.parts import files_of
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_VERSION = 1
_FEW = 10  # forwards a photo that are no surprise
_COUNTS, _PROBLEMS, _BATCH = "counts", "problems", "batch_size"
# Keys of the model group that the facts hold as found, or that only say where weights came from.
_NOT_THE_FUNCTION = (
    "name", "preprocess", "target_layer", "head", "checkpoint", "trust_checkpoint",
)  # fmt: skip


def plan(audit: Audit) -> Plan:
    """Parts of ``compute.part_size`` selected rows."""
    rows, settings, size = audit.selected(), audit.settings, audit.settings.compute.part_size
    selection = content_fingerprint(rows)
    mark = fingerprint(_VERSION, selection, *(own := _own_marks(audit)), size)
    # Of other photos a row does not depend, but for baselines that are drawn from them.
    same = fingerprint(_VERSION, *own, selection if _draws_photos(audit) else None)
    scores = part_mark(mark, score_mark(audit, rows)) if "score" in settings.stages else None

    def parts() -> list[Part]:
        keep(audit.paths, same, but=mark)
        _log_costs(audit, rows.num_rows)
        spans = [range(rows.num_rows)[at : at + size] for at in range(0, rows.num_rows, size)]
        return [
            Part(
                number=number,
                fingerprint=mark,
                args={"start": span.start, "stop": span.stop, "scores": scores, "same": same},
                size=len(span),
            )
            for number, span in enumerate(spans)
        ]

    return Plan(mark, parts)


def _log_costs(audit: Audit, photos: int) -> None:
    """Log how many forwards the methods take, where that is more than one each."""
    costs = {str(node["name"]): forwards_of(node) for node in audit.spec.methods}
    if all(cost is not None and cost <= _FEW for cost in costs.values()) and len(costs) == 1:
        return
    texts = [f"{name} {'?' if cost is None else f'{cost:,}'}" for name, cost in costs.items()]
    total = sum(cost or 0 for cost in costs.values()) * photos
    more = ", those of ? not counted" if None in costs.values() else ""
    log.info(
        "attribute: forwards a photo: %s; at most about %s for %s photos%s",
        ", ".join(texts), f"{total:,}", f"{photos:,}", more,
    )  # fmt: skip


def _own_marks(audit: Audit) -> list[Any]:
    """Everything that decides the rows of a photo, beside the photo itself."""
    settings = audit.settings
    return [
        audit.facts.mark,
        {k: v for k, v in settings.model.items() if k not in _NOT_THE_FUNCTION},
        list(audit.spec.methods),
        list(settings.targets),
        audit.facts.precision,
    ]


def _draws_photos(audit: Audit) -> bool:
    """Whether a method may take photos of the dataset as baselines."""
    ours = all(str(node.get("_target_")).startswith("xai_audit.") for node in audit.spec.methods)
    return not ours or '"photo"' in json.dumps(list(audit.spec.methods), default=str)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """One pass over the photos of the parts; what it finds goes to attributions and scores.

    Photos of which an earlier selection has the rows do not go through the model; the scores of
    their parts are left to the score stage.
    """
    rows = audit.selected()
    kept = Kept(audit.paths, parts[0].args["same"], rows)
    spans = [range(part.args["start"], part.args["stop"]) for part in parts]
    fresh = [[at for at in span if not kept.has(at)] for span in spans]
    made = _made(audit, parts, fresh, rows, progress) if any(fresh) else iter(())
    for part, span, new in zip(parts, spans, fresh, strict=True):
        found, batch = next(made) if new else (Explanations(), audit.settings.compute.batch_size)
        if len(new) < len(span):
            kept.add(found, span)
            progress(len(span) - len(new))
        mine = rows.slice(span.start, len(span))
        yield _finished(audit, part, found, batch, rows=mine, whole=len(new) == len(span))


def _made(
    audit: Audit,
    parts: Sequence[Part],
    fresh: Sequence[Sequence[int]],
    rows: pa.Table,
    progress: Progress,
) -> Iterator[tuple[Explanations, int]]:
    """What the model says of the rows ``fresh`` of each part that has any, and the batch size."""
    some = [each for each in fresh if each]
    ends = list(accumulate(map(len, some)))
    spans = [range(end - len(each), end) for each, end in zip(some, ends, strict=True)]
    with_scores = any(part.args["scores"] for part in parts)
    main = _pass(audit, rows.take([at for each in some for at in each]), progress, with_scores)
    for found in explained_parts(main, spans, progress):
        yield found, main.explainer.adaptive.smallest


def _pass(audit: Audit, rows: pa.Table, progress: Progress, with_scores: bool) -> Pass:
    from xai_audit.attribute.explain import Explainer
    from xai_audit.attribute.references import references_of

    compute, model = audit.compute, audit.model
    load = audit.load(batch_size=compute.batch_size, num_workers=compute.num_workers)
    explainer = Explainer(
        model,
        targets=resolved(audit.settings.targets, audit.labels, model.num_outputs),
        precision=compute.precision,
        batch_size=compute.batch_size,
        references=references_of(audit),
        progress=progress.forwards,
    )
    return Pass(
        explainer=explainer,
        methods=audit.methods,
        photos=audit.photos(rows, load),
        load=load,
        scorer=scorer_of(audit, compute.device) if with_scores else None,
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
        _PROBLEMS: json.dumps(found.problems),
        _COUNTS: json.dumps(found.counts),
        _BATCH: str(batch_size),
        **noted(part.args["same"], rows),
    }
    also = []
    if (mark := part.args["scores"]) is not None and whole:
        also.append((RunPaths.part(audit.paths.scores, part.number), mark, found.score_table()))
    return Finished(part, found.attribution_table(), notes, also)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write what decoding found of each photo; what later stages need to know of the model.

    Where the model is no better than chance it is asked again, on some photos.
    """
    from xai_audit.attribute.chance import checked

    problems: dict[str, tuple[str, str]] = {}
    retries, smallest = {"oom_retries": 0, "nonfinite_retries": 0}, []
    files = files_of(audit.paths, ATTRIBUTE, parts)
    for file in files:
        notes = read_notes(file)
        problems |= {i: (s, message) for i, (s, message) in json.loads(notes[_PROBLEMS]).items()}
        smallest += [int(notes[_BATCH])] if notes[_BATCH].isdigit() else []
        for name, count in json.loads(notes[_COUNTS]).items():
            retries[name] += count
    write_table(audit.paths.statuses, statuses_table(problems))
    if parts:
        prune(audit.paths, parts[0].args["same"], audit.selected)
    facts, settings = audit.facts, audit.settings
    model = {k: v for k, v in settings.model.items() if not isinstance(v, dict)}
    return {
        "counts": counted(audit.manifest()) | retries,
        "device": audit.compute.device,
        "precision": facts.precision,
        "preprocess": asdict(facts.preprocess),
        "part_size": settings.compute.part_size,
        "batch_size": {
            "asked": audit.compute.batch_size,
            "used": min(smallest, default=audit.compute.batch_size),
        },
        "model": model | facts.noted(),
    } | checked(audit, files)


ATTRIBUTE = Stage(
    "attribute", "attribute", _VERSION, "attributions", plan, merge, work, needs=("index",)
)
