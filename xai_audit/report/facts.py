"""The facts in ``run.json``, some of which an older or partial one may lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.language import say, tell
from xai_audit.run.verdicts import are_made
from xai_audit.store.address import placed
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xai_audit.run.reader import Run


@dataclass(frozen=True)
class RunFacts:
    """The facts that pictures and page need.

    Attributes:
        classes: model output index -> class name; empty where unknown.
        methods: the run's methods in the order in which they were requested; may be empty.
        preprocess: places the model's view in a photo.
        dataset_root: what image ids are relative to, or None.
        border: width of the border band as a share of the shorter side, or None.
        corner: side of the corner squares as a share of the shorter side, or None.
        warnings: the run's own, and what is missing here.
        below_chance: where the model is no better than chance: what is wrong, then what would fit
            and what would not, a sentence each; else empty.
        layer: the target layer, the size of its grid, and whether it was found; None where unknown.
        masks_made: whether a network made the masks, rather than somebody who gave them.
    """

    classes: dict[int, str]
    methods: tuple[str, ...]
    preprocess: Preprocess
    dataset_root: Path | None
    border: float | None
    corner: float | None
    warnings: tuple[str, ...]
    below_chance: tuple[str, ...]
    layer: str | None
    masks_made: bool

    def methods_first(self, methods: Iterable[str]) -> list[str]:
        """``methods``, each once, in the order in which they were requested; others last."""
        place = {name: number for number, name in enumerate(self.methods)}
        return sorted({*methods}, key=lambda name: (place.get(name, len(place)), name))

    def classes_first(self, names: Iterable[str]) -> list[str]:
        """``names`` of classes, each once, in the model's order; others last."""
        place = {name: number for number, name in enumerate(self.classes.values())}
        return sorted({*names}, key=lambda name: (place.get(name, len(place)), name))

    def class_of(self, output: object) -> str:
        """The name of a model output; its number where the run has no name for it."""
        if output is None or output != output:  # NaN: the column had a null
            return "?"
        index = int(output)  # type: ignore[call-overload]
        return self.classes.get(index, say("output {number}", number=index))


def read_facts(run: Run) -> RunFacts:
    """The facts in the record of ``run``."""
    record = run.record
    regions = record.get("regions") or {}
    root = record.get("dataset_root")
    noted = [*(record.get("warnings") or []), *(record.get("without_relevance") or [])]
    warnings = [str(warning) for warning in noted]
    if not root:
        warnings.append(
            tell("run.json names no dataset_root, so the galleries cannot show photos.")
        )
    if not record.get("preprocess"):
        warnings.append(
            tell(
                "run.json has no preprocess: heatmaps are placed as ImageNet's resize and crop "
                "would."
            )
        )
    return RunFacts(
        classes={int(output): str(name) for output, name in (record.get("classes") or {}).items()},
        methods=tuple((record.get("identity") or {}).get("methods") or ()),
        preprocess=Preprocess.from_json(record.get("preprocess") or {}),
        dataset_root=placed(root) if root else None,
        border=regions.get("border"),
        corner=regions.get("corner"),
        warnings=tuple(warnings),
        below_chance=tuple((record.get("below_chance") or {}).get("lines", ())),
        layer=_layer(run),
        masks_made=are_made(record),
    )


def _layer(run: Run) -> str | None:
    """``features, 14 × 14 cells, found automatically``."""
    model, asked = run.record.get("model"), run.config.get("model")
    if not isinstance(model, dict) or not model.get("target_layer"):
        return None
    given = isinstance(asked, dict) and asked.get("target_layer")
    size = " × ".join(map(str, model.get("grid") or ())) or "?"
    if given:
        return say("{layer}, {size} cells, given", layer=model["target_layer"], size=size)
    return say("{layer}, {size} cells, found automatically", layer=model["target_layer"], size=size)
