"""Pascal VOC masks: palette PNGs or XML boxes (Everingham et al., IJCV 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError
from xai_audit.masks._coverage import ValueRule, rectangles
from xai_audit.masks._image_file import read_values
from xai_audit.masks._sources import folder_stamp, located, mask_folder, shown
from xai_audit.masks._voc_xml import read_boxes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
_VOID = 255
_SUFFIXES = (".png", ".xml")


class VocMasks:
    """``root/<stem>.png`` or ``.xml``, also under ``<class>/`` or named by the whole image_id.

    A PNG's value 0 is background, 255 void. Without a choice 1..20 are object and any other value
    is void; with one, the classes not chosen are background, both in PNG and in XML.

    Args:
        root: the folder.
        object: the classes that are object, by value (1..254) or name; None for all.
    """

    def __init__(
        self,
        *,
        root: str,
        object: Sequence[int | str] | None,
    ) -> None:
        if object is None:
            self._names = None
            self._rule = ValueRule(tuple(range(1, len(CLASSES) + 1)), (0,))
        else:
            values, self._names = _chosen(object)
            others = tuple(value for value in range(_VOID) if value not in values)
            self._rule = ValueRule(values, others)
        self._root = mask_folder(root)

    def load(self, image: ImageRecord) -> NDArray[np.uint8]:
        """The photo's coverage (2, height, width) uint8; MaskProblem where it has none."""
        path = located(self._root, image, _SUFFIXES, flat=True)
        if path.suffix == ".xml":
            return self._boxes(path, image)
        return self._rule.coverage(read_values(path, image, grey=False))

    def _boxes(self, path: Path, image: ImageRecord) -> NDArray[np.uint8]:
        boxes = read_boxes(path, image, names=self._names)
        return rectangles(boxes, image.height, image.width, names=f"object box of {shown(path)}")

    def fingerprint(self) -> str:
        """Every annotation's name, size and mtime, hashed, and the choice of classes."""
        names = None if self._names is None else sorted(self._names)
        return f"voc {folder_stamp(self._root, _SUFFIXES)} {self._rule} {names}"


def _chosen(classes: Sequence[int | str]) -> tuple[tuple[int, ...], frozenset[str]]:
    """The values and the names of the chosen classes; ConfigError for what can be neither."""
    listed = list(classes) if isinstance(classes, Sequence) and not isinstance(classes, str) else []
    if not listed or not all(_is_class(item) for item in listed):
        raise ConfigError(
            "not a list of VOC classes",
            where="masks.object",
            expected="null, or values from 1 to 254 and names, as [15] or [person]",
            got=classes,
        )
    values = {CLASSES.index(c) + 1 if c in CLASSES else c for c in listed}
    names = {CLASSES[c - 1] if isinstance(c, int) and c <= len(CLASSES) else c for c in listed}
    return (
        tuple(sorted(value for value in values if isinstance(value, int))),
        frozenset(name for name in names if isinstance(name, str)),
    )


def _is_class(item: object) -> bool:
    """Whether it can be the value of an object class or its name."""
    if isinstance(item, bool) or not isinstance(item, int):
        return isinstance(item, str)
    return 0 < item < _VOID
