"""``build()``: a plugin from its keys of the configuration, their types checked first."""

from __future__ import annotations

import inspect
import re
import types
import typing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from xai_audit.errors import AuditError, ConfigError, PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping


# What each contract of types.py asks for; a dataset's ``open`` is optional.
_CONTRACT = {
    "dataset": ("name", "root", "class_to_idx", "prepare", "class_names", "entries"),
    "masks": ("load", "fingerprint"),
    "method": ("name", "sign", "attribute"),
    "cue": ("name", "way", "needs_mask", "region", "descriptors", "level", "transplant"),
    "engine": ("run", "close"),
}
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
_WAYS = ("both", "down", "added", "none")


def build(group: str, keys: Mapping[str, Any], **extra: object) -> Any:  # noqa: ANN401 - any plugin
    """The object that the ``_target_`` among ``keys`` makes of the other keys and ``extra``.

    Every value arrives as a plain Python one, checked against the plugin's own annotations.

    Raises:
        ConfigError: a target that does not exist, a key it does not take, a value of another type.
        PluginError: the plugin lacks what its contract asks for.
    """
    given: Any = (
        OmegaConf.to_container(keys, resolve=True) if isinstance(keys, DictConfig) else keys
    )
    if "_target_" not in given:
        raise ConfigError("no _target_", where=group, remedy="name the plugin's dotted path")
    keywords = {str(key): value for key, value in given.items()}
    factory = _resolve(group, str(keywords.pop("_target_")))
    _check_types(group, factory, keywords)
    try:
        plugin = factory(**keywords, **extra)
    except AuditError:
        raise
    except TypeError as exc:
        inside = exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
        name = _UNEXPECTED.search(str(exc))
        if inside and (name is None or name[1] not in keywords):
            raise  # a bug of the plugin, not a key
        raise ConfigError("the plugin does not take these keys", where=group, got=exc) from exc
    _check_contract(group, plugin)
    return plugin


def _check_contract(group: str, plugin: object) -> None:
    broken = f"{group} {getattr(plugin, 'name', type(plugin).__name__)} broke its contract"
    if lacking := [name for name in _CONTRACT.get(group, ()) if not hasattr(plugin, name)]:
        raise PluginError(broken, expected=", ".join(lacking), got="nothing of that name")
    if group == "cue" and (way := getattr(plugin, "way", None)) not in _WAYS:
        raise PluginError(broken, where="way", expected=" or ".join(_WAYS), got=repr(way))
    if group == "dataset" and not isinstance(root := getattr(plugin, "root", None), Path):
        raise PluginError(broken, where="root", expected="a pathlib.Path", got=repr(root))


def _resolve(group: str, dotted: str) -> Any:  # noqa: ANN401 - any callable
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ConfigError(
            "no such plugin", where=f"{group}._target_", got=f"{dotted} ({exc})"
        ) from exc


def _check_types(group: str, factory: object, keywords: dict[str, object]) -> None:
    function = factory.__init__ if inspect.isclass(factory) else factory
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations for the type checker only
        return
    for key, value in keywords.items():
        allowed = _plain_types(hints.get(key))
        if allowed and not isinstance(value, allowed):
            names = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)
            raise ConfigError("bad value", where=f"{group}.{key}", expected=names, got=repr(value))


def _plain_types(hint: object) -> tuple[type, ...]:
    """The plain types that ``hint`` admits, () where it admits more than plain ones."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    plain = (bool, int, float, str, type(None))
    if hint is None or not all(option in plain for option in options):
        return ()
    widened = [int] if float in options else []
    return tuple(typing.cast("list[type]", [*options, *widened]))
