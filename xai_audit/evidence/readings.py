"""Reading the survey's tables by cue: descriptors, regions on the heatmap's grid, levels.

Rows of the survey are photo by photo, the cues of each in one order, so that a cue is every k-th.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from xai_audit.errors import CueProblem, PluginError
from xai_audit.evidence.columns import SURVEY, WRONG
from xai_audit.evidence.left_out import counted
from xai_audit.language import tell
from xai_audit.run.labelling import labels_of, seen_from
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.left_out import LeftOut


@dataclass(frozen=True)
class CueReading:
    """One cue in n photos, as far as planning needs it.

    Attributes:
        cue: its key.
        way: of the cue.
        needs_mask: of the cue.
        areas: (n,) share of the view; NaN where there is no region.
        levels: (n,), for ``way="down"``; NaN elsewhere.
        usable: (n,) bool, whether the photo can take and give the cue.
        object_included: (n,) float64, 1 where a transplant changes the object too, 0 where it does
            not; NaN of a cue that no object can have. None: of no photo known.
    """

    cue: str
    way: str
    needs_mask: bool
    areas: NDArray[np.float64]
    levels: NDArray[np.float64]
    usable: NDArray[np.bool_]
    object_included: NDArray[np.float64] | None = None

    def cropped(self, places: Sequence[int]) -> int:
        """Of how many of the photos at ``places`` the model sees nothing of the cue.

        None for a cue that is what a mask leaves.
        """
        return 0 if self.needs_mask else int((self.areas[[*places]] == 0).sum())

    def in_words(self, count: int, places: Sequence[int]) -> str:
        """How many usable photos a class has, of those at ``places``."""
        if self.needs_mask:
            if count == 1:
                return tell("1 usable photo of this class with an object mask")
            return tell("{n:d} usable photos of this class with an object mask", n=count)
        found = tell("{n:d} usable photos of this class", n=count)
        if count == 1:
            found = tell("1 usable photo of this class")
        if not (unseen := self.cropped(places)):
            return found
        return tell(
            "{FOUND} (the model's crop leaves this cue out of {unseen:d} of {total:d})",
            FOUND=found, unseen=unseen, total=len(places),
        )  # fmt: skip


@dataclass(frozen=True)
class SurveyTables:
    """The finished survey of a run.

    Attributes:
        paths: of the run.
    """

    paths: RunPaths

    @cached_property
    def photos(self) -> pa.Table:
        """The n photos, in PHOTOS."""
        return pq.read_table(self.paths.surveyed)

    @cached_property
    def ids(self) -> list[str]:
        """The n image ids."""
        ids: list[str] = self.photos.column("image_id").to_pylist()
        return ids

    @cached_property
    def classes(self) -> NDArray[np.str_]:
        """(n,) class names."""
        return np.array(self.photos.column("class_name").to_pylist(), dtype=str)

    @cached_property
    def wrong(self) -> list[list[str]] | None:
        """(n,) where photos have several labels, the classes they are wrongly decided for, or not.

        :attr:`classes` are then sets of labels. None elsewhere.
        """
        if WRONG.name not in self.photos.column_names:
            return None
        found: list[list[str]] = self.photos.column(WRONG.name).to_pylist()
        return found

    def seen_from(self, name: str) -> NDArray[np.str_]:
        """(n,) class names; of several labels ``name`` where a photo has it, else its set."""
        return self.classes if self.wrong is None else seen_from(name, self.classes)

    def correct(self, name: str) -> NDArray[np.bool_]:
        """(n,) whether the model is right; of several labels, in its decision for ``name``."""
        if self.wrong is None:
            return np.asarray(self.photos.column("correct").to_numpy())
        return np.array([name not in names for names in self.wrong], dtype=bool)

    def present(self, names: Iterable[str]) -> list[str]:
        """Those of the classes ``names`` that a photo has."""
        held = {*self.classes.tolist()}
        if self.wrong is not None:
            held = {label for text in held for label in labels_of(text)}
        return [name for name in names if name in held]

    @cached_property
    def cases(self) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
        """Places of photos and the class of each: one a photo, of several labels one a label."""
        if self.wrong is None:
            return np.arange(len(self.ids)), self.classes
        found = [
            (n, one) for n, text in enumerate(self.classes.tolist()) for one in labels_of(text)
        ]
        places = np.array([place for place, _ in found], np.int64)
        return places, np.array([name for _, name in found], dtype=str)

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """(n,) number of each photo's cluster: near-duplicates and photos of one group."""
        found: NDArray[np.int64] = self.photos.column("cluster").to_numpy()
        return found

    @cached_property
    def cues(self) -> dict[str, tuple[str, bool]]:
        """Key of a cue -> its way, and whether it needs a mask; in the survey's order."""
        rows = pq.read_table(self.paths.cues).to_pylist()
        return {row["cue"]: (row["way"], row["needs_mask"]) for row in rows}

    @property
    def ways(self) -> dict[str, str]:
        """Key of a cue -> its way."""
        return {key: way for key, (way, _) in self.cues.items()}

    @cached_property
    def readings(self) -> dict[str, CueReading]:
        """Key of a cue -> its reading."""
        columns = ("area", "level", "failed", "object_included")
        table = self._read(*columns) if self.ids else None
        return {key: self._reading(table, key, place) for place, key in enumerate(self.cues)}

    def _reading(self, table: pa.Table | None, cue: str, place: int) -> CueReading:
        way, needs_mask = self.cues[cue]
        if table is None:
            nothing = np.empty(0)
            return CueReading(cue, way, needs_mask, nothing, nothing, np.empty(0, dtype=bool))
        areas, levels, included = (
            table.column(name).cast(pa.float64()).fill_null(np.nan).to_numpy()
            .reshape(-1, len(self.cues))[:, place]
            for name in ("area", "level", "object_included")
        )  # fmt: skip
        usable = ~self._failed(table)[:, place]
        if np.isfinite(areas).any() or needs_mask:
            # NaN, an unknown area, is not above 0.
            usable &= areas > 0
        return CueReading(cue, way, needs_mask, areas, levels, usable, included)

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """(n,) bool, whether every cue could be read in the photo."""
        if not self.ids:
            return np.empty(0, dtype=bool)
        return np.asarray(~self._failed(self._read("failed")).any(axis=1))

    @property
    def left_out(self) -> dict[str, LeftOut]:
        """Key of a cue -> the photos in which it could not be read; absent where there are none."""
        table = self._read("image_id", "cue", "failed")
        failed = table.filter(table.column("failed").is_valid()).to_pylist()
        return counted(CueProblem(r["cue"], r["image_id"], r["failed"]) for r in failed)

    def _failed(self, table: pa.Table) -> NDArray[np.bool_]:
        """(n, cues) bool, where a cue could not be read."""
        known = table.column("failed").is_valid().to_numpy()
        found: NDArray[np.bool_] = known.reshape(-1, len(self.cues))
        return found

    def usable_ids(self, cue: str) -> set[str]:
        """The photos that can take and give ``cue``."""
        return {self.ids[place] for place in np.flatnonzero(self.readings[cue].usable)}

    def descriptors(self, cue: str) -> NDArray[np.float32] | None:
        """(n, D) of ``cue``, NaN where undefined; None where no photo has any.

        Raises:
            PluginError: they differ in length.
        """
        return self._vectors(cue, "descriptors")

    def regions(self, cue: str, grid: tuple[int, int]) -> NDArray[np.float32] | None:
        """(n, h, w) of ``cue`` on the heatmap's ``grid``; None for a property."""
        flat = self._vectors(cue, "region")
        return None if flat is None else flat.reshape(len(flat), *grid)

    def _vectors(self, cue: str, column: str) -> NDArray[np.float32] | None:
        place, step = [*self.cues].index(cue), len(self.cues)
        if not self.ids:
            return None
        rows = self._read(column).column(column).combine_chunks()
        lists = rows.take(pa.array(np.arange(place, len(rows), step)))
        known = lists.is_valid().to_numpy(zero_copy_only=False)
        sizes = {*np.diff(lists.drop_null().offsets.to_numpy()).tolist()}
        if not sizes:
            return None
        if len(sizes) > 1:
            raise PluginError(
                f"cue {cue} broke its contract", expected=f"{column} of one length", got=sizes
            )
        found = np.full((len(lists), sizes.pop()), np.nan, np.float32)
        found[known] = lists.drop_null().flatten().to_numpy().reshape(int(known.sum()), -1)
        return found

    def _read(self, *columns: str) -> pa.Table:
        files = [str(file) for file in RunPaths.parts(self.paths.survey)]
        return ds.dataset(files, schema=SURVEY).to_table(columns=[*columns])
