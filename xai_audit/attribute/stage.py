"""attribute: photos -> predictions and heatmaps in part files, scored in the same pass.

Why what decoding found goes into ``statuses.parquet`` and not into the manifest: the manifest is
the table of the index stage, which has finished by then. Each table has one stage that writes it,
so its rows are those that the stage's fingerprint stands for. Whoever reads the manifest through
``Audit.manifest`` gets both together.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from xai_audit.attribute.targets import resolved
from xai_audit.run.files import read_notes, write_table
from xai_audit.run.manifest import content_fingerprint, counted, statuses_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.schema import ATTRIBUTIONS, SCORES
from xai_audit.score.stage import part_mark, score_mark, scorer_of
from xai_audit.work.parts import files_of
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from xai_audit.attribute.explain import Explainer
    from xai_audit.run.progress import Progress
    from xai_audit.score.rows import Explained, Scorer
    from xai_audit.types import Attributor
    from xai_audit.vision.loader import Batch, LoadSettings, Photos
    from xai_audit.work.audit import Audit

_VERSION = 1
_COUNTS, _PROBLEMS, _BATCH = "counts", "problems", "batch_size"
# Keys of the model group that the facts hold as found, or that only say where weights came from.
_NOT_THE_FUNCTION = (
    "name", "preprocess", "target_layer", "head", "checkpoint", "trust_checkpoint",
)  # fmt: skip


def plan(audit: Audit) -> Plan:
    """Parts of ``compute.part_size`` selected rows."""
    rows, settings, size = audit.selected(), audit.settings, audit.settings.compute.part_size
    mark = fingerprint(
        _VERSION,
        content_fingerprint(rows),
        audit.facts.mark,
        {k: v for k, v in settings.model.items() if k not in _NOT_THE_FUNCTION},
        list(audit.spec.methods),
        list(settings.targets),
        audit.facts.precision,
        size,
    )
    scores = part_mark(mark, score_mark(audit, rows)) if "score" in settings.stages else None

    def parts() -> list[Part]:
        spans = [range(rows.num_rows)[at : at + size] for at in range(0, rows.num_rows, size)]
        return [
            Part(
                number=number,
                fingerprint=mark,
                args={"start": span.start, "stop": span.stop, "scores": scores},
                size=len(span),
            )
            for number, span in enumerate(spans)
        ]

    return Plan(mark, parts)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """One pass over the photos of the parts; what it finds goes to attributions and scores."""
    main = _pass(audit, progress, with_scores=any(part.args["scores"] for part in parts))
    spans = [range(part.args["start"], part.args["stop"]) for part in parts]
    for part, found in zip(parts, explained_parts(main, spans, progress), strict=True):
        yield _finished(audit, part, found, main.explainer.adaptive.smallest)


def _pass(audit: Audit, progress: Progress, *, with_scores: bool) -> Pass:
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
        photos=audit.photos(audit.selected(), load),
        load=load,
        scorer=scorer_of(audit, compute.device) if with_scores else None,
    )


def _finished(audit: Audit, part: Part, found: Explanations, batch_size: int) -> Finished:
    notes = {
        _PROBLEMS: json.dumps(found.problems),
        _COUNTS: json.dumps(found.counts),
        _BATCH: str(batch_size),
    }
    also = []
    if (mark := part.args["scores"]) is not None:
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
        smallest.append(int(notes[_BATCH]))
        for name, count in json.loads(notes[_COUNTS]).items():
            retries[name] += count
    write_table(audit.paths.statuses, statuses_table(problems))
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


@dataclass(frozen=True)
class Pass:
    """Everything that one pass over the photos needs.

    Attributes:
        explainer: explains batches.
        methods: all of them see each batch.
        photos: the selected rows of the manifest.
        load: how they are read.
        scorer: None leaves scoring for later.
    """

    explainer: Explainer
    methods: Sequence[Attributor]
    photos: Photos
    load: LoadSettings
    scorer: Scorer | None


@dataclass
class Explanations:
    """The results of one part.

    Attributes:
        attributions: tables of ATTRIBUTIONS, as they came.
        scores: tables of SCORES, as they came.
        problems: image_id -> (status, message) of images that are not usable.
        counts: retries of each kind.
    """

    attributions: list[pa.Table] = field(default_factory=list)
    scores: list[pa.Table] = field(default_factory=list)
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def attribution_table(self) -> pa.Table:
        """The rows of ATTRIBUTIONS, those of an image together."""
        from xai_audit.score.rows import ordered

        return ordered(self.attributions, ATTRIBUTIONS, self.problems)

    def score_table(self) -> pa.Table:
        """The rows of SCORES, those of an image together."""
        from xai_audit.score.rows import ordered

        return ordered(self.scores, SCORES, self.problems)


def explained_parts(
    work: Pass, spans: Sequence[range], progress: Callable[[int], None]
) -> Iterator[Explanations]:
    """The results of each of ``spans`` (rows of the photos), in order.

    Args:
        work: the pass.
        spans: the rows of each part.
        progress: called with the number of images just explained; may raise to stop.
    """
    from xai_audit.vision.loader import batches

    stream = batches(work.photos, spans, work.load)
    for span in spans:
        found, before, done = Explanations(), _counts(work.explainer), 0
        while done < len(span):
            chunk, batch = next(stream)
            _explain(work, batch, found)
            done += len(chunk)
            progress(len(chunk))
        after = _counts(work.explainer)
        found.counts = {name: after[name] - before[name] for name in after}
        yield found


def _explain(work: Pass, batch: Batch, found: Explanations) -> None:
    from xai_audit.score.rows import attribution_rows

    found.problems.update(batch.problems)
    if not batch.records:
        return

    def rows(block: Explained) -> tuple[pa.Table, pa.Table | None]:
        scores = None if work.scorer is None else work.scorer.rows(block, batch)
        return attribution_rows(block), scores

    tables, problems = work.explainer.explain(work.methods, batch, rows)
    found.problems.update(problems)
    found.attributions += [attributions for attributions, _ in tables]
    found.scores += [scores for _, scores in tables if scores is not None]


def _counts(explainer: Explainer) -> dict[str, int]:
    return {
        "oom_retries": explainer.adaptive.retries,
        "nonfinite_retries": explainer.nonfinite_retries,
    }


ATTRIBUTE = Stage(
    "attribute", "attribute", _VERSION, "attributions", plan, merge, work, needs=("index",)
)
