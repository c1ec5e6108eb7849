"""The audit, stage by stage: read this first.

    index      an image folder            -> manifest.parquet
    attribute  photos and the model       -> attributions/, and scores/ in the same pass
    score      heatmaps and masks         -> scores/
    trust      the model and the methods  -> methods.parquet: are the maps to be trusted
    discover   heatmaps                   -> clusters.parquet, whose regions become cues
    evidence   cues, scores and the model -> evidence.parquet: three questions, one verdict
    agreement  heatmaps and scores        -> agreement/, agreement.parquet: do the methods agree
    boundary   heatmaps and evidence      -> boundaries.parquet: what sets confused classes apart
    adversarial photos and the model      -> adversarial.parquet: how little flips a decision
    flag       scores                     -> flags.parquet
    report     tables and photos          -> report/index.html and galleries

Each stage reads files and writes files. A stage whose fingerprint (its inputs, its own
configuration, its own code) still holds is skipped, so changing a threshold redoes only what
depends on it, and the same command again resumes.
"""

from __future__ import annotations

import errno
import logging
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from xai_audit.config.build import build
from xai_audit.config.nodes import STAGES, AuditConfig
from xai_audit.errors import ConfigError, OutputError, StoppedError, TooManyFailuresError
from xai_audit.run.manifest import failed_fraction
from xai_audit.run.paths import RunPaths, safe_name
from xai_audit.run.record import RunRecord, owned
from xai_audit.run.stop import StopRequest
from xai_audit.schema import RANDOM
from xai_audit.stages.context import Audit

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def audit(
    cfg: DictConfig, method_nodes: Sequence[DictConfig], cue_nodes: Sequence[DictConfig]
) -> None:
    """Run the stages that ``cfg`` asks for, in their order.

    Raises:
        AuditError: what the user can mend, before anything computed earlier is touched.
    """
    stop = StopRequest()
    job = assembled(cfg, method_nodes, cue_nodes, stop)
    _check_place(job)
    job.record.check_owner()
    job.dataset.prepare()
    if {"attribute", "trust", "evidence", "adversarial"} & {*job.settings.stages}:
        _ = job.compute, job.model  # whatever does not fit is told before anything is written
    with owned(job.paths), stop:
        job.record.check_owner()  # again: another audit may have come while the model loaded
        try:
            for stage in STAGES:
                if stage in job.settings.stages:
                    stop.check()
                    # A stage is imported when its turn comes: the report never loads torch.
                    import_module(f"xai_audit.stages.{stage}").run(job)
        except StoppedError:
            job.record.write()  # what the stage in hand has counted and timed
            raise
        except OSError as exc:
            if exc.errno not in _NO_PLACE:
                raise
            raise OutputError(
                "cannot write; everything finished so far is kept",
                where=exc.filename or job.paths.root,
                got=exc.strerror,
                remedy="make room or give the right to write, then run the same command again",
            ) from exc
        _finish(job)


def _check_place(job: Audit) -> None:
    """Raise OutputError where the run's own pictures would be listed as photos next time."""
    output, photos = job.paths.root.resolve(), job.dataset.root.resolve()
    listed = "file" not in job.keys["dataset"]  # a table names its photos itself
    if listed and output.is_relative_to(photos):
        raise OutputError(
            "the output folder lies among the photos",
            where=job.paths.root,
            expected=f"a folder outside {job.dataset.root}",
            remedy="output_dir=ANOTHER_FOLDER",
        )


def assembled(
    cfg: DictConfig,
    method_nodes: Sequence[DictConfig],
    cue_nodes: Sequence[DictConfig],
    stop: StopRequest,
) -> Audit:
    """The audit that ``cfg`` describes; the last place that knows ``cfg``."""
    settings = OmegaConf.to_object(cfg)
    if not isinstance(settings, AuditConfig):
        raise TypeError(f"cfg is not an AuditConfig but {type(settings).__name__}")
    keys: dict[str, Any] = {
        group: OmegaConf.to_container(cfg[group], resolve=True)
        for group in ("dataset", "masks", "model", "engine")
    }
    keys["methods"] = [OmegaConf.to_container(node, resolve=True) for node in method_nodes]
    keys["cues"] = [OmegaConf.to_container(node, resolve=True) for node in cue_nodes]
    for method in keys["methods"]:
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
    asked = "evidence" in settings.stages  # a cue's file loads torch
    dataset = build("dataset", cfg.dataset)
    paths = RunPaths(_output_dir(cfg, dataset.name, method_nodes))
    return Audit(
        settings=settings,
        paths=paths,
        record=RunRecord(paths, _plain(cfg), _identity(keys)),
        stop=stop,
        dataset=dataset,
        masks=build("masks", cfg.masks),
        engine=build("engine", cfg.engine),
        model_spec=lambda classes: build("model", cfg.model, num_classes_of_dataset=classes),
        methods=lambda: [build("method", node) for node in method_nodes],
        cues=[build("cue", node) for node in cue_nodes] if asked else [],
        keys=keys,
    )


def _output_dir(cfg: DictConfig, dataset: str, method_nodes: Sequence[DictConfig]) -> Path:
    if cfg.output_dir:
        return Path(cfg.output_dir).expanduser().absolute()
    model = cfg.model.get("name") or cfg.model.get("arch") or cfg.model.get("factory")
    methods = "+".join(node.name for node in method_nodes)
    return Path("outputs", *map(safe_name, (dataset, str(model), methods)))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    return dict(content)


# Keys of a group that change an audit without making it another one, and those that are files.
_SETTINGS = {
    "dataset": {"name", "class_to_idx"},
    "model": {"name", "preprocess", "target_layer", "head", "trust_checkpoint"},
}
_FILES = ("root", "file", "checkpoint")


def _identity(keys: dict[str, Any]) -> dict[str, Any]:
    """What makes it this audit: another value of these is another audit, not a changed one."""
    identity = {
        f"{group}.{key}": os.path.abspath(value) if key in _FILES else value  # noqa: PTH100 - links
        for group, settings in _SETTINGS.items()
        for key, value in keys[group].items()
        if key not in settings and value is not None
    }
    return identity | {"methods": [method["name"] for method in keys["methods"]]}


def _finish(job: Audit) -> None:
    """Say how it ended; SUCCESS once every stage is current."""
    job.record.write()
    if all(job.record.current(stage) for stage in STAGES):
        job.record.succeed()
    failed, most = failed_fraction(job.manifest()), job.settings.max_failed_fraction
    if failed > most:
        raise TooManyFailuresError(
            "too many images failed",
            where=job.paths.manifest,
            expected=f"at most {most:.1%}",
            got=f"{failed:.1%}",
            remedy="see its columns status and error, or raise max_failed_fraction",
        )
