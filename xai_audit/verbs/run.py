"""``xai-audit [run] KEY=VALUE...``: Hydra overrides in, an exit code out.

Nothing slow is imported before the configuration is valid, so ``--help`` and a typo are fast.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from xai_audit.config.compose import completed, translating
from xai_audit.config.nodes import CONF_DIR
from xai_audit.config.overrides import with_open_nodes
from xai_audit.errors import AuditError, ConfigError, GateError, StoppedError
from xai_audit.run.log import handler
from xai_audit.verbs.help import show_help
from xai_audit.verbs.sweep import Member, Sweep, swept

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("xai_audit")

# Hydra's own flags; anything else with dashes is taken as a key written with dashes by mistake.
_FLAGS = (
    "--help", "--hydra-help", "--cfg", "--resolve", "--package", "--run", "--multirun",
    "--shell-completion", "--config-path", "--config-name", "--config-dir", "--experimental-rerun",
    "--info",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """The exit code of one audit, or of a sweep's first failure (CONTRACT: 0 1 2 3 4 130 143)."""
    start_log()
    # Hydra then raises instead of printing a page and exiting with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # argparse takes positional arguments in one run only; flags go first, wherever they stand.
    sys.argv[1:] = with_open_nodes(sorted(arguments, key=_is_override))
    if {"--help", "-h"} & {*arguments}:
        return show_help(arguments, config_dirs(arguments))
    if unknown := [a for a in sys.argv[1:] if a.startswith("--") and not a.startswith(_FLAGS)]:
        complain(unknown_flag(unknown[0]))
        return ConfigError.exit_code
    sweep = Sweep()
    failures: list[AuditError] = []
    stopped: list[StoppedError] = []

    @hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="config")
    def run(cfg: DictConfig) -> None:
        # Not passed on to Hydra, which would print a line of its own and end a sweep.
        sweep.members.append(member := Member())
        try:
            _audit(cfg, sweep, member)
        except StoppedError as exc:
            stopped.append(exc)
            # Hydra would keep an Exception and start a sweep's next job.
            raise KeyboardInterrupt from exc
        except AuditError as exc:
            failures.append(exc)
            member.problem = str(exc)
            complain(exc)

    try:
        with translating(sys.argv[1:], config_dirs(sys.argv[1:])):
            sweep.keys = swept(sys.argv[1:])
            run()
            sweep.tell()
    except ConfigError as exc:
        complain(exc)
        return ConfigError.exit_code
    except KeyboardInterrupt:
        stop = stopped[0] if stopped else StoppedError(signal.SIGINT)
        complain(stop)
        return 128 + stop.signum
    except SystemExit as exc:  # Hydra's own flags
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except Exception:
        log.exception("unexpected error; please report it with the lines below")
        return 1
    return failures[0].exit_code if failures else 0


def start_log() -> None:
    """Log to stderr, each line with its time."""
    # Our own logger only: other packages log as they always do, and not twice.
    log.handlers[:] = [handler()]
    log.setLevel(logging.INFO)
    # Warnings about a photo's metadata are of no use to the user.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def complain(message: object) -> None:
    """Write ``message``, one line, to stderr."""
    sys.stderr.write(f"xai_audit: {message}\n")


def unknown_flag(flag: str) -> ConfigError:
    """The error of a flag that nothing takes; mostly a key that was written with dashes."""
    key = flag.lstrip("-").partition("=")[0].replace("-", "_")
    remedy = f"keys are written without dashes: {key}=..."
    return ConfigError("unknown flag", where=flag, remedy=remedy)


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and "=" in argument


def _audit(cfg: DictConfig, sweep: Sweep, member: Member) -> None:
    own = HydraConfig.get()
    overrides: Any = OmegaConf.to_container(own.overrides.task, resolve=False)
    member.name = sweep.member(overrides)
    spec = completed(cfg, own)
    from xai_audit.budget.within import audited

    keys: Any = OmegaConf.to_container(cfg, resolve=False)
    written = keys["output_dir"]
    place, siblings = sweep.placed(overrides, written), sweep.folders()
    alone = not sweep.keys
    try:
        member.folder = audited(replace(spec, member=place, siblings=siblings, log_answer=alone))
    except GateError as exc:
        member.folder = exc.folder  # finished, and shown on the sweep's page
        raise


def config_dirs(arguments: Sequence[str]) -> list[Path]:
    """The folder that ``--config-dir`` names among ``arguments``."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    folder = parser.parse_known_args(arguments)[0].config_dir
    return [folder.absolute()] if folder is not None and folder.is_dir() else []
