"""The audit, stage by stage: read this first.

    index       an image folder             -> manifest.parquet
    mask        photos and a network        -> masks/: where no masks are given and masks=auto
    attribute   photos and the model        -> attributions/, and scores/ in the same pass
    score       heatmaps and masks          -> scores/
    trust       the model and the methods   -> methods.parquet: are the maps to be trusted
    discover    heatmaps                    -> clusters.parquet, whose regions become cues
    survey      photos and cues             -> evidence/survey/: what every photo holds of each cue
    availability  the survey                -> does a cue alone separate the classes
    attention   heatmaps and the survey     -> does relevance fall on a cue
    transplant  photos, donors, the model   -> transplants/: does changing a cue change the decision
    carriers    the same of every donor     -> carriers.parquet, pulls.parquet: in which photos
    joint       the same for two cues       -> transplants/: which of two overlapping cues it is
    verdict     the six tables before      -> evidence.parquet: three questions, one verdict
    agreement   heatmaps and scores         -> agreement.parquet: do the methods agree
    boundary    heatmaps and evidence       -> boundaries.parquet: what separates confused classes
    adversarial photos and the model        -> adversarial.parquet: how little flips a decision
    augmentation  photos and the model      -> augmentation.parquet: what flips and blur change
    flag        scores                      -> flags.parquet
    gallery     photos and tables           -> report/gallery/
    explore     photos and tables           -> report/explore.html, report/explore/
    page        tables                      -> report/index.html, summary.json, summary.md

Each stage is a plan of parts, the work on a part and a merge (:mod:`xai_audit.work.stage`), in the
file named beside it below. A stage whose fingerprint (its settings, its version, the stages that
it reads) still holds is skipped, so that changing a threshold redoes only what depends on it, and
the same command again resumes. Where ``gate.*`` has rules, what of them holds is said in the end.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.adversarial.stage import ADVERSARIAL
from xai_audit.agreement.stage import AGREEMENT
from xai_audit.attribute.methods import check_methods, check_possible
from xai_audit.attribute.stage import ATTRIBUTE
from xai_audit.attribute.targets import targets_of
from xai_audit.augmentation.stage import AUGMENTATION
from xai_audit.config.build import build
from xai_audit.confusion.stage import BOUNDARY
from xai_audit.discovery.stage import DISCOVER
from xai_audit.errors import OutputError, StoppedError, TooManyFailuresError
from xai_audit.evidence.stages.attention import ATTENTION
from xai_audit.evidence.stages.availability import AVAILABILITY
from xai_audit.evidence.stages.carriers import CARRIERS
from xai_audit.evidence.stages.joint import JOINT
from xai_audit.evidence.stages.survey import SURVEY
from xai_audit.evidence.stages.transplant import TRANSPLANT
from xai_audit.evidence.stages.verdict import VERDICT
from xai_audit.evidence.store import borrow
from xai_audit.faithfulness.stage import TRUST
from xai_audit.flags.stage import FLAG
from xai_audit.gate.judge import check_gate, is_asked
from xai_audit.index.masks import check_masks
from xai_audit.index.stage import INDEX
from xai_audit.index.stages.mask import MASK
from xai_audit.report.again import noted_arguments
from xai_audit.report.stages.explore import EXPLORE
from xai_audit.report.stages.gallery import GALLERY
from xai_audit.report.stages.page import PAGE
from xai_audit.run.limits import before_torch
from xai_audit.run.manifest import failed_fraction
from xai_audit.run.progress import StopRequest
from xai_audit.run.record import RunRecord, owned
from xai_audit.run.unwritten import writing
from xai_audit.score.stage import SCORE
from xai_audit.store.address import home_of
from xai_audit.store.settings import configure
from xai_audit.work.audit import Audit
from xai_audit.work.extras import check_extras
from xai_audit.work.folder import folder_of, identity
from xai_audit.work.made_masks import MadeMasks
from xai_audit.work.parts import read_current
from xai_audit.work.runner import Driver
from xai_audit.work.shard import Share, check_plan, work_share
from xai_audit.work.thresholds import log_decisions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.config.spec import RunSpec
    from xai_audit.run.paths import RunPaths
    from xai_audit.work.stage import Stage

log = logging.getLogger(__name__)

STAGES = (
    INDEX, MASK, ATTRIBUTE, SCORE, TRUST, DISCOVER,
    SURVEY, AVAILABILITY, ATTENTION, TRANSPLANT, CARRIERS, JOINT, VERDICT,
    AGREEMENT, BOUNDARY, ADVERSARIAL, AUGMENTATION, FLAG, GALLERY, EXPLORE, PAGE,
)  # fmt: skip

# The stages that run the model.
_WITH_MODEL = ("attribute", "trust", "evidence", "adversarial", "augmentation")


def audit(spec: RunSpec) -> Path:
    """The output folder of the audit that ``spec`` describes, its stages run in their order.

    Raises:
        AuditError: what the user can fix, before anything computed earlier is touched.
    """
    check(spec)
    dataset = build("dataset", spec.settings.dataset)
    configure(**vars(spec.settings.store))
    paths, stop = folder_of(spec, dataset.name), StopRequest()
    reads = {stage.name: (*stage.needs, *stage.reads) for stage in STAGES}
    groups = {stage.name: stage.group for stage in STAGES}
    record = RunRecord(paths, spec.config, identity(spec.keys), reads, groups)
    record.content["arguments"] = noted_arguments(spec)
    job = Audit(paths, spec, lambda stage: record.current(stage) is not None)
    if spec.settings.shard is not None:
        record.check_owner()
        return _worked_share(paths, spec, stop)
    driver = Driver(job, record, stop, STAGES)
    _check_place(job)
    record.check_owner()
    driver.check_stages()
    job.dataset.prepare()
    if {*_WITH_MODEL} & {*spec.settings.stages}:
        # What does not fit is an error before anything is written.
        targets_of(job)
        check_possible(spec.methods, forward_only=job.facts.forward_only)
    with writing(paths.root), owned(paths), stop, driver.status.at_end():
        record.check_owner()  # again: another audit may have come while the model loaded
        borrow(paths, spec.siblings, record.content["identity"])
        try:
            if {*_WITH_MODEL} & {*spec.settings.stages}:
                job.note_facts()
                _log_layer(job)
            _run_stages(driver)
        except StoppedError:
            record.write()  # what the stage in hand has counted and timed
            raise
        finally:
            driver.close()
        _finish(job, record)
    return paths.root


def check(spec: RunSpec) -> None:
    """Whether methods, gate and this machine can do what is asked; before PyTorch is imported.

    Raises:
        AuditError: they cannot.
    """
    check_methods(spec.methods)
    check_gate(spec.settings.gate, [str(node["name"]) for node in spec.cues])
    _check_machine(spec)


def _run_stages(driver: Driver) -> None:
    """Bring the stages that the user wants up to date, in their order."""
    for stage in STAGES:
        # Masks that are made are needed by whatever reads masks, and kept; others may have been.
        noted = "masks" in driver.record.content
        made = stage is MASK and (noted or isinstance(driver.audit.masks, MadeMasks))
        if made or stage.group in driver.audit.settings.stages:
            driver.stop.check()
            driver.run(stage)
            for line in _warnings(stage, driver.record.content):  # before any later stage logs
                log.warning("WARNING: %s", line)
        if stage is MASK:
            check_masks(driver.audit)


def _warnings(stage: Stage, noted: Mapping[str, Any]) -> Sequence[str]:
    """What is wrong with the model or its maps by what ``stage`` noted, also in an earlier run."""
    if stage is ATTRIBUTE:
        return (noted.get("below_chance") or {}).get("lines") or ()
    return noted.get("without_relevance") or () if stage is SCORE else ()


def _worked_share(paths: RunPaths, spec: RunSpec, stop: StopRequest) -> Path:
    """The output folder, this process's share of the planned parts made; no table is merged."""
    share = Share.parsed(spec.settings.shard or "")
    check_plan(paths, spec)
    job = Audit(paths, spec, read_current(paths).__contains__, planned=True)
    with writing(paths.root), stop:
        if not work_share(job, STAGES, share, stop=stop.check):
            log.info("shard %s: no stage waits for parts of this share", share)
    return paths.root


def _log_layer(job: Audit) -> None:
    """Log the layer that CAM methods explain, and whether it was found or given."""
    if job.thresholds is not None:
        given = bool(job.settings.model.get("head"))
        log_decisions(job.several_labels, job.thresholds, head_given=given)
    if job.facts.forward_only:
        log.info("the model gives outputs only: no weights are drawn anew and no attack is made")
        return
    (height, width), given = job.facts.grid, job.settings.model.get("target_layer")
    how = "given" if given else "found; another one: model.target_layer=NAME"
    log.info("target layer: %s, %d x %d cells (%s)", job.facts.target_layer, height, width, how)


def _check_machine(spec: RunSpec) -> None:
    check_extras(spec)
    if {*spec.settings.stages} - {INDEX.group}:  # all others may import PyTorch
        before_torch()


def _check_place(job: Audit) -> None:
    """Raise OutputError where the run's own pictures would be listed as photos next time."""
    root, photos = job.paths.root, job.dataset.root.resolve()
    output = home_of(root) or root.resolve()
    keys = job.settings.dataset
    # A table names its photos itself and tars hold them; a folder of Parquet files is listed.
    folder = "file" not in keys or Path(keys["file"]).expanduser().is_dir()
    if folder and "shards" not in keys and output.is_relative_to(photos):
        raise OutputError(
            "the output folder lies among the photos",
            where=job.paths.root,
            expected=f"a folder outside {job.dataset.root}",
            remedy="output_dir=ANOTHER_FOLDER",
        )


def _finish(job: Audit, record: RunRecord) -> None:
    """Note how it ended; SUCCESS once every stage is current."""
    record.write()
    if all(record.current(stage.name) for stage in STAGES):
        record.succeed()
    if job.spec.log_answer:
        from xai_audit.report.in_short import log_answer

        log_answer(job.paths)
    gate = None
    if is_asked(job.settings.gate):
        from xai_audit.gate.output import judge_and_log

        gate = judge_and_log(job.paths, job.settings.gate)
    failed, most = failed_fraction(job.manifest()), job.settings.max_failed_fraction
    if failed > most:
        raise TooManyFailuresError(
            "too many images failed",
            where=job.paths.manifest,
            expected=f"at most {most:.1%}",
            got=f"{failed:.1%}",
            remedy="see statuses.parquet and the manifest's columns status and error, or raise "
            "max_failed_fraction",
        )
    if gate is not None:
        raise gate
