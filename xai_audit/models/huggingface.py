"""Any image classifier of Hugging Face's transformers, from a folder or the hub; no remote code."""

from __future__ import annotations

import copy
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.errors import ModelError
from xai_audit.models._options import Options, finish, trained
from xai_audit.models._processor import flips_channels, preprocess_of, warn_of_difference
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    import torch
    from torch import nn

    from xai_audit.types import ModelSpec

log = logging.getLogger(__name__)


def build(
    *,
    num_classes_of_dataset: int,  # noqa: ARG001 - every model plugin gets it
    path: str,
    revision: str | None,
    **common: Any,  # noqa: ANN401 - Options names and types them
) -> ModelSpec:
    """The ModelSpec of the classifier at ``path``, with the transform of its image processor.

    Args:
        num_classes_of_dataset: not used; the configuration says K.
        path: a folder of ``save_pretrained``, or a name on the hub.
        revision: on the hub, or None.
        **common: the fields of :class:`Options`.

    Raises:
        ModelError: transformers is missing, files that cannot be had, no image classifier, weights
            without a classifier or with another number of outputs.
    """
    options = Options(**common)
    folder = Path(path).expanduser()
    place = str(folder) if folder.is_dir() else path
    source = {"pretrained_model_name_or_path": place, "revision": revision or "main"}
    library = _library()
    with _quiet(library), _errors(path):
        module = _network(library, source, options)
        base = _transform(library, source, module)
    return finish(module, options, base=base, name=folder.name)


def _library() -> ModuleType:
    try:
        import transformers
    except ImportError as exc:
        raise ModelError(
            "transformers is not installed",
            where="model=huggingface",
            remedy='pip install "xai-audit[transformers]"',
        ) from exc
    return transformers


@contextmanager
def _quiet(library: ModuleType) -> Iterator[None]:
    """A block without the library's progress bars and warnings; what matters is an error here."""
    logs = library.utils.logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()


@contextmanager
def _errors(path: str) -> Iterator[None]:
    """A block in which whatever the library raises becomes a ModelError."""
    try:
        yield
    except ModelError:
        raise
    # The hub, its cache, missing files and unknown networks: several packages, no common base.
    except Exception as exc:
        first = next(iter(str(exc).strip().splitlines()), "")
        raise ModelError(
            "transformers cannot provide the image classifier",
            where=f"model.path={path}",
            expected="a folder of save_pretrained, or a name on the hub or in its cache",
            got=f"{type(exc).__name__}: {first}"[:300],
            remedy="put its config.json, preprocessor_config.json and model.safetensors into a "
            "folder and give model.path=FOLDER",
        ) from exc


def _network(library: ModuleType, source: dict[str, str], options: Options) -> nn.Module:
    """The network with its own weights, or without any where a checkpoint is to be loaded."""
    where, made = source["pretrained_model_name_or_path"], library.AutoModelForImageClassification
    config = library.AutoConfig.from_pretrained(**source, trust_remote_code=False)
    if config.model_type == "timm_wrapper":
        kind = "local-dir" if Path(where).is_dir() else "hf-hub"
        raise ModelError(
            "the network is timm's",
            where=f"model.path={where}",
            remedy=f"model=timm model.arch={kind}:{where}",
        )
    if options.checkpoint is not None:
        config_of = f"AutoConfig.from_pretrained({where!r})"
        return trained(
            lambda classes: made.from_config(_with(config, classes), trust_remote_code=False),
            options,
            classes=config.num_labels,
            code="from transformers import AutoConfig, AutoModelForImageClassification; "
            f"net = AutoModelForImageClassification.from_config({config_of})",
        )
    if options.num_classes not in (None, config.num_labels):
        raise ModelError(
            "the weights have another number of classes",
            where="model.num_classes",
            expected=f"null or {config.num_labels}",
            got=options.num_classes,
            remedy="model.checkpoint=FILE of a network with that many",
        )
    network: nn.Module
    network, loading = made.from_pretrained(
        **source, config=config, trust_remote_code=False, output_loading_info=True
    )
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(
            "the weights have no classifier; transformers would draw one at random",
            where=f"model.path={where}",
            got=f"{len(missing)} missing ({', '.join(missing[:3])})",
            remedy="the folder of a network that was trained to classify",
        )
    return network


def _with(config: Any, classes: int) -> Any:  # noqa: ANN401 - transformers is untyped
    """The configuration of a network with ``classes`` outputs."""
    if classes != config.num_labels:
        config = copy.deepcopy(config)
        config.num_labels = classes  # which gives the outputs new names as well
    return config


def _transform(library: ModuleType, source: dict[str, str], module: nn.Module) -> Preprocess:
    """The eval transform of the image processor, else ImageNet's at the network's size."""
    side = getattr(module.config, "image_size", None)
    side = side if isinstance(side, int) else 224
    try:
        processor = library.AutoImageProcessor.from_pretrained(**source, trust_remote_code=False)
    # A folder that a network alone was saved to; what the library then raises differs.
    except Exception as exc:
        log.warning(
            "no image processor: ImageNet's transform at %d px is used; model.preprocess.resize, "
            "crop, mean and std change it (%s)",
            side,
            type(exc).__name__,
        )
        return Preprocess(resize=round(side * 256 / 224), crop=(side, side))
    preprocess = preprocess_of(processor)
    warn_of_difference(processor, preprocess)
    if flips_channels(processor):
        log.info("the model takes the colours of photos as blue, green, red")
        module.register_forward_pre_hook(_flipped)
    return preprocess


def _flipped(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    images, *rest = inputs
    return images.flip(1), *rest
