"""Whether the methods of a run have usable keys, and whether the model can be explained by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.errors import ConfigError
from xai_audit.schema import RANDOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The methods that need nothing but outputs.
_FORWARD_ONLY = ("feature_ablation", "kernel_shap", "lime", "occlusion", "rise")
# Those among Captum's classes that explain images.
_CAPTUM = (
    "FeatureAblation",
    "KernelShap",
    "Lime",
    "Occlusion",
    "ShapleyValueSampling",
    "ShapleyValues",
)


def check_methods(methods: Iterable[Mapping[str, Any]]) -> None:
    """Raise ConfigError for a sign rule or a name that no method can have.

    Args:
        methods: the keys of each.
    """
    for method in methods:
        if method.get("sign") not in ("positive", "absolute"):
            raise ConfigError(
                "unknown sign rule",
                where="method.sign",
                expected="positive or absolute",
                got=method.get("sign"),
            )
        if method.get("name") == RANDOM:
            raise ConfigError(
                "a method cannot have the name of maps of noise", where="method.name", got=RANDOM
            )


def check_possible(methods: Iterable[Mapping[str, Any]], *, forward_only: bool) -> None:
    """Raise ConfigError for a method that needs more than a model of outputs only has.

    One of the user's own is not refused: it may need no more.

    Args:
        methods: the keys of each.
        forward_only: whether the model has outputs only.
    """
    for method in methods if forward_only else ():
        if not _needs_outputs_only(method):
            raise ConfigError(
                "the model gives outputs only, and this method needs its layers or gradients",
                where=f"method={method['name']}",
                expected=f"one of {', '.join(_FORWARD_ONLY)}, or captum with the attribution "
                f"{', '.join(_CAPTUM)}",
                remedy="method=occlusion",
            )


def _needs_outputs_only(method: Mapping[str, Any]) -> bool:
    """Whether it is one of those that need nothing but outputs, or one of the user's own."""
    module = str(method["_target_"]).rpartition(".")[0]
    if not module.startswith("xai_audit."):
        return True
    name = module.rpartition(".")[2]
    return name in _FORWARD_ONLY or (name == "captum" and method.get("attribution") in _CAPTUM)
