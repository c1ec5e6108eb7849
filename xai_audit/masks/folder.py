"""Mask images in a folder of their own, laid out as the photos are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.masks._coverage import value_rule
from xai_audit.masks._meaning import coverage_of
from xai_audit.masks._sources import folder_stamp, located, mask_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

_SUFFIXES = (".png",)


class FolderMasks:
    """``root/<class>/<stem>.png``, or ``root/<image_id without suffix>.png``.

    Args:
        root: the folder.
        object: values that are object, None: by the obvious reading of each mask.
        background: values that are background, None for all others; what is left is void.
        soft: grey value v is object coverage v and background coverage 255 - v.
    """

    def __init__(
        self,
        *,
        root: str,
        object: Sequence[int] | None,
        background: Sequence[int] | None,
        soft: bool,
    ) -> None:
        self._rule = value_rule(object, background, soft=soft)
        self._root = mask_folder(root)

    def load(self, image: ImageRecord) -> NDArray[np.uint8]:
        """The photo's coverage (2, height, width) uint8; MaskProblem where it has none."""
        path = located(self._root, image, _SUFFIXES)
        return coverage_of(path, image, self._rule)

    def fingerprint(self) -> str:
        """Every mask's name, size and mtime, hashed, and the rule."""
        return f"folder {folder_stamp(self._root, _SUFFIXES)} {self._rule}"
