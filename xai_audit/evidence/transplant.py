"""Measured pairs: the model's probability with the cue and without it.

Worker processes read, transplant and crop; the model runs on batches. A batch that does not fit in
memory is redone smaller, one that is not finite is redone in fp32; a photo that fails is left out,
and so is a pair on which a cue fails.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch

from xai_audit.evidence.batch import Batch
from xai_audit.evidence.plan import shown
from xai_audit.evidence.views import Packed, PairViews
from xai_audit.network.inputs import AdaptiveBatch, Inputs, decided_for, log_odds, model_errors
from xai_audit.run.labelling import labels_of
from xai_audit.schema import ABSENT, TRANSPLANTS
from xai_audit.vision.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from xai_audit.errors import CueProblem
    from xai_audit.evidence.plan import Pair
    from xai_audit.evidence.store import Measured
    from xai_audit.types import Cue, LoadedModel
    from xai_audit.vision.canvas import Source


Row = dict[str, Any]
"""A row of TRANSPLANTS."""

# Pairs whose views come out of a worker process together, if there are so many for each of them
# several times.
_PACKED, _TURNS = 16, 4


@dataclass(frozen=True)
class Spent:
    """The cost of measuring.

    Attributes:
        forwards: photos that went through the model.
        oom_retries: batches redone smaller.
    """

    forwards: int
    oom_retries: int

    def notes(self) -> dict[str, str]:
        """The costs as notes of a part."""
        return {name: str(count) for name, count in vars(self).items()}


class Transplanter:
    """Measures pairs with one model.

    Args:
        source: of canvases.
        cues: by key.
        model: prepared.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch_size: photos a forward.
        labels: class -> model output; None: as the rows of the source have them, a class each.

    Attributes:
        cues: by key.
        forwards: class of a cell -> photos that went through the model for it so far, now or when
            its pairs were measured before.
        problems: the pairs on which a cue failed, in the order in which they were asked.
        before: pairs that need not be measured again; None: there are none.
    """

    def __init__(
        self,
        source: Source,
        cues: Mapping[str, Cue],
        model: LoadedModel,
        *,
        precision: str,
        batch_size: int,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        self._source, self.cues, self._model = source, dict(cues), model
        self._inputs = Inputs(model, precision)
        self.adaptive = AdaptiveBatch(batch_size)
        self.forwards: Counter[str] = Counter()
        self.problems: dict[Pair, CueProblem] = {}
        self.before: Measured | None = None
        ids, classes, own = (
            source.rows.column(name).to_pylist() for name in ("image_id", "class_name", "label")
        )
        self._class_of = dict(zip(ids, classes, strict=True))
        self._label_of = labels or dict(zip(classes, own, strict=True))
        self._place = {image_id: place for place, image_id in enumerate(ids)}
        # The same for all calls, the photos' pairs being their sampler: they keep their canvases.
        self._requested: list[list[list[Pair]]] = []
        self._workers: Workers[Packed] = Workers(
            PairViews(source, self.cues),
            num_workers=source.num_workers,
            # Up to one group more than enough, of a photo with a pair for each cue.
            batch_bytes=2 * (_PACKED + len(self.cues)) * 3 * math.prod(model.preprocess.crop),
            sampler=self._requested,
            persistent_workers=source.num_workers > 0,
        )

    def spent(self, since: Spent | None = None) -> Spent:
        """The cost so far, or that ``since`` an earlier moment."""
        before = since or Spent(0, 0)
        forwards = self.forwards.total() - before.forwards
        return Spent(forwards, self.adaptive.retries - before.oom_retries)

    def run(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Row]]:
        """Every pair with its row: those measured before, then those of one photo together."""
        missing = []
        for pair in pairs:
            known = self.before.get(pair) if self.before is not None else None
            if known is None:
                missing.append(pair)
                continue
            row, forwards = known
            self.forwards[pair.class_name] += forwards
            yield pair, row
        if missing:
            yield from self._fresh(missing)

    def _fresh(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Row]]:
        """Every pair with its row, by the model.

        A batch holds pairs of one class only, so that a class's rows are the same to the last bit
        whichever classes are measured beside it. A pair that failed has no probability.
        """
        groups: dict[tuple[str, str], list[Pair]] = {}
        for pair in pairs:
            groups.setdefault((pair.class_name, pair.image), []).append(pair)
        self._requested[:] = _packed([*groups.values()], self._source.num_workers)
        waiting: dict[str, Batch] = {}
        views = (one for packed in self._workers for one in packed.by_photo())
        for ((name, _), group), found in zip(groups.items(), views, strict=True):
            if found is None:
                yield from ((pair, self._row(pair)) for pair in group)
                continue
            self.problems |= {group[place]: problem for place, problem in found.problems.items()}
            left_out = sorted({*range(len(group))} - {*found.done})
            yield from ((group[place], self._row(group[place])) for place in left_out)
            if not found.done:
                continue
            batch = waiting.setdefault(name, Batch())
            batch.add([group[place] for place in found.done], found.views, found.ends)
            if batch.size >= self.adaptive.requested:
                yield from self._measured(waiting.pop(name))
        for batch in waiting.values():
            yield from self._measured(batch)

    def table(self, found: Iterable[tuple[Pair, Row]]) -> pa.Table:
        """TRANSPLANTS by class, cue and the photos' places, in whatever order they came."""

        def order(one: tuple[Pair, Row]) -> tuple[str, str, str, int, int, int]:
            pair = one[0]
            image, first, second = (self._place[photo] for photo in pair.photos)
            return pair.class_name, pair.cue, pair.given or "", image, first, second

        rows = [row for _, row in sorted(found, key=order)]
        return pa.Table.from_pylist(rows, schema=TRANSPLANTS)

    def _measured(self, batch: Batch) -> Iterator[tuple[Pair, Row]]:
        """The rows of the batch's pairs."""
        pairs, views, ids = batch.pairs, torch.cat(batch.views), batch.ids
        self.forwards[pairs[0].class_name] += len(views)
        logits = torch.full((len(views), self._model.num_outputs), torch.nan)
        pieces = self.adaptive.over(
            len(views), lambda piece: self._logits(views[piece], ids[piece])
        )
        for piece, result in pieces:
            if result is not None:
                logits[piece] = result
        logits = logits[batch.ends]
        label = torch.tensor([self._label_of[pair.class_name] for pair in pairs])
        odds = log_odds(logits.double(), label.repeat_interleave(2), self._model.head)
        named, limits = label.repeat_interleave(2), self._model.thresholds
        pred = logits.argmax(1)
        if limits is not None:
            pred = torch.where(decided_for(logits, named[:, None], limits)[0][:, 0], named, ABSENT)
        pred = pred.masked_fill(~logits.isfinite().all(1), -1)
        numbers = (values.view(-1, 2).tolist() for values in (odds.sigmoid(), odds, pred))
        for pair, views_of, *found in zip(pairs, batch.forwards, *numbers, strict=True):
            row = self._row(pair, *found)
            if self.before is not None:
                self.before.add(pair, row, forwards=views_of)
            yield pair, row

    def _row(
        self,
        pair: Pair,
        p: Sequence[float] = (math.nan, math.nan),
        log_odds: Sequence[float] = (math.nan, math.nan),
        pred: Sequence[int] = (-1, -1),
    ) -> Row:
        """The row of a pair from what the model gives with and without the cue; -1 failed."""
        own = self._seen(pair.image, pair.class_name)
        row: Row = {
            "class_name": pair.class_name,
            "cue": shown(pair.cue),
            "question": pair.question,
            "given": None if pair.given is None else shown(pair.given),
            "image_id": pair.image,
            "image_class": own,
            "donor_with": pair.donor_with,
            "donor_without": pair.donor_without,
            "donor_without_class": self._seen(pair.donor_without, pair.class_name),
        }
        for place, end in enumerate(("with", "without")):
            row[f"p_{end}"] = None if math.isnan(p[place]) else p[place]
            row[f"log_odds_{end}"] = None if math.isnan(log_odds[place]) else log_odds[place]
            named = self._label_of[pair.class_name]
            right = self._label_of[own] if self._model.thresholds is None else ABSENT
            right = named if own == pair.class_name else right
            row[f"correct_{end}"] = None if -1 in pred else pred[place] == right
            row[f"predicted_{end}"] = None if -1 in pred else pred[place] == named
        return row

    def _seen(self, image_id: str, name: str) -> str:
        """The class of a photo; of several labels ``name`` where it has it, else their set."""
        own = self._class_of[image_id]
        several = self._model.thresholds is not None
        return name if several and name in labels_of(own) else own

    def _logits(self, views: torch.Tensor, ids: list[str]) -> torch.Tensor:
        """(B, K) float32 on the CPU, of views of the photos ``ids``."""
        with model_errors(self._model.module, list(dict.fromkeys(ids))):
            return self._inputs.logits(self._model.module, views)


def _packed(groups: Sequence[list[Pair]], workers: int) -> Iterator[list[list[Pair]]]:
    """The groups in their order, a few with few pairs together."""
    enough = min(_PACKED, sum(map(len, groups)) // (_TURNS * max(workers, 1)))
    some: list[list[Pair]] = []
    for group in groups:
        some.append(group)
        if sum(map(len, some)) >= enough:
            yield some
            some = []
    if some:
        yield some
