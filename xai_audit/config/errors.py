"""Hydra's and OmegaConf's errors as ConfigError, one line each, read from their attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import ListConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from xai_audit.errors import ConfigError, similar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What composing a configuration raises because of what the user wrote.
FOREIGN = (HydraException, OmegaConfBaseException, MarkedYAMLError)


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
        if ".kwargs" in key:
            group = key.partition(".kwargs")[0]
            remedy = f"keys of your own are added with a plus: +{group}.kwargs.NAME=VALUE"
            return ConfigError("unknown key", where=key, remedy=remedy)
        return unknown("key", key, known_keys(), shown=key)
    where = key if exc.value is None else f"{key}={exc.value}"
    is_list = isinstance(exc.child_node, ListConfig)
    hint = "a list is written [a,b]" if is_list else None
    return ConfigError("bad value", where=where, got=what, remedy=hint)


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
