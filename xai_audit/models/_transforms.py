"""The keys of ``model.preprocess`` that a transform or an image processor comes to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xai_audit.errors import ConfigError
from xai_audit.models._preprocess import INTERPOLATIONS, PIL_FILTERS
from xai_audit.models._processor import flips_channels, preprocess_of, warn_of_difference
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WHERE = "transform"
_EXPECTED = "the transform of an evaluation: Resize, CenterCrop, ToTensor, Normalize in that order"
# Those that only change how the pixels are held.
_HOLDS = {"ToImage", "ToPureTensor", "PILToTensor", "ToPILImage", "Identity", "RGB", "ToNumpy"}
_SCALES = {"ToTensor", "MaybeToTensor", "ConvertImageDtype"}  # to 0..1


def keys_of(
    transform: Any,  # noqa: ANN401 - of several libraries
    *,
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The keys of ``model.preprocess`` that do what ``transform`` does.

    Args:
        transform: a preset of a weights' enum (``weights.transforms()``), a Compose or Sequential
            of torchvision's own classes, of version 1 or 2, or a Hugging Face image processor.
        size: (height, width) of all photos where they have one, in px.

    Raises:
        ConfigError: a step that is none of an evaluation, or cannot be told.
    """
    if hasattr(transform, "resize_size") and hasattr(transform, "crop_size"):
        return _preset(transform)
    if hasattr(transform, "do_normalize") and hasattr(transform, "image_mean"):
        return _processor(transform)
    keys = _of_steps(transform)
    if "crop" in keys or isinstance(keys["resize"], list):
        return keys
    if size is None or keys["resize"] is not False:
        raise _wrong("no step that gives all photos one size")
    return keys | {"crop": [*size]}


def _of_steps(transform: Any) -> dict[str, Any]:  # noqa: ANN401
    """Of steps one after another."""
    # No step means: nothing is resized, and pixels stay 0..255.
    keys: dict[str, Any] = {"resize": False, "mean": [0.0], "std": [1.0], "scale": 1.0}
    seen = ""
    for step in _steps(transform):
        name = type(step).__name__
        if name in _HOLDS:
            continue
        if name in _SCALES or (name == "ToDtype" and getattr(step, "scale", False)):
            keys["scale"] = 1 / 255
        elif name in _READERS:
            if seen >= (seen := _ORDER[name]):
                raise _wrong(f"{name} after a later step, or twice")
            keys |= _READERS[name](step)
        elif name != "ToDtype":
            raise _wrong(name)
    return keys


def _steps(transform: Any) -> Iterator[Any]:  # noqa: ANN401
    """The steps of a transform, those of nested ones in their place."""
    inner = getattr(transform, "transforms", None)
    if inner is None and type(transform).__name__ == "Sequential":
        inner = list(transform)
    if inner is None:
        yield transform
        return
    for step in inner:
        yield from _steps(step)


def _preset(preset: Any) -> dict[str, Any]:  # noqa: ANN401
    """Of ``torchvision.transforms._presets.ImageClassification``."""
    return {
        "resize": _side(preset.resize_size),
        "crop": _pair(preset.crop_size),
        "mean": [*map(float, preset.mean)],
        "std": [*map(float, preset.std)],
        "scale": Preprocess.scale,
        "interpolation": _interpolation(preset.interpolation),
        "antialias": preset.antialias is not False,
    }


def _processor(processor: Any) -> dict[str, Any]:  # noqa: ANN401
    """Of an image processor of Hugging Face's."""
    if flips_channels(processor):
        raise _wrong("an image processor that turns RGB to BGR")
    found = preprocess_of(processor)
    warn_of_difference(processor, found)
    return asdict(found) | {"resize": False if found.resize is None else found.resize}


def _resize(step: Any) -> dict[str, Any]:  # noqa: ANN401
    if getattr(step, "max_size", None) is not None:
        raise _wrong("Resize with max_size")
    return {
        "resize": _side(step.size),
        "interpolation": _interpolation(step.interpolation),
        # None: tensors of old versions were not antialiased, PIL images always were.
        "antialias": getattr(step, "antialias", True) is not False,
    }


def _crop(step: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"crop": _pair(step.size)}


def _normalise(step: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: [float(value) for value in getattr(step, name)] for name in ("mean", "std")}


_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Resize": _resize,
    "CenterCrop": _crop,
    "Normalize": _normalise,
}
_ORDER = {"Resize": "1", "CenterCrop": "2", "Normalize": "3"}


def _side(size: Any) -> int | list[int]:  # noqa: ANN401
    """The shorter side, or [height, width]."""
    sides = [*size] if isinstance(size, (list, tuple)) else [size]
    return int(sides[0]) if len(sides) == 1 else [*map(int, sides)]


def _pair(size: Any) -> list[int]:  # noqa: ANN401
    """[height, width]."""
    side = _side(size)
    return [side, side] if isinstance(side, int) else side


def _interpolation(mode: Any) -> str:  # noqa: ANN401
    """Its name, from an enum of torchvision's or a number of PIL's."""
    name = getattr(mode, "value", mode)
    found = PIL_FILTERS.get(name) if isinstance(name, int) else str(name)
    if found not in INTERPOLATIONS:
        raise _wrong(f"interpolation {mode}")
    return str(found)


def _wrong(got: str) -> ConfigError:
    return ConfigError(
        "a step that is not the eval transform of a classifier",
        where=_WHERE,
        expected=_EXPECTED,
        got=got,
        remedy="leave transform out and give model.preprocess.{resize,crop,mean,std,...}",
    )
