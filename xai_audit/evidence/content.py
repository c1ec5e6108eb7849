"""What lies in the photos that transplants use, for the fingerprints of their parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.evidence.source import clusters
from xai_audit.run.manifest import content_fingerprint

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xai_audit.work.audit import Audit


@dataclass(frozen=True)
class Content:
    """The photos of the survey and the discovered regions, read once for the parts of all classes.

    Attributes:
        audit: of the run.
        ids: of the photos of the survey.
    """

    audit: Audit
    ids: Sequence[str]

    def of(self, ids: Collection[str], name: str) -> list[Any]:
        """What lies in photos ``ids`` and their masks, and the regions found in class ``name``."""
        places = sorted(self._places[one] for one in ids if one in self._places)
        mine = self._rows.take(pa.array(places, pa.int64()))
        return [content_fingerprint(mine), self.audit.mask_mark(mine), self._regions.get(name, [])]

    @cached_property
    def _rows(self) -> pa.Table:
        """The usable rows of the manifest that are in the survey, in order."""
        rows = self.audit.usable()
        among = pc.is_in(rows.column("image_id"), value_set=pa.array(self.ids, pa.string()))
        return rows.filter(among).combine_chunks()

    @cached_property
    def _places(self) -> dict[str, int]:
        ids = self._rows.column("image_id").to_pylist()
        return {image_id: place for place, image_id in enumerate(ids)}

    @cached_property
    def _regions(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in clusters(self.audit):
            found.setdefault(row["class_name"], []).append(row)
        return found
