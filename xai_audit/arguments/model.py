"""The overrides of a model: a module in memory, or a name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from xai_audit.arguments.text import override
from xai_audit.errors import ModelError, nearest

_FACTORY = re.compile(r"[\w.]+:[\w.]+")
_ON_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_SOURCES = ("hf-hub:", "local-dir:")  # timm's own


def of_model(model: Any) -> list[str]:  # noqa: ANN401 - a module or a name
    """What stands for ``model``, which must stay alive where it is a module.

    Raises:
        ModelError: it is neither a module nor the name of one.
    """
    if isinstance(model, (str, os.PathLike)):
        return _named(os.fspath(model))
    from torch import nn

    if not isinstance(model, nn.Module):
        raise ModelError(
            "the model is none", where="audit", got=type(model).__name__,
            expected="a torch.nn.Module, or a name of torchvision's or timm's",
        )  # fmt: skip
    from xai_audit.models.memory import hold

    return ["model=memory", override("model.key", hold(model))]


def _named(name: str) -> list[str]:
    """The overrides of a model given by name.

    Raises:
        ModelError: nothing is so called.
    """
    if name.lower().endswith(".onnx"):
        return ["model=onnx", override("model.path", name)]
    if Path(name).expanduser().is_file():
        raise ModelError(
            "weights alone do not say which network they are of", where=name,
            remedy=f"audit('resnet18', photos, model={{'checkpoint': {name!r}}}) with its "
            "network's name, or the module itself with its weights loaded",
        )  # fmt: skip
    if (Path(name).expanduser() / "config.json").is_file() or _ON_HUB.fullmatch(name):
        return ["model=huggingface", override("model.path", name)]
    if _FACTORY.fullmatch(name) and not name.startswith(_SOURCES):
        return ["model=custom", override("model.factory", name)]
    if name == "flowers":  # the demo's own
        return ["model=flowers"]
    from torchvision import models

    known = models.list_models(module=models)
    if name in known:
        return ["model=torchvision", override("model.arch", name)]
    others = _timm_names()
    if ":" in name or name.partition(".")[0] in others:
        return ["model=timm", override("model.arch", name)]
    raise ModelError(
        "no such model", where="audit", got=repr(name),
        expected="a name of torchvision's, timm's or Hugging Face's, a module, or "
        "package.module:callable",
        remedy=f"one of {nearest(name, [*known, *others])}"
        + ("" if others else '; timm is not installed: pip install "xai-audit[timm]"'),
    )  # fmt: skip


def _timm_names() -> list[str]:
    try:
        import timm
    except ImportError:
        return []
    names: list[str] = timm.list_models()
    return names
