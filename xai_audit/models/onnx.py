"""A classifier in an ONNX file: as a PyTorch network where it converts, else by onnxruntime."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xai_audit.errors import ModelError
from xai_audit.models._options import check_head
from xai_audit.models._preprocess import override
from xai_audit.network.black_box import BlackBox
from xai_audit.network.probe import probe_of
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from numpy.typing import NDArray
    from torch import nn

log = logging.getLogger(__name__)

_WHERE = "model.path"
_SIDE = 224  # where the file leaves its input's size open
_SAME = 1e-3  # how far a converted network's outputs may be off, in units of the largest
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def build(  # noqa: PLR0913 - the keys of the YAML
    *,
    num_classes_of_dataset: int,  # noqa: ARG001 - every model plugin gets it
    path: str,
    target_layer: str | None,
    head: str | None,
    preprocess: Mapping[str, object],
    name: str | None,
) -> ModelSpec:
    """The ModelSpec of the network in an ONNX file.

    Args:
        num_classes_of_dataset: not used; the file says K.
        path: the file.
        target_layer: dotted name, or None to find it.
        head: of HEADS, or None: softmax, but sigmoid for a single logit.
        preprocess: changes to ImageNet's transform at the size of the file's input.
        name: names the output folder, or None for the file's.

    Raises:
        ModelError: a package is missing, or the file is no network of one image input.
    """
    check_head(head)
    file = Path(path).expanduser()
    runtime = Runtime(file)
    transform = override(runtime.preprocess, preprocess)
    converted = _converted(file, runtime, transform)
    return ModelSpec(
        module=runtime if converted is None else converted,
        preprocess=transform,
        name=name or file.stem,
        target_layer=target_layer,
        head=head,
    )


class Runtime(BlackBox):
    """A network that onnxruntime runs, on the CPU.

    Args:
        file: that holds it.

    Attributes:
        preprocess: ImageNet's eval transform at the size of its input; of one channel, grey-scale.
        channels_last: whether its input is (B, H, W, C).
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._session = _session(file)
        self._digest = _digest(file)
        (given,) = self._session.get_inputs()
        self._name, self._type = given.name, _TYPES[given.type]
        sizes = [each if isinstance(each, int) else None for each in given.shape]
        self.channels_last = sizes[1] not in (1, 3) and sizes[3] in (1, 3)
        self._batch = sizes[0]
        height, width = sizes[1:3] if self.channels_last else sizes[2:]
        crop = (height or _SIDE, width or _SIDE)
        colour = Preprocess(resize=round(max(crop) * 256 / 224), crop=crop)
        grey = sizes[3 if self.channels_last else 1] == 1
        self.preprocess = _grey(colour) if grey else colour

    def extra_repr(self) -> str:
        """The sha256 of the file and of its weights beside it, for fingerprints."""
        return self._digest

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The first output (B, ...) of images (B, C, H, W)."""
        array = images.detach().cpu().numpy().astype(self._type)
        if self.channels_last:
            array = array.transpose(0, 2, 3, 1)
        size = self._batch or len(array)
        found = [self._run(array[at : at + size], size) for at in range(0, len(array), size)]
        return torch.from_numpy(np.concatenate(found)).float().to(images.device)

    def _run(self, array: NDArray[Any], size: int) -> NDArray[Any]:
        """The output of up to ``size`` images; a file may take exactly that many."""
        missing = size - len(array)
        whole = np.concatenate([array, array[:1].repeat(missing, 0)]) if missing else array
        output: NDArray[Any] = self._session.run(None, {self._name: np.ascontiguousarray(whole)})[0]
        return output[: len(array)]


def _grey(colour: Preprocess) -> Preprocess:
    """The transform for one channel: its mean and std are the means of those of the colours."""
    mean, std = ((sum(values) / len(values),) for values in (colour.mean, colour.std))
    return replace(colour, mean=mean, std=std)


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as exc:
        raise ModelError(
            f"{name} is not installed", where="model=onnx", remedy='pip install "xai-audit[onnx]"'
        ) from exc


def _digest(file: Path) -> str:
    """The sha256 of the file and of the files beside it that hold weights of it."""
    digest = hashlib.sha256()
    for each in (file, *_beside(file)):
        with each.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _beside(file: Path) -> list[Path]:
    """The files that hold tensors of the network, which is not in one file where it is large."""
    onnx = _package("onnx")
    try:
        held = onnx.load(str(file), load_external_data=False)
    except Exception as exc:  # noqa: BLE001 - onnxruntime has another format, all in one file
        log.debug("%s: %s: %s", file, type(exc).__name__, exc)
        return []
    names = {
        entry.value
        for part in (held.graph, *held.functions)
        for tensor in _tensors(part)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [file.parent / name for name in sorted(names)]


def _tensors(part: Any) -> Iterator[Any]:  # noqa: ANN401 - messages of protobuf
    """The tensors of a graph or function, of its nodes and of the graphs in them."""
    yield from getattr(part, "initializer", ())
    for attribute in (each for node in part.node for each in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for graph in (attribute.g, *attribute.graphs):
            yield from _tensors(graph)


def _session(file: Path) -> Any:  # noqa: ANN401 - onnxruntime is untyped
    """A session of the file's network, checked to take one batch of images."""
    runtime = _package("onnxruntime")
    if not file.is_file():
        raise ModelError("there is no such file", where=_WHERE, got=file, remedy="correct it")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime's errors share no base
        raise ModelError(
            "onnxruntime cannot load the network",
            where=file,
            got=f"{type(exc).__name__}: {exc}"[:200],
            remedy="export it again",
        ) from exc
    inputs = session.get_inputs()
    one = len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _TYPES
    if not one or not {1, 3} & {*inputs[0].shape[1:]}:
        raise ModelError(
            "the network does not take one batch of images",
            where=file,
            expected="one float input (B, C, H, W) or (B, H, W, C)",
            got=", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs),
            remedy="export only the classifier",
        )
    return session


def _converted(file: Path, runtime: Runtime, preprocess: Preprocess) -> nn.Module | None:
    """The file's network in PyTorch; None where it does not convert or gives other numbers."""
    noise = torch.cat([probe_of(preprocess, "cpu"), probe_of(preprocess, "cpu").flip(3)])
    expected = _outputs(runtime, noise, file)
    try:
        if runtime.channels_last:
            raise ValueError("its input has the channels last")
        module: nn.Module = _package("onnx2torch").convert(str(file)).eval()
        given = module(noise.requires_grad_())
        apart = float((given.detach() - expected).abs().max() / expected.abs().max())
        if not (given.requires_grad and apart <= _SAME):
            raise ValueError(f"its outputs differ by {apart:.2g}, or have no gradient")
    except ModelError:
        raise
    # The converter and the network that it makes may raise anything; onnxruntime runs it then.
    except Exception as exc:
        log.warning(
            "%s is not converted to PyTorch, so it has no gradients (%s: %s); an export with "
            "opset_version=17 may be",
            file,
            type(exc).__name__,
            str(exc)[:120],
        )
        return None
    log.info("%s is converted to PyTorch; onnxruntime gives the same within %.1g", file, apart)
    return module


def _outputs(runtime: Runtime, images: torch.Tensor, file: Path) -> torch.Tensor:
    try:
        outputs: torch.Tensor = runtime(images)
    except Exception as exc:  # onnxruntime's errors share no base
        raise ModelError(
            "onnxruntime cannot run the network on an image",
            where=file,
            got=f"{type(exc).__name__}: {exc}"[:200],
            remedy="model.preprocess.crop=N of its input; and as many numbers in "
            "model.preprocess.mean and model.preprocess.std as it has channels",
        ) from exc
    return outputs
