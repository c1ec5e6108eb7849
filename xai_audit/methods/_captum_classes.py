"""Captum's attribution classes by name: which there are, what each takes, which cannot be used."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captum import attr

from xai_audit.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of a constructor: what every class is built from.
_BUILT_FROM = {"model", "forward_func", "layer"}
# Keywords that the audit sets itself -> the key that a user sets instead, where there is one.
_SET_BY_US = {
    "model": "model",
    "forward_func": "model",
    "device_ids": "compute.device",
    "layer": "method.layer",
    "inputs": "dataset",
    "target": "targets",
    "additional_forward_args": None,
    "baselines": "method.baseline or method.baselines",
    "layer_baselines": None,
    "feature_mask": "method.superpixels and method.pieces",
    "layer_mask": None,
    "perturbations_per_eval": "compute.batch_size",
    "internal_batch_size": "compute.batch_size",
    "nt_samples_batch_size": "compute.batch_size",
    "draw_baseline_from_distrib": None,
    "attribute_to_layer_input": "method.layer",
    "return_convergence_delta": None,
    "return_input_shape": None,
    "show_progress": "progress",
    "verbose": None,
    "grad_kwargs": None,
}


@dataclass(frozen=True)
class Recipe:
    """How one of Captum's classes is built and called.

    Attributes:
        kind: the class.
        build: keywords of its constructor, by the user.
        call: keywords of its ``attribute``, by the user.
        takes: every parameter of its ``attribute``, by name.
        layered: whether it explains, or looks at, a layer.
        hooked: whether it reaches into the model's modules, so that a forward must be whole.
    """

    kind: Any
    build: Mapping[str, object]
    call: Mapping[str, object]
    takes: Mapping[str, inspect.Parameter]
    layered: bool
    hooked: bool

    @property
    def name(self) -> str:
        """Of the class."""
        return str(self.kind.__name__)

    def is_a(self, *names: str) -> bool:
        """Whether the class is one of ``names`` in Captum, or made from one."""
        return issubclass(self.kind, tuple(getattr(attr, name) for name in names))

    @property
    def promises(self) -> bool:
        """Whether its values add up to a change of the score."""
        return "return_convergence_delta" in self.takes and bool(
            self.build.get("multiply_by_inputs", True)
        )

    @property
    def several(self) -> bool:
        """Whether it wants several baselines an image."""
        return "baselines" in self.takes and _is_needed(self.takes["baselines"])

    @property
    def samples(self) -> int:
        """How many times it draws, 0 where it is not random."""
        if "n_samples" not in self.takes:
            return 0
        given = self.call.get("n_samples", self.takes["n_samples"].default)
        return given if isinstance(given, int) else 1

    @property
    def alone(self) -> bool:
        """Whether it is called with one image at a time: it makes many copies of each, or draws."""
        return self.several or "n_samples" in self.takes or "perturbations_per_eval" in self.takes

    @property
    def copies(self) -> int:
        """How many copies of an image the smallest forward holds."""
        return 2 if self.is_a("DeepLift", "LayerConductance") else 1


def recipe(attribution: str, kwargs: Mapping[str, object]) -> Recipe:
    """How the class ``attribution`` of Captum is called with the user's ``kwargs``.

    Raises:
        ConfigError: no such class, one that cannot explain images, a keyword it does not take.
    """
    kind = _find(attribution)
    build, call = _parameters(kind.__init__), _parameters(kind.attribute)
    allowed = [key for key in (*build, *call) if key not in _SET_BY_US]
    check_keys(attribution, "method.kwargs", kwargs, allowed)
    values = {key: as_tuples(value) for key, value in kwargs.items()}
    return Recipe(
        kind=kind,
        build={key: value for key, value in values.items() if key in build},
        call={key: value for key, value in values.items() if key in call},
        takes=call,
        layered="layer" in build,
        hooked="layer" in build or "model" in build,
    )


def noise_keys(made: Recipe, noise: Mapping[str, object]) -> dict[str, object]:
    """The keywords of Captum's ``NoiseTunnel`` around ``made``, checked.

    Raises:
        ConfigError: one that it does not take, an attribution that it cannot go around.
    """
    if made.several or made.samples or made.is_a("LRP"):
        raise ConfigError(
            "no noise can be put around this attribution of Captum's",
            where=f"method.noise_tunnel of {made.name}",
            expected="null, or an attribution that draws nothing and takes one baseline at most",
        )
    known = _parameters(attr.NoiseTunnel.attribute)
    allowed = [key for key in known if key not in _SET_BY_US]
    check_keys("NoiseTunnel", "method.noise_tunnel", noise, allowed)
    return {key: as_tuples(value) for key, value in noise.items()}


def check_keys(
    attribution: str, where: str, given: Mapping[str, object], allowed: list[str]
) -> None:
    """Refuse a key of ``given`` that is not ``allowed``.

    Raises:
        ConfigError: naming it, and the key of ours that says the same.
    """
    for key in given:
        if key in allowed:
            continue
        ours = _SET_BY_US.get(key)
        close = f"the nearest: {nearest(key, allowed)}" if allowed else None
        raise ConfigError(
            f"Captum's {attribution} takes no such key"
            if key not in _SET_BY_US
            else "a key of Captum's that the audit sets itself",
            where=f"{where}.{key}",
            expected=", ".join(allowed) or "no key",
            remedy=f"set {ours}" if ours else close,
        )


def as_tuples(value: object) -> object:
    """``value`` with tuples for lists, which Captum takes for something else."""
    return tuple(as_tuples(each) for each in value) if isinstance(value, list) else value


def _find(name: str) -> Any:  # noqa: ANN401 - a class of Captum's
    classes = _classes()
    usable = [each for each, kind in classes.items() if _obstacle(kind) is None]
    if name not in classes:
        raise ConfigError(
            "Captum has no such attribution",
            where=f"method.attribution={name}",
            expected=f"one of {', '.join(usable)}",
            remedy=f"the nearest: {nearest(name, usable)}",
        )
    if (obstacle := _obstacle(classes[name])) is not None:
        raise ConfigError(
            "an attribution of Captum's that cannot explain the class of a photo",
            where=f"method.attribution={name}",
            got=obstacle,
            remedy=f"the nearest: {nearest(name.removeprefix('Neuron'), usable)}",
        )
    return classes[name]


def _classes() -> dict[str, Any]:
    """Name -> class of every attribution that Captum exports."""
    exported = {name: getattr(attr, name) for name in sorted(dir(attr))}
    return {
        name: value
        for name, value in exported.items()
        if inspect.isclass(value)
        and issubclass(value, attr.Attribution)
        and callable(getattr(value, "attribute", None))
    }


def _obstacle(kind: Any) -> str | None:  # noqa: ANN401 - a class of Captum's
    """Why ``kind`` cannot explain images one by one, None where it can."""
    call = _parameters(kind.attribute)
    if kind is attr.NoiseTunnel:
        return "noise around another attribution, which is method.noise_tunnel={nt_samples: 8}"
    if "neuron_selector" in call:
        return "it explains a unit of a layer, not the score of a class"
    if "inputs" not in call:
        return "it takes no images but texts or tables"
    if "perm_func" in _parameters(kind.__init__) or issubclass(kind, attr.FeaturePermutation):
        return "it mixes the photos of a batch, so that a map would depend on its neighbours"
    needed = [
        key
        for key, parameter in _parameters(kind.__init__).items()
        if _is_needed(parameter) and key not in _BUILT_FROM
    ]
    return f"it needs functions of your own: {', '.join(needed)}" if needed else None


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _parameters(function: object) -> dict[str, inspect.Parameter]:
    """The named parameters of a method but ``self``."""
    found = inspect.signature(function).parameters  # type: ignore[arg-type]
    named = [p for p in found.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return {parameter.name: parameter for parameter in named if parameter.name != "self"}
