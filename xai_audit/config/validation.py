"""What is wrong with a command, in one line: Hydra's errors, and values beyond their limits."""

from __future__ import annotations

import math
import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from xai_audit.config.nodes import CONF_DIR, AuditConfig
from xai_audit.errors import ConfigError, similar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# What composing a configuration raises because of what the user wrote.
FOREIGN = (HydraException, OmegaConfBaseException, MarkedYAMLError)

_DEMO = "xai_audit.demo.dataset.Flowers"


def validate(settings: AuditConfig) -> None:
    """Raise ConfigError for the first value outside the limits of its field."""
    for key, value, limits in leaves(settings):
        if value is None:
            continue
        if limits.get("distinct"):
            _check_list(key, value, limits)
        elif isinstance(value, dict):
            for name, each in value.items() if limits else ():
                _check_value(f"{key}.{name}", each, limits)
        elif limits:
            _check_value(key, value, limits)
    if settings.cues == [] and "evidence" in settings.stages:
        remedy = "cues=null for all, or leave evidence out of stages"
        raise ConfigError("no cue to examine", where="cues", got="[]", remedy=remedy)


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, Mapping[str, Any]]]:  # noqa: ANN401 - any dataclass
    """Each key below the dataclass ``node``: dotted name, value, the metadata of its field."""
    for field in fields(node):
        value = getattr(node, field.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value, field.metadata


def _check_value(key: str, value: object, limits: Mapping[str, Any]) -> None:
    choices, forms = limits.get("choices", ()), limits.get("forms", {})
    if value in choices or any(re.fullmatch(form, str(value)) for form in forms.values()):
        return
    if forms:
        raise ConfigError("bad value", where=key, expected=" or ".join(forms), got=value)
    span = _span(limits)
    if span is None:
        raise ConfigError(
            "unknown value", where=key, expected=f"one of {', '.join(choices)}", got=value
        )
    if not _within(value, limits):
        expected = " or ".join([*choices, span])
        raise ConfigError("bad value", where=key, expected=expected, got=value)


def _span(limits: Mapping[str, Any]) -> str | None:
    """The range of numbers that ``limits`` allow in words, None where they allow no number."""
    if "above" in limits:
        return f"above {limits['above']}, up to {limits['max']}"
    if "max" in limits:
        return f"{limits['min']} to {limits['max']}"
    return f">= {limits['min']}" if "min" in limits else None


def _within(value: object, limits: Mapping[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    above, low = limits.get("above", -math.inf), limits.get("min", -math.inf)
    # A comparison with NaN is false, so NaN is never within.
    return bool(above < value and low <= value <= limits.get("max", math.inf))


def _check_list(key: str, given: list[str], limits: Mapping[str, Any]) -> None:
    """Refuse an empty list, a name twice, and names that are neither a choice nor of a form."""
    choices, forms = limits.get("choices", ()), limits.get("forms", {})
    names = ", ".join([*choices, *forms])
    for name in given if choices else ():
        if name not in choices and not any(re.fullmatch(form, name) for form in forms.values()):
            raise ConfigError("unknown value", where=key, expected=f"one of {names}", got=name)
    if not given:
        expected = f"some of {names}" if names else "at least one"
        raise ConfigError("nothing chosen", where=key, expected=expected)
    if len(set(given)) != len(given):
        raise ConfigError("named twice", where=key, got=", ".join(given))


def translated(exc: BaseException, known_keys: Callable[[], list[str]]) -> ConfigError:
    """``exc``, one of FOREIGN, as one line of ours.

    Args:
        exc: what Hydra, OmegaConf or the YAML reader raised.
        known_keys: returns every dotted key there is; called for an unknown key only.
    """
    if isinstance(exc, MissingConfigException) and exc.missing_cfg_file and exc.options is not None:
        group, _, name = exc.missing_cfg_file.rpartition("/")
        return unknown("option", name, exc.options, shown=f"{group}={name}")
    if isinstance(exc, OverrideParseException):
        return ConfigError(
            "cannot read an override",
            where=exc.override,
            expected="key=value",
            got=exc.message.splitlines()[0],
            remedy="quote values that hold spaces, = or brackets: \"key='a=b'\"",
        )
    if isinstance(exc, MarkedYAMLError) and exc.problem_mark is not None:
        where = f"{exc.problem_mark.name}, line {exc.problem_mark.line + 1}"
        return ConfigError("cannot read a YAML file", where=where, got=exc.problem)
    # Hydra keeps OmegaConf's error beside its own: mostly as the cause, in places as the context.
    cause = exc if isinstance(exc, OmegaConfBaseException) else exc.__cause__ or exc.__context__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return _from_omegaconf(cause, cause.full_key, known_keys)
    return ConfigError("bad configuration", got=f"{exc} {exc.__cause__ or ''}")


def _from_omegaconf(
    exc: OmegaConfBaseException, key: str, known_keys: Callable[[], list[str]]
) -> ConfigError:
    if isinstance(exc, MissingMandatoryValue):
        return ConfigError("a value is needed", where=key, remedy=f"{key}=...")
    what = (exc.msg or str(exc)).partition("\n")[0]  # the lines below it repeat the attributes
    if isinstance(exc, InterpolationKeyError):
        return ConfigError("bad value", where=key, got=what)
    if isinstance(exc, ConfigAttributeError | ConfigKeyError):
        if options := _options_with(key):
            given = " or ".join(f"{key.partition('.')[0]}={name}" for name in options)
            return ConfigError("the chosen option has no such key", where=key, remedy=given)
        return unknown("key", key, known_keys(), shown=key)
    where = key if exc.value is None else f"{key}={exc.value}"
    is_list = isinstance(exc.child_node, ListConfig)
    hint = "a list is written [a,b]" if is_list else None
    limits = {name: given for name, _, given in leaves(AuditConfig())}.get(key, {})
    options = [*limits.get("choices", ()), *filter(None, [_span(limits)])]
    expected = " or ".join(options) or None
    return ConfigError("bad value", where=where, expected=expected, got=what, remedy=hint)


def _options_with(key: str) -> list[str]:
    """The options of a group whose YAML has ``key``, as ``folder`` and ``voc`` have masks.root."""
    group, _, name = key.partition(".")
    found = []
    for file in sorted((CONF_DIR / group).glob("*.yaml")) if name else ():
        node: Any = OmegaConf.to_container(OmegaConf.load(file))
        if name in node.get(group, node):
            found.append(file.stem)
    return found


def check_demo(overrides: Iterable[str], dataset: Mapping[str, Any]) -> None:
    """Raise ConfigError for a place of photos beside the demo, which nobody asked for.

    Args:
        overrides: as given.
        dataset: the node of the dataset that they come to.
    """
    given = [each.lstrip("+") for each in overrides]
    if str(dataset.get("_target_")) == _DEMO and not any(e.startswith("dataset=") for e in given):
        for each in given:
            if each.startswith("dataset.root="):
                raise ConfigError(
                    "a place of photos, but no kind of dataset: the default is the demo",
                    where=each,
                    remedy="dataset=imagefolder for a folder of class folders",
                )


def unknown(kind: str, name: str, known: Iterable[str], *, shown: str) -> ConfigError:
    """The error for ``name``, a ``kind`` that is not among ``known``, written as ``shown``."""
    options = list(known)
    near = similar(name, options)
    return ConfigError(
        f"unknown {kind}",
        where=shown,
        expected=f"one of {', '.join(options)}" if len(options) <= 12 else None,
        remedy=f"did you mean '{near[0]}'?" if near else "see --help",
    )
