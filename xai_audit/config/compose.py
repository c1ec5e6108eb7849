"""``compose()``: overrides in, the whole configuration of one audit out, as plain data.

Hydra keeps its state in globals of the process. What is composed here uses a Hydra of its own and
puts back what was there, so it works inside an application that is built on Hydra itself.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict

from xai_audit.config.nodes import CONF_DIR, AuditConfig
from xai_audit.config.overrides import with_open_nodes
from xai_audit.config.spec import RunSpec
from xai_audit.config.validation import FOREIGN, check_demo, translated, unknown, validate
from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydra.conf import HydraConf

# Hydra's own entries of the search path, and ours: every composition has them.
_FIXED = ("hydra", "main", "schema")
# Keys of a method that are no settings.
_FIXED_KEYS = ("_target_", "name")
_LOCK = threading.Lock()  # GlobalHydra is one for all threads

ConfigStore.instance().store(name="audit_schema", node=AuditConfig)


def compose(overrides: Sequence[str], *, config_dirs: Sequence[Path] = ()) -> RunSpec:
    """The configuration that ``overrides`` make, as ``python -m xai_audit`` would take them.

    Args:
        overrides: ``key=value`` and ``group=option``, in the grammar of Hydra's command line.
        config_dirs: folders of YAML files of one's own, laid out like ``conf/``.

    Raises:
        ConfigError: an override, a key, a value or a file that cannot work.
    """
    folders = [folder.expanduser().absolute() for folder in map(Path, config_dirs)]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError("no such folder", where=folder, remedy="config_dirs of YAML files")
    for override in overrides:
        if override.lstrip("+~").startswith(("hydra.", "hydra/")):
            raise ConfigError(
                "a key of Hydra's own",
                where=override,
                remedy="use the command line; folders of YAML files are given as config_dirs",
            )
    sources = [f"file://{folder}" for folder in folders]
    with translating(overrides, folders):
        cfg = _composed(with_open_nodes(overrides), sources)
    return completed(*_without_hydra(cfg))


def keys_of(
    overrides: Sequence[str], *, config_dirs: Sequence[Path] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """Every key with its value as it is written, and group -> the option chosen."""
    with translating(overrides, config_dirs):
        sources = [f"file://{folder.absolute()}" for folder in config_dirs]
        cfg, own = _without_hydra(_composed(with_open_nodes(overrides), sources))
    keys: Any = OmegaConf.to_container(cfg, resolve=False)
    return keys, dict(own.runtime.choices)


def completed(cfg: DictConfig, own: HydraConf) -> RunSpec:
    """The whole configuration from ``cfg``, composed by Hydra, and ``own``, its node ``hydra``.

    Raises:
        ConfigError: a value that is missing or cannot work.
    """
    overrides: Any = OmegaConf.to_container(own.overrides.task, resolve=False)
    entries = [entry for entry in own.runtime.config_sources if entry.provider not in _FIXED]
    folders = [Path(entry.path) for entry in entries if entry.schema == "file"]
    with translating(overrides, folders):
        for key in sorted(OmegaConf.missing_keys(cfg)):
            raise ConfigError("a value is needed", where=key, remedy=f"{key}=...")
        settings: Any = OmegaConf.to_object(cfg)
        validate(settings)
        check_demo(overrides, settings.dataset)
        sources = [f"{entry.schema}://{entry.path}" for entry in entries]
        return RunSpec(
            settings=settings,
            methods=tuple(_with_args(_method_nodes(cfg, overrides, sources), settings)),
            cues=tuple(_cues(cfg, folders)),
            config=_plain(cfg),
            arguments=(*(f"--config-dir={folder}" for folder in folders), *overrides),
        )


@contextmanager
def translating(overrides: Sequence[str], folders: Sequence[Path] = ()) -> Iterator[None]:
    """A block in which errors of Hydra, OmegaConf and YAML files become ConfigError.

    Args:
        overrides: as given; the groups chosen in them decide which keys exist.
        folders: of the user's YAML files.
    """
    try:
        yield
    except FOREIGN as exc:
        raise translated(exc, lambda: _known_keys(overrides, folders)) from exc


def _composed(overrides: Sequence[str], sources: Sequence[str]) -> DictConfig:
    """What Hydra composes of ``overrides``, its own node ``hydra`` included."""
    quoted = ",".join("'" + source.replace("'", r"\'") + "'" for source in sources)
    found = [f"hydra.searchpath=[{quoted}]"] if sources else []
    with _own_hydra():
        return hydra.compose("config", [*overrides, *found], return_hydra_config=True)


@contextmanager
def _own_hydra() -> Iterator[None]:
    """A Hydra over our folder for the block; afterwards the process has the one that it had."""
    with _LOCK:
        instance, runtime, version = GlobalHydra(), JobRuntime(), VersionBase()
        theirs, name, base = instance.hydra, runtime.get("name"), version.version_base
        instance.clear()
        try:
            with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF_DIR)):
                yield
        finally:
            instance.hydra = theirs
            GlobalHydra.set_instance(instance)  # Hydra has put a copy in its place
            runtime.set("name", name)
            version.version_base = base


def _without_hydra(cfg: DictConfig) -> tuple[DictConfig, HydraConf]:
    """``cfg`` without its node ``hydra``, and that node."""
    own: HydraConf = cfg.hydra.copy()
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, own


def _plain(node: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(node, resolve=True)
    return dict(content)


def _method_nodes(
    cfg: DictConfig, overrides: Sequence[str], sources: Sequence[str]
) -> list[DictConfig]:
    """The nodes of the methods requested: what ``method=NAME`` composes for each name."""
    if not cfg.methods:
        return [cfg.method]
    keys = {override: override.lstrip("+~").partition("=")[0] for override in overrides}
    for override, key in keys.items():
        if key.startswith("method."):
            raise ConfigError(
                "keys of one method beside a list of methods",
                where=override,
                remedy=f"method_args.NAME.{key.partition('.')[2]}=..., NAME being one of them",
            )
    others = [override for override in overrides if keys[override] != "method"]
    return [_composed([*others, f"method={name}"], sources).method for name in cfg.methods]


def _with_args(nodes: Sequence[DictConfig], settings: AuditConfig) -> Iterator[dict[str, Any]]:
    """The methods' nodes with what ``method_args`` changes in them."""
    args, known = settings.method_args, [str(node.name) for node in nodes]
    for name in args:
        if name not in known:
            raise unknown("method", name, known, shown=f"method_args.{name}")
    for node in map(_plain, nodes):
        given = args.get(node["name"], {})
        if not isinstance(given, dict):
            where = f"method_args.{node['name']}"
            raise ConfigError("bad value", where=where, expected="{key: value}", got=given)
        for key in given:
            if key not in node or key in _FIXED_KEYS:
                keys = [each for each in node if each not in _FIXED_KEYS]
                raise unknown("key", key, keys, shown=f"method_args.{node['name']}.{key}")
        merged: Any = OmegaConf.to_container(OmegaConf.merge(node, given))
        yield merged


def _cues(cfg: DictConfig, folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The nodes of the cues requested; by default of every YAML file of the group ``cue``.

    A user's own file replaces ours of the same name. A stamp is requested by giving one.
    """
    files: dict[str, Path] = {}
    for folder in (CONF_DIR, *folders):
        files |= {file.stem: file for file in sorted((folder / "cue").glob("*.yaml"))}
    names = [name for name in files if name != "stamp"] if cfg.cues is None else list(cfg.cues)
    if cfg.stamp.image is not None or cfg.stamp.text is not None:
        names.append("stamp")
    whole = cfg.copy()
    with open_dict(whole):
        for name in dict.fromkeys(names):
            # Within the whole, so that what it takes from other keys resolves.
            whole["cue"] = _cue(name, files)
            yield _plain(whole.cue)


def _cue(name: str, files: dict[str, Path]) -> Any:  # noqa: ANN401 - what YAML has
    if ":" in name:  # package.module:callable
        return {"_target_": name.replace(":", "."), "name": name.rpartition(":")[2]}
    if name not in files:
        raise unknown("cue", name, sorted(files), shown=f"cues=[{name}]")
    return OmegaConf.load(files[name])


def _known_keys(overrides: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Every dotted key of the configuration that the group choices among ``overrides`` make."""
    groups = {
        path.name for folder in (CONF_DIR, *folders) for path in folder.iterdir() if path.is_dir()
    }
    chosen = [o for o in overrides if o.partition("=")[0] in groups and "," not in o]
    sources = [f"file://{folder}" for folder in folders]
    try:
        cfg = _composed(chosen, sources)
    except FOREIGN:  # a choice that is wrong itself
        cfg = _composed([], [])
    keys: list[str] = []

    def walk(node: object, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key != "_target_":
                    keys.append(f"{prefix}{key}")
                    walk(value, f"{prefix}{key}.")

    walk(OmegaConf.to_container(_without_hydra(cfg)[0], resolve=False), "")
    return keys
