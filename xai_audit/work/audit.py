"""An audit with what is live of it; each thing is opened when it is first needed."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.config.build import build
from xai_audit.errors import ConfigError, DatasetError
from xai_audit.models.class_names import outputs_by_name
from xai_audit.run.files import read_json, read_notes, write_json
from xai_audit.run.manifest import BITS, masks_fingerprint, with_statuses
from xai_audit.schema import OK
from xai_audit.store.settings import configure
from xai_audit.work.facts import ModelFacts, model_key
from xai_audit.work.labels import check_outputs, outputs_of
from xai_audit.work.made_masks import as_kept
from xai_audit.work.thresholds import thresholds_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.config.nodes import AuditConfig
    from xai_audit.config.spec import RunSpec
    from xai_audit.network.compute import Compute
    from xai_audit.run.paths import RunPaths
    from xai_audit.types import Attributor, Cue, DatasetSource, LoadedModel, MaskSource
    from xai_audit.vision.loader import LoadSettings, Photos
    from xai_audit.vision.opening import Opener


class Audit:
    """What every stage is handed: the description, the files and the plugins.

    Nothing is built before it is needed: where all stages are current neither torch nor a model is.

    Args:
        paths: of the output folder.
        spec: of the run.
        current: stage -> whether its tables are up to date.
        planned: whether a driver has noted the model's facts for this process to rely on.

    Attributes:
        settings: every key that is not a plugin's own.
        is_current: stage -> whether its tables are up to date.
    """

    def __init__(
        self,
        paths: RunPaths,
        spec: RunSpec,
        current: Callable[[str], bool],
        *,
        planned: bool = False,
    ) -> None:
        self.paths, self.spec, self.is_current = paths, spec, current
        self.settings: AuditConfig = spec.settings
        self._planned = planned
        configure(**vars(self.settings.store))

    @cached_property
    def dataset(self) -> DatasetSource:
        """Where photos come from."""
        source: DatasetSource = build("dataset", self.settings.dataset)
        return source

    @cached_property
    def masks(self) -> MaskSource:
        """Where objects come from; masks that are made are read from the run."""
        return as_kept(build("masks", self.settings.masks), self.paths.masks)

    @cached_property
    def methods(self) -> list[Attributor]:
        """The attribution methods; loads torch."""
        return [build("method", node) for node in self.spec.methods]

    @cached_property
    def cues(self) -> list[Cue]:
        """The candidate shortcuts; loads torch."""
        return [build("cue", node) for node in self.spec.cues]

    @cached_property
    def labels(self) -> dict[str, int]:
        """Class name -> model output index.

        Raises:
            DatasetError: a class that ``dataset.class_to_idx`` does not name.
        """
        return outputs_of(self.dataset.class_names(), self._mapped)

    @cached_property
    def _mapped(self) -> dict[str, int] | None:
        """Class name -> output index as the user's table says it, else the model's own names."""
        given = self.dataset.class_to_idx
        if given is not None:
            return given
        return outputs_by_name(self.settings.model, self.dataset.class_names())

    @cached_property
    def several_labels(self) -> str:
        """How it is known that photos may have several labels; empty where they have one."""
        return str(getattr(self.dataset, "several_labels", ""))

    @cached_property
    def thresholds(self) -> dict[str, float] | None:
        """Class -> from which probability on a photo is decided for it; None of single labels."""
        if self._planned or not self.several_labels:  # a file of them may have changed since
            return self.noted_facts().thresholds if self._planned else None
        return thresholds_of(self.settings.thresholds, [*self.labels])

    @cached_property
    def facts(self) -> ModelFacts:
        """What opening the model showed; opened only where ``model.json`` does not say.

        Raises:
            ModelError: it cannot be made, loaded or explained.
            DatasetError: the dataset's classes are not its outputs.
        """
        if self._planned:
            return self.noted_facts()
        key, noted = self._model_key, read_json(self.paths.model_json)
        if key is not None and isinstance(noted, dict) and noted.get("key") == key:
            facts = ModelFacts.from_json(noted["facts"])
            self._check_outputs(facts.num_outputs)
        else:
            model, weights = self._opened
            facts = ModelFacts.of(model, weights, self.compute.precision)
        outputs = self.labels if self.several_labels else None
        return replace(facts, thresholds=self.thresholds, outputs=outputs)

    @property
    def _model_key(self) -> str | None:
        key, several = model_key(self.spec, len(self.labels)), self.several_labels
        return f"{key}-several" if key and several else key

    def noted_facts(self) -> ModelFacts:
        """The facts of the model that the heatmaps were made with.

        Raises:
            ConfigError: no model has been opened for this folder.
        """
        noted = read_json(self.paths.model_json)
        if not isinstance(noted, dict):
            raise ConfigError(
                "no model has been opened for this output folder", where=self.paths.model_json,
                remedy="add attribute to stages",
            )  # fmt: skip
        return ModelFacts.from_json(noted["facts"])

    def note_facts(self) -> None:
        """Write :attr:`facts` for workers and later commands; the driver's."""
        content = {"key": self._model_key, "facts": self.facts.to_json()}
        if read_json(self.paths.model_json) != content:
            write_json(self.paths.model_json, content)

    @cached_property
    def compute(self) -> Compute:
        """Every ``compute.*=auto`` decided for this machine; loads torch."""
        from xai_audit.network.allocator import keep_freed
        from xai_audit.network.compute import resolve

        keep_freed()
        wanted = self.settings.compute
        return resolve(
            device=wanted.device,
            precision=self.noted_facts().precision if self._planned else wanted.precision,
            batch_size=wanted.batch_size,
            num_workers=wanted.num_workers,
        )

    @property
    def model(self) -> LoadedModel:
        """The model, prepared and checked against the dataset; loads torch."""
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[LoadedModel, str]:
        """The prepared model and the fingerprint of its weights."""
        from xai_audit.work.opening import opened

        node, device, limits = self.settings.model, self.compute.device, self.thresholds
        model, weights = opened(node, self.labels, device=device, thresholds=limits)
        self._check_outputs(model.num_outputs)
        return model, weights

    def _check_outputs(self, outputs: int) -> None:
        check_outputs(self.labels, outputs, mapped=self._mapped is not None, root=self.dataset.root)

    def manifest(self) -> pa.Table:
        """The manifest with what decoding found of each photo.

        Raises:
            DatasetError: the index stage has not run.
        """
        if not self.paths.manifest.is_file():
            raise DatasetError(
                "no manifest yet", where=self.paths.manifest, remedy="add index to stages"
            )
        return with_statuses(pq.read_table(self.paths.manifest), self.paths.statuses)

    def selected(self) -> pa.Table:
        """The manifest's rows that this run uses, in order."""
        manifest = self.manifest()
        return manifest.filter(manifest.column("selected")).combine_chunks()

    def usable(self) -> pa.Table:
        """The selected rows whose photos can be decoded, in order."""
        rows = self.selected()
        return rows.filter(pc.equal(rows.column("status"), OK)).combine_chunks()

    def mask_mark(self, rows: pa.Table) -> list[Any]:
        """Everything that decides the masks of ``rows``, for fingerprints."""
        return [self.settings.masks, self._masks_fingerprint, masks_fingerprint(rows)]

    @cached_property
    def _masks_fingerprint(self) -> str:
        return self.masks.fingerprint()  # looks at every file of a folder: once a command

    @property
    def opener(self) -> Opener:
        """How the photos are opened, with the bits that the index found of 16-bit ones."""
        from xai_audit.vision.depth import scaled

        return scaled(self.dataset, read_notes(self.paths.manifest).get(BITS))

    def photos(self, rows: pa.Table, load: LoadSettings) -> Photos:
        """The photos of ``rows`` with their masks, as the model sees them."""
        from xai_audit.vision.loader import Photos

        return Photos(rows, self.masks, load)

    def load(self, *, batch_size: int, num_workers: int, photos: bool = True) -> LoadSettings:
        """How photos are read in this run."""
        from xai_audit.vision.loader import LoadSettings

        return LoadSettings(
            root=self.dataset.root,
            preprocess=self.facts.preprocess if photos else self.noted_facts().preprocess,
            max_pixels=self.settings.max_pixels,
            batch_size=batch_size,
            num_workers=num_workers,
            pin_memory=photos and self.compute.device != "cpu",
            photos=photos,
            opener=self.opener,
        )
