"""Segmentation networks in torchvision's form: with the user's weights, torchvision's, or none."""

from __future__ import annotations

import http.client
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import interpolate
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
from torchvision.models import get_model, get_model_weights, list_models, segmentation
from torchvision.transforms.v2.functional import normalize

from xai_audit.errors import ConfigError, ModelError, PluginError
from xai_audit.network.callables import callable_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AUXILIARY = "aux_classifier."  # a head that only training uses
# The last layers of LR-ASPP, DeepLab and FCN, which have a row an output.
_HEADS = ("classifier.low_classifier.weight", "classifier.4.weight")
# Of torchvision's presets for segmentation, which are ImageNet's.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Segmenter:
    """A network that says of each pixel what it belongs to.

    Attributes:
        module: in eval mode; forward (B, 3, H, W) float32, normalised -> {"out": (B, C, H, W)}.
        categories: the names of its outputs, the background first; empty where unknown.
    """

    module: nn.Module
    categories: tuple[str, ...]


def segmenter(arch: str, weights: Path | None, factory: str | None) -> Segmenter:
    """The network, frozen.

    Args:
        arch: of torchvision's, used where no ``factory`` is given.
        weights: file of a state dict; None: torchvision's own, or what the factory makes.
        factory: ``package.module:callable``, called without arguments.

    Raises:
        ModelError: an unknown name, weights that cannot be had or do not fit.
    """
    found = _torchvision(arch, weights) if factory is None else _made(factory, weights)
    found.module.eval().requires_grad_(False)
    return found


def outputs_of(module: nn.Module, photo: torch.Tensor) -> torch.Tensor:
    """The output (h, w) int64 with the highest score at each pixel of ``photo`` (3, h, w) uint8.

    Raises:
        PluginError: the network's answer is none of torchvision's form.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    image = normalize(photo.to(device, torch.float32) / 255, [*_MEAN], [*_STD])[None]
    with torch.inference_mode():
        answer = module(image)
    scores = answer.get("out") if hasattr(answer, "get") else None
    if not isinstance(scores, torch.Tensor) or scores.ndim != 4 or scores.shape[1] < 2:
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(answer).__name__
        raise PluginError(
            "the segmentation network broke its contract",
            where="masks.factory",
            expected='{"out": (B, C, H, W)} with 2 outputs or more',
            got=shape,
        )
    if scores.shape[-2:] != photo.shape[-2:]:
        scores = interpolate(scores, photo.shape[-2:], mode="bilinear", align_corners=False)
    return scores[0].argmax(0).cpu()


def numbers_of(classes: Sequence[str | int], categories: Sequence[str]) -> list[int]:
    """The outputs that ``classes``, names or numbers, stand for.

    Args:
        classes: of ``masks.classes``.
        categories: names of the network's outputs, empty where unknown.

    Raises:
        ConfigError: a name that no output has, or the background.
    """
    found = []
    for given in classes:
        is_number = isinstance(given, int) and not isinstance(given, bool)
        number = int(given) if is_number else None
        if isinstance(given, str) and given in categories:
            number = categories.index(given)
        most = len(categories) - 1 if categories else math.inf
        if number is None or not 1 <= number <= most:
            names = ", ".join(categories[1:]) or "numbers: this network's outputs have no names"
            raise ConfigError(
                "no such class of the segmentation network",
                where="masks.classes",
                expected=f"some of {names}",
                got=given,
            )
        found.append(number)
    return found


def _torchvision(arch: str, weights: Path | None) -> Segmenter:
    known = list_models(module=segmentation)
    if arch not in known:
        raise ModelError(
            "torchvision has no such segmentation network",
            where="masks.arch",
            got=arch,
            remedy=f"one of {', '.join(known)}",
        )
    entry: Any = get_model_weights(arch).DEFAULT
    categories = tuple(entry.meta["categories"])
    if weights is None:
        return Segmenter(_downloaded(arch, entry), categories)
    state = {k: v for k, v in state_dict(weights).items() if not k.startswith(_AUXILIARY)}
    head = next((state[name] for name in _HEADS if name in state), None)
    classes = len(categories) if head is None else head.shape[0]
    auxiliary = {} if arch.startswith("lraspp") else {"aux_loss": False}
    fresh = {"weights": None, "weights_backbone": None, **auxiliary}
    module: nn.Module = get_model(arch, num_classes=classes, **fresh)
    named = categories if classes == len(categories) else ()
    return Segmenter(_loaded(module, state, weights), named)


def _downloaded(arch: str, entry: Any) -> nn.Module:  # noqa: ANN401
    """``arch`` with torchvision's own weights, downloaded once into torch.hub's folder."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
    there = file.exists()
    try:
        module: nn.Module = get_model(arch, weights=entry)
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        http.client.HTTPException,
    ) as exc:
        what = "in the download folder cannot be read" if there else "cannot be downloaded"
        raise ModelError(
            f"the weights of the segmentation network {what}",
            where=file if there else entry.url,
            got=f"{type(exc).__name__}: {exc}"[:200],
            remedy=f"download {entry.url} elsewhere and give masks.weights=FILE, or put it at "
            f"{file}; or give masks of your own",
        ) from exc
    return module


def _made(factory: str, weights: Path | None) -> Segmenter:
    make = callable_of(factory, "masks.factory")
    try:
        module = make()
    # The user's code may raise anything.
    except (Exception, SystemExit) as exc:
        raise ModelError(
            "the factory failed",
            where=f"masks.factory={factory}",
            got=f"{type(exc).__name__}: {exc}",
        ) from exc
    if not isinstance(module, nn.Module):
        raise ModelError(
            "the factory returned no network",
            where=f"masks.factory={factory}",
            expected="a torch.nn.Module",
            got=type(module).__name__,
        )
    return Segmenter(
        module if weights is None else _loaded(module, state_dict(weights), weights), ()
    )


def state_dict(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of ``file`` by name; no code of it is run."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        held = torch.load(file, map_location="cpu", weights_only=True)
    # A broken file makes torch raise nearly anything: KeyError, EOFError, RuntimeError, ...
    except Exception as exc:
        raise _unreadable(file, f"{type(exc).__name__}: {exc}"[:200]) from exc
    for key in ("state_dict", "model_state_dict", "model"):  # where training scripts put it
        held = held[key] if isinstance(held, dict) and isinstance(held.get(key), dict) else held
    tensors = held if isinstance(held, dict) else {}
    found = {k: v for k, v in tensors.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    if not found:
        raise _unreadable(file, type(held).__name__)
    consume_prefix_in_state_dict_if_present(found, "module.")  # of DistributedDataParallel
    return found


def _unreadable(file: Path, got: str) -> ModelError:
    return ModelError(
        "the weights of the segmentation network cannot be read",
        where=f"masks.weights={file}",
        expected="a state dict, .pth or .safetensors",
        got=got,
    )


def _loaded(module: nn.Module, state: Mapping[str, torch.Tensor], file: Path) -> nn.Module:
    try:
        module.load_state_dict(state)
    except RuntimeError as exc:
        raise ModelError(
            "the weights do not fit the segmentation network",
            where=f"masks.weights={file}",
            got=str(exc)[:200],
            remedy="masks.arch=NAME of the network that they were saved from",
        ) from exc
    return module
