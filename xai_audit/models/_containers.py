"""The content of a checkpoint file of any container, read without running code from it.

The container is recognised by the file's content: safetensors by its header, TorchScript and
``torch.export`` by the members of their zip, anything else is left to ``torch.load``.

``torch.export.load`` is not used: it unpickles without restriction and evaluates expressions of
the stored graph, while only the tensors stored with it are needed. Nor is ``torch.jit.load``,
unless the file is trusted: it runs code of the archive.
"""

from __future__ import annotations

import io
import json
import logging
import math
import pickle
import re
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from xai_audit.errors import ModelError
from xai_audit.models._inert import load_inert
from xai_audit.models._script_archive import script_tensors
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

# What a zip may unpack to: bytes, and times its own size. Weights hardly shrink.
_SMALL, _MOST_TIMES = 64 * 2**20, 50
_ZIP = b"PK\x03\x04"

# How torch's restricted unpickler words a refusal, as against a file that it cannot parse.
_REFUSAL = re.compile(r"GLOBAL (\S+)|call reduce for|Can only (?:create|build)", re.IGNORECASE)

# torch/_export/serde/schema.py, ScalarType: the numbers are the format's.
_EXPORT_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}


def read(file: Path, *, trust: bool) -> object:
    """The object that ``file`` holds: mostly a mapping of tensors, bare or nested.

    Args:
        file: in any of the known containers.
        trust: whether unpickling may run code.

    Raises:
        ModelError: missing, empty, corrupt, of no known kind, or unsafe and not trusted.
    """
    _require_file(file)
    try:
        return _reader(file)(file, trust)
    except ModelError:
        raise
    # A broken file makes torch raise nearly anything: KeyError, EOFError, RuntimeError, ...
    except Exception as exc:
        raise _translated(file, exc) from exc


def _require_file(file: Path) -> None:
    if file.is_dir():
        raise ModelError("a checkpoint must be a file", where=spelled(file), got="a folder")
    if not file.is_file():
        raise ModelError(
            "there is no such checkpoint",
            where=spelled(file),
            remedy="give model.checkpoint a file",
        )
    if file.stat().st_size == 0:
        raise ModelError(
            "the checkpoint is empty", where=spelled(file), got="0 bytes", remedy="copy it again"
        )


def _reader(file: Path) -> Callable[[Path, bool], object]:
    """The function that reads this kind of container."""
    with file.open("rb") as stream:
        head = stream.read(9)
    if head.startswith(_ZIP):
        return _zip_reader(file)
    length = int.from_bytes(head[:8], "little")
    is_safetensors = head[8:] == b"{" and length < file.stat().st_size
    if is_safetensors or file.suffix.lower() == ".safetensors":
        return _safetensors
    return _pickled


def _zip_reader(file: Path) -> Callable[[Path, bool], object]:
    with zipfile.ZipFile(file) as archive:
        members = {name.partition("/")[2] or name for name in archive.namelist()}
        _refuse_bomb(file, sum(member.file_size for member in archive.infolist()))
    if any(name.startswith("code/") for name in members):
        return _torchscript
    if "archive_format" in members or "serialized_state_dict.pt" in members:
        return _exported
    return _pickled


def _refuse_bomb(file: Path, unpacked: int) -> None:
    """Raise ModelError where the members of a zip are together far larger than the file itself."""
    size = file.stat().st_size
    if unpacked > max(_SMALL, _MOST_TIMES * size):
        raise ModelError(
            "the checkpoint is small and its content is not",
            where=spelled(file),
            expected=f"at most {_MOST_TIMES} times its own size; torch.save does not compress",
            got=f"{size >> 10} KB that unpack to {unpacked >> 20} MB",
            remedy="save the weights again, if you trust its author",
        )


def _pickled(file: Path, trust: bool) -> object:
    try:
        return torch.load(file, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as exc:
        if trust or not _REFUSAL.search(str(exc)):
            raise
        try:
            return load_inert(file, name=file)
        # An older format or torch, or a name that torch blocks: what it said first is told.
        except Exception as second:
            log.debug("%s: %s: %s", file, type(second).__name__, second)
            raise exc from second


def _safetensors(file: Path, trust: bool) -> object:  # noqa: ARG001 - readers share a signature
    from safetensors.torch import load_file

    return load_file(file, device="cpu")


def _torchscript(file: Path, trust: bool) -> object:
    if not trust:
        return script_tensors(file)
    with warnings.catch_warnings():
        # torch deprecates the format; its files stay with us.
        warnings.simplefilter("ignore", FutureWarning)
        module = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
        return module.state_dict()


def _exported(file: Path, trust: bool) -> object:
    """The weights of a ``torch.export`` archive."""
    with zipfile.ZipFile(file) as archive:
        members = {name.partition("/")[2] or name: name for name in archive.namelist()}
        # torch 2.1 to 2.8 stored one pickled state dict.
        for name in ("serialized_state_dict.pt", "data/weights/model.pt"):
            if name in members:
                stream = io.BytesIO(archive.read(members[name]))
                return torch.load(stream, map_location="cpu", weights_only=not trust)
        config = json.loads(archive.read(members["data/weights/model_weights_config.json"]))
        tensors: dict[str, torch.Tensor] = {}
        for key, meta in config["config"].items():
            data = archive.read(members[f"data/weights/{meta['path_name']}"])
            tensors[key] = _exported_tensor(data, meta, trust)
        return tensors


def _exported_tensor(data: bytes, meta: dict[str, Any], trust: bool) -> torch.Tensor:
    """One weight: pickled where it is a tensor subclass, else raw bytes with sizes and strides."""
    if meta["use_pickle"]:
        loaded: torch.Tensor = torch.load(
            io.BytesIO(data), map_location="cpu", weights_only=not trust
        )
        return loaded
    layout = meta["tensor_meta"]
    dtype = _EXPORT_DTYPES[layout["dtype"]]
    sizes = [size["as_int"] for size in layout["sizes"]]
    if math.prod(sizes) == 0:
        return torch.zeros(sizes, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).as_strided(
        sizes,
        [stride["as_int"] for stride in layout["strides"]],
        layout["storage_offset"]["as_int"],
    )


def _translated(file: Path, exc: Exception) -> ModelError:
    """Why ``file`` was not read, in one line."""
    refusal = _REFUSAL.search(str(exc)) if isinstance(exc, pickle.UnpicklingError) else None
    if refusal:
        return ModelError(
            "the checkpoint is not only weights; loading it would run code",
            where=spelled(file),
            expected="a state dict",
            got=f"a pickled {refusal[1].strip('`,.')}" if refusal[1] else "a pickled call",
            remedy="model.trust_checkpoint=true if you trust its author, "
            "or save model.state_dict() instead",
        )
    # The last sentences of torch's messages advise weights_only=False: not for a broken file.
    text = " ".join(str(exc).split("WeightsUnpickler error:")[-1].split())
    return ModelError(
        "the checkpoint cannot be read; it is truncated, corrupt or of another kind",
        where=spelled(file),
        expected="a state dict, safetensors, TorchScript or torch.export file",
        got=f"{type(exc).__name__}: {text[:120]}",
        remedy="copy or download it again",
    )
