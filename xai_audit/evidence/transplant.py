"""Measured pairs: the model's probability with the cue and without it.

Worker processes read, transplant and crop; the model runs on batches. A batch that does not fit in
memory is redone smaller, one that is not finite is redone in fp32; a photo that fails is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from xai_audit.network.inputs import AdaptiveBatch, Inputs, log_odds, model_errors
from xai_audit.vision.canvas import Canvases, fitted, one_thread, seen, transplanted
from xai_audit.vision.loader import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Pair
    from xai_audit.types import Canvas, Cue, LoadedModel
    from xai_audit.vision.canvas import Source


@dataclass(frozen=True)
class Task:
    """One pair to measure.

    Attributes:
        class_name: of the cell.
        label: the model output of that class.
        cue: what is transplanted.
        question: ``reliance`` or ``pull``.
        pair: the photo and its donors.
        given: the cue that is put back afterwards, or None.
    """

    class_name: str
    label: int
    cue: str
    question: str
    pair: Pair
    given: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The model's outputs on one pair; NaN where it failed.

    Attributes:
        task: the pair.
        probability: with the cue, without it.
        log_odds: with the cue, without it.
        pred: the outputs predicted, -1 where it failed.
    """

    task: Task
    probability: tuple[float, float]
    log_odds: tuple[float, float]
    pred: tuple[int, int]


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
        cues: by name.
        model: prepared.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch_size: photos a forward.
    """

    def __init__(
        self,
        source: Source,
        cues: Mapping[str, Cue],
        model: LoadedModel,
        *,
        precision: str,
        batch_size: int,
    ) -> None:
        self._source, self._cues, self._model = source, dict(cues), model
        self._inputs, self._precision = Inputs(model, precision), precision
        self.adaptive = AdaptiveBatch(batch_size)
        self.forwards = 0

    def spent(self, since: Spent | None = None) -> Spent:
        """The cost so far, or that ``since`` an earlier moment."""
        before = since or Spent(0, 0)
        return Spent(self.forwards - before.forwards, self.adaptive.retries - before.oom_retries)

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """The outcome of every task, those of one class and photo together.

        A batch holds tasks of one class only, so that a class's outcomes are the same to the last
        bit whichever classes are measured beside it.
        """
        groups: dict[tuple[str, str], list[Task]] = {}
        for task in tasks:
            groups.setdefault((task.class_name, task.pair.image), []).append(task)
        loader = DataLoader(
            _Views(self._source, self._cues, list(groups.values())),
            batch_size=None,
            num_workers=self._source.num_workers,
            worker_init_fn=quiet if self._source.num_workers else None,
        )
        waiting: dict[str, tuple[list[Task], list[torch.Tensor]]] = {}
        for ((name, _), group), pairs in zip(groups.items(), loader, strict=True):
            if pairs is None:
                yield from (_failed(task) for task in group)
                continue
            done, view, left_out = pairs
            ready, views = waiting.setdefault(name, ([], []))
            ready += [group[place] for place in done]
            views.append(view)
            yield from (_failed(group[place]) for place in left_out)
            if sum(map(len, views)) >= self.adaptive.requested:
                yield from self._outcomes(ready, torch.cat(views))
                del waiting[name]
        for ready, views in waiting.values():
            yield from self._outcomes(ready, torch.cat(views))

    def _outcomes(self, tasks: list[Task], views: torch.Tensor) -> Iterator[Outcome]:
        """Outcomes of ``tasks`` from views (2 T, 3, H, W) uint8: with, without, with, ..."""
        self.forwards += len(views)
        logits = torch.full((len(views), self._model.num_outputs), torch.nan)
        ids = [task.pair.image for task in tasks for _ in range(2)]
        pieces = self.adaptive.over(
            len(views), lambda piece: self._logits(views[piece], ids[piece])
        )
        for piece, result in pieces:
            if result is not None:
                logits[piece] = result
        label = torch.tensor([task.label for task in tasks]).repeat_interleave(2)
        odds = log_odds(logits.double(), label, self._model.head)
        probability = odds.sigmoid().numpy()
        known = logits.isfinite().all(1).numpy()
        pred = np.where(known, logits.argmax(1).numpy(), -1)
        for place, task in enumerate(tasks):
            two = slice(2 * place, 2 * place + 2)
            yield Outcome(task, _two(probability[two]), _two(odds.numpy()[two]), _two(pred[two]))

    def _logits(self, views: torch.Tensor, ids: list[str]) -> torch.Tensor:
        """(B, K) float32 on the CPU, of views of the photos ``ids``."""
        images = self._inputs.normalised(views)
        with torch.no_grad(), model_errors(self._model.module, list(dict.fromkeys(ids))):
            with self._inputs.autocast():
                logits = self._model.module(images)
            if self._precision != "fp32" and not bool(torch.isfinite(logits).all()):
                logits = self._model.module(images)
        found: torch.Tensor = logits.float().cpu()
        return found


def _two(values: NDArray) -> tuple:  # type: ignore[type-arg]
    first, second = values.tolist()
    return first, second


def _failed(task: Task) -> Outcome:
    nothing = (float("nan"), float("nan"))
    return Outcome(task, nothing, nothing, (-1, -1))


class _Views(Dataset["tuple[list[int], torch.Tensor, list[int]] | None"]):
    """The model's views of the tasks of each photo."""

    def __init__(self, source: Source, cues: dict[str, Cue], groups: list[list[Task]]) -> None:
        self._canvases, self._cues, self._groups = Canvases(source), cues, groups

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, index: int) -> tuple[list[int], torch.Tensor, list[int]] | None:
        """Places of the tasks done, their views (2 T, 3, H, W), places left out; None: no photo."""
        with one_thread():
            return self._views(self._groups[index])

    def _views(self, group: list[Task]) -> tuple[list[int], torch.Tensor, list[int]] | None:
        canvas = self._canvases[group[0].pair.image]
        if canvas is None:
            return None
        done, views = [], []
        for place, task in enumerate(group):
            pair = task.pair
            donors = [self._canvases[one] for one in (pair.donor_with, pair.donor_without)]
            known = [donor for donor in donors if donor is not None]
            if len(known) == 2 and (both := self._both(task, canvas, known)) is not None:
                views += both
                done.append(place)
        left_out = sorted({*range(len(group))} - {*done})
        return (done, torch.stack(views), left_out) if done else None

    def _both(self, task: Task, canvas: Canvas, donors: list[Canvas]) -> list[torch.Tensor] | None:
        """The view with each donor's cue; None where another cue cannot be put back into one."""
        cue, views = fitted(self._cues[task.cue], [canvas, *donors]), []
        for donor in donors:
            photo = transplanted(cue, canvas, donor)
            if task.given is not None:
                # A cue is put back at its old place, which a photo of another shape does not have.
                if photo.shape != canvas.photo.shape:
                    return None
                back = replace(canvas, photo=photo)
                photo = transplanted(self._cues[task.given], back, canvas)
            views.append(seen(photo, canvas.preprocess))
        return views
