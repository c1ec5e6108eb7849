"""One pass over photos: batches in, the rows of their heatmaps and scores out, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xai_audit.schema import ATTRIBUTIONS, SCORES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from xai_audit.attribute.explain import Explainer
    from xai_audit.score.rows import Explained, Scorer
    from xai_audit.types import Attributor
    from xai_audit.vision.loader import Batch, LoadSettings, Photos


@dataclass(frozen=True)
class Pass:
    """Everything that one pass over the photos needs.

    Attributes:
        explainer: explains batches.
        methods: all of them see each batch.
        photos: the selected rows of the manifest.
        load: how they are read.
        scorer: None leaves scoring for later.
        names: model output -> class name.
    """

    explainer: Explainer
    methods: Sequence[Attributor]
    photos: Photos
    load: LoadSettings
    scorer: Scorer | None
    names: Mapping[int, str]


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


def _explain(work: Pass, photos: Batch, found: Explanations) -> None:
    from xai_audit.score.rows import attribution_rows

    found.problems.update(photos.problems)
    for batch in work.explainer.cases(photos, work.names):
        if not batch.records:
            continue

        def rows(block: Explained, of: Batch = batch) -> tuple[pa.Table, pa.Table | None]:
            scores = None if work.scorer is None else work.scorer.rows(block, of)
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
