"""What every stage is handed: the built plugins, the settings, the record, the stop request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.errors import ConfigError, DatasetError
from xai_audit.run.sample import stratified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xai_audit.attribute.references import References
    from xai_audit.config.nodes import AuditConfig
    from xai_audit.engines.local import LocalEngine
    from xai_audit.network.compute import Compute
    from xai_audit.run.paths import RunPaths
    from xai_audit.run.record import RunRecord
    from xai_audit.run.stop import StopRequest
    from xai_audit.types import Attributor, Cue, DatasetSource, LoadedModel, MaskSource, ModelSpec


@dataclass(frozen=True)
class Audit:
    """One audit, ready to run.

    Attributes:
        settings: every key that is not a plugin's own.
        paths: of the output folder.
        record: of the run.
        stop: asked between parts, and between the batches of evidence.
        dataset: where photos come from.
        masks: where objects come from.
        engine: where the attribute stage runs.
        model_spec: makes the model for K classes; loads torch.
        methods: makes the attribution methods; loads torch.
        cues: candidate shortcuts to examine; empty where the evidence stage does not run.
        keys: the plugins' own keys, by group, for fingerprints.
    """

    settings: AuditConfig
    paths: RunPaths
    record: RunRecord
    stop: StopRequest
    dataset: DatasetSource
    masks: MaskSource
    engine: LocalEngine
    model_spec: Callable[[int], ModelSpec]
    methods: Callable[[], list[Attributor]]
    cues: list[Cue]
    keys: Mapping[str, Any]

    def labels(self) -> dict[str, int]:
        """Class name -> model output index.

        Raises:
            DatasetError: a class that ``dataset.class_to_idx`` does not name.
        """
        names = self.dataset.class_names()
        given = self.dataset.class_to_idx
        if given is None:
            return {name: index for index, name in enumerate(names)}
        missing = [name for name in names if name not in given]
        if missing:
            raise DatasetError(
                "classes without a model output",
                where="dataset.class_to_idx",
                expected=f"all {len(names)} classes of the dataset",
                got=f"none for {', '.join(missing[:3])}",
            )
        return {name: given[name] for name in names}

    @cached_property
    def compute(self) -> Compute:
        """Every ``compute.*=auto`` decided for this machine."""
        from xai_audit.network.compute import resolve

        asked = self.settings.compute
        return resolve(
            device=asked.device,
            precision=asked.precision,
            batch_size=asked.batch_size,
            num_workers=asked.num_workers,
        )

    @cached_property
    def model(self) -> tuple[LoadedModel, str]:
        """The model, checked against the dataset, and the fingerprint of its weights.

        Raises:
            ModelError: it cannot be made, loaded or explained.
            DatasetError: the dataset's classes are not its outputs.
        """
        from xai_audit.network.prepare import fingerprint, prepare

        spec = self.model_spec(len(self.dataset.class_names()))
        if len(spec.preprocess.mean) not in (1, 3):  # photos are decoded as RGB
            raise ConfigError(
                "photos have three channels, or one for a grey-scale model",
                where="model.preprocess.mean",
                expected="3 values or 1",
                got=len(spec.preprocess.mean),
                remedy="model=custom with a module that makes its other channels from RGB",
            )
        weights = fingerprint(spec)  # before folding changes them
        model = prepare(spec, device=self.compute.device)
        self._check_outputs(model.num_outputs)
        return model, weights

    @cached_property
    def references(self) -> Callable[[], References]:
        """Reads the photos that baselines are drawn from, once and only if a method asks.

        Whichever were selected, usable or not: what is found out of a photo while the run goes on
        must not draw other ones.
        """
        from xai_audit.attribute.references import COUNT, references
        from xai_audit.vision.loader import LoadSettings, Photos

        load = LoadSettings(
            root=self.dataset.root,
            preprocess=self.model[0].preprocess,
            max_pixels=self.settings.max_pixels,
            batch_size=COUNT,
            num_workers=0,
        )
        rows = self.selected()
        chosen = stratified(rows, np.ones(rows.num_rows, dtype=bool), COUNT, self.settings.seed)
        return references(
            self.model[0], Photos(rows.filter(pa.array(chosen)), self.masks, load), load
        )

    def _check_outputs(self, outputs: int) -> None:
        labels, mapped = self.labels(), self.dataset.class_to_idx is not None
        if (mapped and max(labels.values()) >= outputs) or (not mapped and len(labels) != outputs):
            raise DatasetError(
                "the dataset's classes are not the model's outputs",
                where=self.dataset.root,
                expected=f"{outputs} classes, as the model has outputs",
                got=f"index {max(labels.values())}" if mapped else f"{len(labels)} classes",
                remedy="dataset.class_to_idx=FILE (class name -> output index), or "
                "model.num_classes=N with a checkpoint of your own",
            )
        from xai_audit.attribute.targets import resolved

        resolved(self.settings.targets, labels, outputs)

    def needs(self, stage: str) -> None:
        """Raise ConfigError unless ``stage`` is whole and current."""
        if self.record.current(stage) is None:
            raise ConfigError(
                f"the {stage} stage has not finished for this configuration",
                where=self.paths.root,
                remedy=f"add {stage} to stages",
            )

    def manifest(self) -> pa.Table:
        """The manifest as it stands.

        Raises:
            DatasetError: the index stage has not run.
        """
        if not self.paths.manifest.is_file():
            raise DatasetError(
                "no manifest yet", where=self.paths.manifest, remedy="add index to stages"
            )
        return pq.read_table(self.paths.manifest)

    def selected(self) -> pa.Table:
        """The manifest's rows that this run uses, in order."""
        manifest = self.manifest()
        return manifest.filter(manifest.column("selected")).combine_chunks()
