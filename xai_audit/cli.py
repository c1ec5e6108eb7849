"""The command line: Hydra overrides in, an exit code out, every user error as one line.

Nothing heavy is imported before the configuration holds, so ``--help`` and a typo answer at once.
"""

from __future__ import annotations

import difflib
import logging
import multiprocessing
import os
import re
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xai_audit.config.nodes import CONF_DIR, AuditConfig
from xai_audit.config.spec import RunSpec
from xai_audit.config.validation import validate
from xai_audit.errors import AuditError, ConfigError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("xai_audit")

# Hydra's own; everything else with dashes is a key written the way other programs want it.
_FLAGS = (
    "--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun",
    "--shell-completion", "--config-path", "--config-name", "--config-dir", "--experimental-rerun",
    "--info",
)  # fmt: skip

ConfigStore.instance().store(name="audit_schema", node=AuditConfig)


def _method_node(name: str) -> DictConfig:
    """The configuration node of method ``name``: what ``method=NAME`` would have composed."""
    node: DictConfig = hydra.compose("config", overrides=[f"method={name}"]).method
    return node


def _cue_nodes(cfg: DictConfig) -> list[DictConfig]:
    """The configuration nodes of the cues asked for; by default every YAML of the group.

    A stamp is asked for by giving one.
    """
    files: dict[str, Path] = {}
    for folder in _search_path():
        files |= {file.stem: file for file in sorted((folder / "cue").glob("*.yaml"))}
    names = [name for name in files if name != "stamp"] if cfg.cues is None else list(cfg.cues)
    if cfg.stamp.image is not None or cfg.stamp.text is not None:
        names.append("stamp")
    nodes = []
    for name in dict.fromkeys(names):
        if ":" in name:  # package.module:callable
            node = OmegaConf.create(
                {"_target_": name.replace(":", "."), "name": name.rpartition(":")[2]}
            )
        elif name in files:
            node = OmegaConf.merge(cfg, {"cue": OmegaConf.load(files[name])}).cue
        else:
            raise _unknown("cue", name, sorted(files), shown=f"cues=[{name}]")
        nodes.append(node)
    return nodes


def _search_path() -> list[Path]:
    """The folders that Hydra looks in, ours first, so that a user's own file beats ours."""
    sources = HydraConfig.get().runtime.config_sources
    folders = [Path(source.path) for source in sources if source.schema == "file"]
    return sorted(folders, key=lambda folder: folder != CONF_DIR)


def entry() -> None:
    """Run the command line of this process and exit with its code."""
    code = main()
    # After an error, workers may be left; they ignore SIGTERM, and Python would wait for them.
    for child in multiprocessing.active_children():
        child.kill()
    sys.exit(code)


def main() -> int:
    """The exit code of one audit, or of a sweep's first failure (CONTRACT: 0 1 2 3 4 130 143)."""
    # Our own logger only: other packages log as they always do, and not twice.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    # What is odd in a photo's metadata is no news to the user.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Hydra then raises instead of printing a page and exiting with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # argparse takes positional arguments in one run only; flags go first, wherever they stand.
    sys.argv[1:] = sorted(sys.argv[1:], key=_is_override)
    if unknown := [a for a in sys.argv[1:] if a.startswith("--") and not a.startswith(_FLAGS)]:
        key = unknown[0].lstrip("-").partition("=")[0].replace("-", "_")
        remedy = f"keys are written without dashes: {key}=..."
        _complain(ConfigError("unknown flag", where=unknown[0], remedy=remedy))
        return ConfigError.exit_code
    failures: list[AuditError] = []
    stopped: list[StoppedError] = []

    @hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="config")
    def run(cfg: DictConfig) -> None:
        # Kept from Hydra, which would print a line of its own and end a sweep.
        try:
            _audit(cfg)
        except StoppedError as exc:
            stopped.append(exc)
            # Hydra would keep an Exception and start a sweep's next job.
            raise KeyboardInterrupt from exc
        except AuditError as exc:
            failures.append(exc)
            _complain(exc)
        except (HydraException, OmegaConfBaseException) as exc:
            failures.append(_translated(exc, sys.argv[1:]))
            _complain(failures[-1])

    try:
        run()
    except (HydraException, OmegaConfBaseException) as exc:
        _complain(_translated(exc, sys.argv[1:]))
        return ConfigError.exit_code
    except KeyboardInterrupt:
        stop = stopped[0] if stopped else StoppedError(signal.SIGINT)
        _complain(stop)
        return 128 + stop.signum
    except SystemExit as exc:  # Hydra's own --help and --version
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except Exception:
        log.exception("unexpected error; please report it with the lines below")
        return 1
    return failures[0].exit_code if failures else 0


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and "=" in argument


def _complain(message: object) -> None:
    sys.stderr.write(f"xai_audit: {message}\n")


def _audit(cfg: DictConfig) -> None:
    validate(cfg)
    methods = [cfg.method]
    if cfg.methods:
        asked = [a for a in HydraConfig.get().overrides.task if a.startswith("method.")]
        if asked:
            raise ConfigError(
                "keys of one method beside a list of methods",
                where=asked[0],
                remedy="set them in a YAML of your own (--config-dir), or use method=NAME",
            )
        methods = [_method_node(name) for name in cfg.methods]
    from xai_audit.pipeline import audit

    cues = _cue_nodes(cfg) if "evidence" in cfg.stages else []
    settings: Any = OmegaConf.to_object(cfg)
    plain: Any = [
        tuple(OmegaConf.to_container(node, resolve=True) for node in nodes)
        for nodes in (methods, cues)
    ]
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    audit(RunSpec(settings, *plain), config)


def _translated(exc: Exception, arguments: Sequence[str]) -> ConfigError:
    """Hydra's or OmegaConf's message as one line of ours."""
    text = f"{exc} {exc.__cause__ or ''}"
    if match := re.search(r"Could not find '([^'/]+)/([^']+)'", text):
        options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return _unknown("option", match[2], options, shown=f"{match[1]}={match[2]}")
    if (match := re.search(r"Could not override '([^']+)'", text)) or (
        match := re.search(r"Key '[^']+' (?:is not in struct|not in '\w+')\s+full_key: (\S+)", text)
    ):
        if ".kwargs" in match[1]:
            group = match[1].partition(".kwargs")[0]
            remedy = f"keys of your own are added with a plus: +{group}.kwargs.NAME=VALUE"
            return ConfigError("unknown key", where=match[1], remedy=remedy)
        return _unknown("key", match[1], _known_keys(arguments), shown=match[1])
    if match := re.search(r"Error merging override (\S+)\s+(.*?)\s+full_key", text, re.DOTALL):
        hint = "a list is written [a,b]" if "ListConfig" in match[2] else None
        return ConfigError("bad value", where=match[1], got=match[2], remedy=hint)
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return ConfigError("a value is needed", where=match[1], remedy=f"{match[1]}=...")
    if type(exc).__name__ == "OverrideParseException":
        first = str(exc).splitlines()[0]
        return ConfigError(
            "cannot read an override",
            where=getattr(exc, "override", None),
            expected="key=value",
            got=first,
            remedy="quote values that hold spaces, = or brackets: \"key='a=b'\"",
        )
    return ConfigError("bad configuration", got=text)


def _unknown(kind: str, name: str, known: Sequence[str], *, shown: str) -> ConfigError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:  # dataset.rot: the right group, or the last word alone
        last = name.rpartition(".")[2]
        near = [key for key in known if key.rpartition(".")[2] == last][:1]
    return ConfigError(
        f"unknown {kind}",
        where=shown,
        expected=f"one of {', '.join(known)}" if len(known) <= 12 else None,
        remedy=f"did you mean '{near[0]}'?" if near else "see --help",
    )


def _known_keys(arguments: Sequence[str]) -> list[str]:
    """Every dotted key of the configuration that the group choices among ``arguments`` make."""
    groups = {path.name for path in CONF_DIR.iterdir() if path.is_dir()}
    chosen = [a for a in arguments if a.partition("=")[0] in groups and "," not in a]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF_DIR)):
        cfg = hydra.compose("config", overrides=chosen)
    keys: list[str] = []

    def walk(node: object, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key != "_target_":
                    keys.append(f"{prefix}{key}")
                    walk(value, f"{prefix}{key}.")

    walk(OmegaConf.to_container(cfg, resolve=False), "")
    return keys
