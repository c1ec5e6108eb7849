"""The frozen records that modules pass to each other, and the contracts that plugins keep.

Letters: B batch, C channel, H height, W width of inputs; h, w of a heatmap; K outputs, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Preprocess:
    """A model's eval transform: shorter side to ``resize``, centre ``crop``, scale, normalise.

    Attributes:
        resize: the shorter side in px, or (height, width) to squash to, or None.
        crop: (height, width) of the centre crop in px; the model's input size.
        mean, std: per channel, in units of the scaled pixel.
        scale: factor on the 0..255 pixel before mean and std.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``.
        antialias: whether downscaling is antialiased.
    """

    resize: int | tuple[int, int] | None = 256
    crop: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale: float = 1 / 255
    interpolation: str = "bilinear"
    antialias: bool = True

    @classmethod
    def from_json(cls, noted: Mapping[str, Any]) -> Preprocess:
        """The transform recorded in ``run.json``, its lists turned back into tuples."""
        names = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in noted.items()
            if name in names
        }
        return cls(**values)


@dataclass(frozen=True)
class Entry:
    """One file that a dataset lists; the file itself has not been opened yet.

    Attributes:
        path: where it is, as the file system spells it, relative to the dataset's root.
        class_name: its class, None where the folder or table names none.
        mask: the dataset's own mask of it, absolute, or None.
        split, group: ``train``, ``test``, ... and the user's own grouping, or None.
        problem: (status, message) where the listing already shows that it is not usable.
        stamp: (bytes, mtime_ns) where the listing shows them.
    """

    path: str
    class_name: str | None
    mask: str | None = None
    split: str | None = None
    group: str | None = None
    problem: tuple[str, str] | None = None
    stamp: tuple[int, int | None] | None = None


class DatasetSource(Protocol):
    """A dataset plugin: the photos and their classes.

    Optional: ``several_labels: str``, how it is known that a photo may have several labels, empty
    where it may not; an entry's class is then their set, see :mod:`~xai_audit.run.labelling`.

    Attributes:
        name: names the output folder.
        root: entries are relative to it.
        class_to_idx: class name -> model output index where the user gave one, else None.
    """

    name: str
    root: Path
    class_to_idx: dict[str, int] | None

    def prepare(self) -> None:
        """Make or download what is missing; called once, before anything is listed."""

    def class_names(self) -> tuple[str, ...]:
        """Every class, in the order of the model's outputs."""

    def entries(self) -> Iterator[Entry]:
        """Every file found, each once, in a stable order."""

    def open(self, path: str) -> Any:  # noqa: ANN401 - a stream, or pixels in many forms
        """The bytes of the photo at ``root`` / its entry's path, or its pixels: vision.opening."""


@dataclass(frozen=True)
class ImageRecord:
    """One usable row of the manifest.

    Attributes:
        image_id: POSIX path relative to the dataset's root, valid unicode.
        path: the dataset's root / the path of its entry; of a frame see :mod:`.vision.frames`.
        class_name, label: its class, and the class's index among the model's outputs.
        height, width: of the photo in px, after EXIF orientation.
        mask: the dataset's own mask file, or None.
        file_bytes, mtime_ns: of the file when it was indexed, None where unknown.
    """

    image_id: str
    path: str
    class_name: str
    label: int
    height: int
    width: int
    mask: str | None = None
    file_bytes: int | None = None
    mtime_ns: int | None = None


class MaskSource(Protocol):
    """A mask plugin: the object's place in a photo."""

    def load(self, image: ImageRecord) -> NDArray[np.uint8] | None:
        """The photo's coverage (2, height, width) uint8, or None where masks are not in use.

        Channels are object and background, 255 is fully; a void pixel is 0 in both.

        Raises:
            MaskProblem: with status ``missing``, ``size_mismatch``, ``empty`` or ``corrupt``.
        """

    def fingerprint(self) -> str:
        """A text that changes when the masks do."""


@dataclass(frozen=True)
class ModelSpec:
    """The model that a model plugin returns.

    Attributes:
        module: forward (B, C, H, W) float32 -> logits (B, K), also in a dict, tuple or object.
        preprocess: its eval transform.
        name: names the output folder.
        target_layer: dotted name of the layer whose activations CAM methods explain, or None.
        head: one of ``network.heads.HEADS``, or None: softmax, but sigmoid of a single logit.
    """

    module: torch.nn.Module
    preprocess: Preprocess
    name: str
    target_layer: str | None = None
    head: str | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A frozen model, prepared for the main pass over the photos.

    Attributes:
        module: eval mode, no parameter requires grad, channels_last, conv+BN folded.
        preprocess: its eval transform.
        target_layer: dotted name, given by the user or found; empty: a model of outputs only.
        num_outputs: K.
        grid: (h, w) of the target layer's activations.
        device: of its weights, ``cpu`` or ``cuda:0``.
        head: how logits become probabilities, one of ``xai_audit.network.inputs.HEADS``.
        single_logit: whether it has one logit z: outputs (0, z), whose softmax is z's sigmoid.
        thresholds: of photos with several labels: the probability (K,) from which on one is decided
            for a class. None: decided for the highest score.
    """

    module: torch.nn.Module
    preprocess: Preprocess
    target_layer: str
    num_outputs: int
    grid: tuple[int, int]
    device: str
    head: str = "softmax"
    single_logit: bool = False
    thresholds: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Target:
    """The score that is explained in each image of a batch: a logit, or its margin over another.

    Attributes:
        kind: ``label``, ``pred``, ``contrast``, ``class:NAME`` or ``top1``, ``top2``, ...
        index: (B,) int64, the output explained.
        against: (B,) int64, the output subtracted, or None.
    """

    kind: str
    index: torch.Tensor
    against: torch.Tensor | None = None

    def score(self, logits: torch.Tensor) -> torch.Tensor:
        """The explained quantity (B,) of logits (B, K)."""
        picked = logits.gather(1, self.index[:, None])[:, 0]
        other = None if self.against is None else logits.gather(1, self.against[:, None])[:, 0]
        return picked if other is None else picked - other

    def of(self, rows: torch.Tensor) -> Target:
        """The target of ``rows`` (N,) int64 of the batch."""
        against = None if self.against is None else self.against[rows]
        return Target(self.kind, self.index[rows], against)


class Features(Protocol):
    """Activations of a layer and how the targets depend on them; tokens lie on their grid."""

    @property
    def activations(self) -> torch.Tensor:
        """(B, C, h, w), detached."""

    @property
    def gradients(self) -> Sequence[torch.Tensor]:
        """T of (B, C, h, w), of each target's score."""


class Request(Protocol):
    """The targets of a batch of images to be explained; what methods share is computed once.

    Attributes:
        model: frozen.
        images: (B, C, H, W) float32, normalised, on the model's device.
        image_ids: B ids; randomness is seeded from them.
        max_batch: most images in one forward; a method that makes copies runs so many at a time.
        progress: to be called after each forward with its number of copies; may raise to stop.
    """

    model: LoadedModel
    images: torch.Tensor
    image_ids: Sequence[str]
    max_batch: int
    progress: Callable[[int], None]

    @property
    def logits(self) -> torch.Tensor:
        """(B, K), detached."""

    @property
    def targets(self) -> Sequence[Target]:
        """The T targets to explain."""

    @property
    def references(self) -> tuple[Sequence[str], torch.Tensor]:
        """Photos of the dataset as baselines, for every batch the same: S ids and (S, C, H, W)."""

    def features(self, layer: str) -> Features:
        """The features of ``layer``, the dotted name of a layer whose output has positions."""

    def input_gradients(self) -> tuple[torch.Tensor, ...]:
        """T of (B, C, H, W), of each target's score."""


@dataclass(frozen=True)
class Attribution:
    """The result of an attribution method.

    Attributes:
        maps: (B, T, h, w) float32, signed, detached.
        completeness_error: (B, T), its sum minus the change of score that it should equal, or None.
    """

    maps: torch.Tensor
    completeness_error: torch.Tensor | None = None


class Attributor(Protocol):
    """An attribution method.

    Attributes:
        name: of the method, as in ``method=NAME``.
        sign: how attribution becomes relevance: ``positive`` keeps R > 0, ``absolute`` |R|.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """The attribution of each target of ``request``; no hook on the model outlives the call."""


@dataclass(frozen=True)
class Canvas:
    """A photo resized for the model but not yet cropped: cues are read and transplanted on it.

    Attributes:
        record: of the photo; its height and width are those of the stored photo.
        photo: (3, h, w) uint8.
        object: (h, w) uint8, 255 where a pixel is object or void; None without a mask.
        preprocess: of the model, which crops what it sees out of the canvas.
        opener: the dataset's, for a cue that reads the file itself; None for a local file.
    """

    record: ImageRecord
    photo: torch.Tensor
    object: torch.Tensor | None
    preprocess: Preprocess
    opener: Callable[[str], BinaryIO] | None = None


class Cue(Protocol):
    """A candidate shortcut: something other than the object that could carry a class.

    Optional: ``fitted(canvases) -> Cue``, with what it measures (a frame's depth) set to one value
    for a photo and its donors; ``fingerprint() -> str`` of a file that it is made of; and the other
    methods of :class:`~xai_audit.cues._surroundings.ObjectProperty`, where an object can have it.

    Attributes:
        name: of the cue, as in ``cues=[NAME]``; a column value, so stable.
        way: how its content can be changed. ``both``: any photo can get any other's. ``down``: no
            transplant restores what a photo has lost (sharpness, JPEG quality), so that
            :meth:`level` can only be lowered. ``added``: something of the user's is put on the
            photo. ``none``: it is a fact of the file, not of the pixels, so that nothing can be
            transplanted and only availability is measured.
        needs_mask: whether it is undefined for a photo without an object mask.
    """

    name: str
    way: str
    needs_mask: bool

    def region(self, canvas: Canvas) -> torch.Tensor | None:
        """The share (h, w) float32 0..1 of each canvas pixel in the cue's region.

        None for a property of the whole photo, or where this photo's region is unknown.
        """

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """The cue's content without the object, as (D,) float32; D is the same for all photos.

        It must not depend on the object's shape. None where undefined for this photo.
        """

    def level(self, canvas: Canvas) -> float:
        """The quality that is left (sharpness, JPEG quality), for ``way="down"``; else NaN.

        A transplant changes a photo only where the donor's level is lower.
        """

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo (3, h, w) uint8 of ``canvas`` with the cue of ``donor``; both stay as they are.

        The donor's own object is not carried over. To a result of another shape the model's resize
        and crop are applied anew. A function of its arguments alone (randomness by image ids).
        """
