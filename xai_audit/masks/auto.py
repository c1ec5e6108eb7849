"""Masks that a segmentation network makes of the photos.

Why no GrabCut from what the heatmap leaves out: how well such masks agree with given ones has not
been measured as good enough, and they would be made of the very maps that they are to judge.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.errors import ConfigError, MaskProblem, is_out_of_memory
from xai_audit.masks._coverage import EMPTY, MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

COVERS_LITTLE, COVERS_MOST = "covers_little", "covers_most"
_VERSION = 1  # raised by hand when the same network makes other masks


class AutoMasks:
    """What a segmentation network takes for something other than background.

    Args:
        arch: a name of ``torchvision.models.list_models(module=torchvision.models.segmentation)``.
        weights: file of a state dict, None for torchvision's own.
        factory: ``package.module:callable`` that makes another network, None for ``arch``.
        classes: names or numbers of outputs that are object, None for all but the first.
        size: px of the photo's shorter side as the network sees it.
        min_share: smallest share of the photo that an object may cover.
        max_share: largest.
    """

    def __init__(  # noqa: PLR0913 - a mask source's own keys
        self,
        *,
        arch: str,
        weights: str | None,
        factory: str | None,
        classes: Sequence[str | int] | None,
        size: int,
        min_share: float,
        max_share: float,
    ) -> None:
        if not 0 <= min_share < max_share <= 1:
            raise ConfigError(
                "no share of the photo is left for an object",
                where="masks.min_share, masks.max_share",
                expected="0 <= min_share < max_share <= 1",
                got=f"{min_share}, {max_share}",
            )
        if size < 1:
            raise ConfigError("bad value", where="masks.size", expected="1 or more", got=size)
        if isinstance(classes, str) or (classes is not None and not len(classes)):
            raise ConfigError(
                "not a list of classes",
                where="masks.classes",
                expected="names or numbers, as [cat,dog]",
                got=repr(classes),
            )
        self.size = size
        self._arch, self._factory, self._classes = arch, factory, classes
        self._weights = None if weights is None else Path(weights).expanduser().absolute()
        self._shares = min_share, max_share
        self._module: torch.nn.Module | None = None
        self._objects: list[int] | None = None

    @property
    def by(self) -> str:
        """The name of the network, for the record of a run."""
        return self._factory or self._arch

    def load(self, image: ImageRecord) -> NDArray[np.uint8]:
        """Never: a stage of the run makes the masks, which are read from where it keeps them."""
        raise MaskProblem(MISSING, f"no mask of {image.image_id} has been made yet")

    def prepare(self, device: str) -> None:
        """Open the network on ``device``; what is wrong with it is said before a photo is read.

        Raises:
            ModelError: the network cannot be had.
            ConfigError: it has no such classes.
        """
        from xai_audit.masks._segmenter import numbers_of, segmenter

        found = segmenter(self._arch, self._weights, self._factory)
        self._module = found.module.to(device)
        if self._classes is not None:
            self._objects = numbers_of(self._classes, found.categories)

    def make(self, photo: torch.Tensor, image: ImageRecord) -> NDArray[np.bool_]:
        """Where the object is: (height, width) of the stored photo; after :meth:`prepare`.

        Args:
            photo: (3, h, w) uint8, its shorter side of ``size`` px.
            image: whose height and width the mask gets.

        Raises:
            MaskProblem: ``covers_little`` or ``covers_most`` of the photo, ``empty``, or
                ``out_of_memory``.
            PluginError: the network's answer is none of torchvision's form.
        """
        import torch
        from torch.nn.functional import interpolate

        from xai_audit.masks._segmenter import outputs_of

        if self._module is None:
            raise RuntimeError("prepare has not been called")
        try:
            outputs = outputs_of(self._module, photo)
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc):
                raise
            raise MaskProblem("out_of_memory", "segmenting it does not fit in memory") from exc
        objects = None if self._objects is None else torch.tensor(self._objects)
        inside = outputs != 0 if objects is None else torch.isin(outputs, objects)
        size = (image.height, image.width)
        share = interpolate(inside[None, None].float(), size, mode="bilinear", align_corners=False)
        found: NDArray[np.bool_] = (share[0, 0] >= 0.5).numpy()
        self._check(float(found.mean()))
        return found

    def _check(self, share: float) -> None:
        """Raise MaskProblem where the object would be implausibly small or large."""
        least, most = self._shares
        if share == 0:
            raise MaskProblem(EMPTY, "the network finds nothing but background")
        if share < least:
            raise MaskProblem(
                COVERS_LITTLE, f"it covers {share:.2%} of the photo (masks.min_share={least})"
            )
        if share > most:
            raise MaskProblem(
                COVERS_MOST, f"it covers {share:.2%} of the photo (masks.max_share={most})"
            )

    def fingerprint(self) -> str:
        """The network, its weights, and what is taken for an object."""
        rest = [self._classes, self.size, *self._shares]
        return f"auto {_VERSION} {self.by} {self._weights_mark} {rest}"

    @cached_property
    def _weights_mark(self) -> str:
        """What identifies the weights; only a factory's network is opened for it."""
        if self._weights is not None and not self._weights.is_file():
            raise ConfigError(
                "no such file of weights",
                where=f"masks.weights={self._weights}",
                remedy="download them, or masks.weights=null for torchvision's own",
            )
        if self._factory is not None:
            return self._factory_mark(self._factory)
        if self._weights is None:
            return f"torchvision {version('torchvision')}"
        return _hash(self._weights)

    def _factory_mark(self, factory: str) -> str:
        """The source file of the factory, and the values of its network, wherever they are from."""
        from xai_audit.masks._segmenter import segmenter
        from xai_audit.network.prepare import module_hash

        module = segmenter(self._arch, self._weights, factory).module
        source = sys.modules[factory.partition(":")[0]].__file__
        return module_hash(module, "" if source is None else _hash(Path(source)))


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:16]
