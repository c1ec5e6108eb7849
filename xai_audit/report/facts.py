"""What ``run.json`` tells about a run, tolerant of what an older or partial one leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.errors import OutputError
from xai_audit.run.files import read_json
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xai_audit.run.paths import RunPaths


@dataclass(frozen=True)
class RunFacts:
    """The facts that pictures and page need.

    Attributes:
        told: everything in ``run.json``.
        classes: model output index -> class name; empty where not told.
        preprocess: places the model's view in a photo.
        dataset_root: what image ids are relative to, or None.
        border: width of the border band as a share of the shorter side, or None.
        corner: side of the corner squares as a share of the shorter side, or None.
        warnings: the run's own, and what is missing here.
    """

    told: dict[str, Any]
    classes: dict[int, str]
    preprocess: Preprocess
    dataset_root: Path | None
    border: float | None
    corner: float | None
    warnings: tuple[str, ...]

    def is_finished(self, stage: str) -> bool:
        """Whether the tables of ``stage`` are those of the scores at hand."""
        # A run that is told by hand notes no fingerprints: its tables are taken as they are.
        noted = self.told.get("fingerprints")
        return noted is None or stage in noted

    def methods_first(self, methods: Iterable[str]) -> list[str]:
        """``methods``, each once, in the order in which the run was asked for them."""
        asked = (self.told.get("identity") or {}).get("methods") or []
        place = {name: number for number, name in enumerate(asked)}
        return sorted({*methods}, key=lambda name: (place.get(name, len(place)), name))

    def class_of(self, output: object) -> str:
        """The name of a model output; its number where the run tells no name."""
        if output is None or output != output:  # NaN: the column had a null
            return "?"
        index = int(output)  # type: ignore[call-overload]
        return self.classes.get(index, f"output {index}")


def read_facts(paths: RunPaths) -> RunFacts:
    """The facts of ``paths.run_json``.

    Raises:
        OutputError: the file is absent or holds no JSON object.
    """
    told = _read_object(paths.run_json)
    regions = told.get("regions") or {}
    root = told.get("dataset_root")
    warnings = [str(warning) for warning in told.get("warnings") or []]
    if not root:
        warnings.append("run.json names no dataset_root, so the galleries cannot show photos.")
    if not told.get("preprocess"):
        warnings.append(
            "run.json tells no preprocess: heatmaps are placed as ImageNet's resize and crop would."
        )
    return RunFacts(
        told=told,
        classes={int(output): str(name) for output, name in (told.get("classes") or {}).items()},
        preprocess=Preprocess.from_json(told.get("preprocess") or {}),
        dataset_root=Path(root) if root else None,
        border=regions.get("border"),
        corner=regions.get("corner"),
        warnings=tuple(warnings),
    )


def _read_object(file: Path) -> dict[str, Any]:
    told = read_json(file)
    if not isinstance(told, dict):
        raise OutputError(
            "the facts of this run cannot be read",
            where=file,
            expected="a JSON object",
            got="no readable JSON" if told is None else type(told).__name__,
            remedy="run the same command again",
        )
    return told
