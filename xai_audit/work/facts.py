"""What opening the model showed, kept in ``model.json`` so that most commands need no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit import __version__
from xai_audit.run.record import fingerprint
from xai_audit.store.address import is_address, is_remote, placed
from xai_audit.store.files import noted_stamp
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.config.spec import RunSpec
    from xai_audit.store.remote import Stamp
    from xai_audit.types import LoadedModel

_OURS = "xai_audit."
# A factory is the user's code, which may give another network tomorrow; a folder of weights and a
# name on the hub may hold others.
_OPENED = tuple(
    f"xai_audit.models.{name}.build" for name in ("custom", "callable", "huggingface", "onnx")
)


@dataclass(frozen=True)
class ModelFacts:
    """A prepared model without the model.

    Attributes:
        weights: fingerprint of parameters and code.
        target_layer: dotted name, found or requested.
        num_outputs: K.
        grid: (h, w) of the target layer's activations.
        head: how logits become probabilities.
        preprocess: its eval transform.
        precision: what ``compute.precision`` came to, so that every worker takes the same.
        thresholds: of a multi-label data set, class -> from which probability on a photo is decided
            for it; else None.
        outputs: of a multi-label data set, class -> model output; else None.
    """

    weights: str
    target_layer: str
    num_outputs: int
    grid: tuple[int, int]
    head: str
    preprocess: Preprocess
    precision: str
    thresholds: dict[str, float] | None = None
    outputs: dict[str, int] | None = None

    @classmethod
    def of(cls, model: LoadedModel, weights: str, precision: str) -> ModelFacts:
        """Of a prepared model."""
        return cls(
            weights=weights,
            target_layer=model.target_layer,
            num_outputs=model.num_outputs,
            grid=model.grid,
            head=model.head,
            preprocess=model.preprocess,
            precision=precision,
        )

    @classmethod
    def from_json(cls, noted: Mapping[str, Any]) -> ModelFacts:
        """The facts that :meth:`to_json` gave."""
        values = dict(noted)
        values["preprocess"] = Preprocess.from_json(values["preprocess"])
        height, width = values["grid"]
        return cls(**values | {"grid": (height, width)})

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return asdict(self)

    @property
    def forward_only(self) -> bool:
        """Whether the model has outputs only, no layer to explain and no gradient."""
        return not self.target_layer

    def noted(self) -> dict[str, Any]:
        """What ``run.json`` says of the model that the configuration does not."""
        names = ("target_layer", "head", "num_outputs")
        found = {name: getattr(self, name) for name in names} | {"grid": list(self.grid)}
        return found if self.thresholds is None else found | {"thresholds": self.thresholds}

    @property
    def mark(self) -> list[Any]:
        """Everything of the model that decides what it says, for fingerprints."""
        several = [each for each in (self.thresholds, self.outputs) if each is not None]
        own = [sorted(each.items()) for each in several]
        return [self.weights, self.target_layer, self.head, asdict(self.preprocess), *own]


def model_key(spec: RunSpec, classes: int) -> str | None:
    """A fingerprint of what the model is made from; None where only opening it can say.

    Files count by path, size and time of change, packages by version.
    """
    node = spec.settings.model
    target = str(node.get("_target_"))
    own = any(node.get(key) for key in ("checkpoint", "weights", "pretrained"))
    if not target.startswith(_OURS) or target in _OPENED:
        return None
    if not own and "arch" in node:  # weights drawn at random
        return None
    compute = spec.settings.compute
    return fingerprint(
        node,
        classes,
        file_stamps(node),
        [compute.device, compute.precision],
        [__version__, *map(_version, ("torch", "torchvision", "timm"))],
    )


def file_stamps(node: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """(key, size, time of change) of the values of ``node`` that are files."""
    found = []
    for key, value in sorted(node.items()):
        if isinstance(value, str) and value:
            noted = _stored_stamp(value) if is_address(value) else None
            if noted is not None:
                found.append((key, noted.size, noted.mtime_ns or 0))
                continue
            try:
                stat = Path(value).stat()
            except (OSError, ValueError):
                continue
            found.append((key, stat.st_size, stat.st_mtime_ns))
    return found


def _stored_stamp(address: str) -> Stamp | None:
    path = placed(address)
    return noted_stamp(str(path)) if is_remote(path) else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
