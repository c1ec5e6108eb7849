"""Checkpoints that run code, burst, lie or are no weights of the network; what is said of each."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from functools import partial
from pathlib import Path

import torch
from torch import nn

from tests.hostile.case import Case

WITNESS = "witness"  # what a pickle that is run makes, beside the file
_UNREAD = "the checkpoint cannot be read"
_MISFIT = "the checkpoint does not fit the model"


def net() -> nn.Module:
    """The network that the checkpoints are of, or are not."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))


def saved(held: object, **options: object) -> bytes:
    """What ``torch.save`` writes."""
    stream = io.BytesIO()
    torch.save(held, stream, **options)
    return stream.getvalue()


class _Runs:
    """A pickle that makes the witness when it is run."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self._place,)


class _Writes(nn.Module):
    """TorchScript that saves a tensor at ``place`` whenever ``torch.jit.load`` reads it."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.weight, self.place = torch.ones(2), place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, str, bool]:
        return self.weight, self.place, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, bool]) -> None:
        self.weight = state[0]
        self.place = state[1]
        self.training = state[2]
        torch.save(state[0], state[1])


def writing(path: Path) -> None:
    """A TorchScript archive that writes the witness as it is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the format
        torch.jit.script(_Writes(str(path.with_name(WITNESS)))).save(path)


def _running(kind: str, path: Path) -> None:
    code = _Runs(str(path.with_name(WITNESS)))
    made = {
        "zip": lambda: saved({"a": code}),
        "legacy": lambda: saved({"a": code}, _use_new_zipfile_serialization=False),
        "pickle": lambda: pickle.dumps(code),
        "protocol 0": lambda: pickle.dumps(code, protocol=0),
    }
    path.write_bytes(made[kind]())


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _safetensors(header: dict[str, object] | bytes, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _state(**changes: object) -> dict[str, object]:
    return {**net().state_dict(), **changes}


def _exported_bomb() -> bytes:
    """A ``torch.export`` archive whose one member unpacks to :data:`BOMB`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a/archive_format", "pt2")
        with archive.open("a/data/weights/model.pt", "w", force_zip64=True) as member:
            for _ in range(BOMB >> 24):
                member.write(bytes(1 << 24))
    return stream.getvalue()


BOMB = 96 << 20  # bytes
_WEIGHTS = saved(net().state_dict())
_F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
_CASES: dict[str, tuple[str, bytes]] = {
    "no bytes": ("the checkpoint is empty", b""),
    "text": (_UNREAD, b"some words"),
    "HTML of a login page": (_UNREAD, b"<!doctype html><html>"),
    "half of its bytes": (_UNREAD, _WEIGHTS[: len(_WEIGHTS) // 2]),
    "its last byte cut off": (_UNREAD, _WEIGHTS[:-1]),
    "a zip of nothing": (_UNREAD, _zip({"a/readme": b""})),
    "a zip of a broken pickle": (_UNREAD, _zip({"a/data.pkl": b"\x80\x02}q", "a/version": b"3"})),
    "a pickle that never ends": (_UNREAD, b"\x80\x02(((("),
    "a list": ("the checkpoint holds no state dict", saved([1, 2])),
    "a number": ("the checkpoint holds no state dict", saved(3)),
    "no tensors": ("the checkpoint holds no state dict", saved({"epoch": 3})),
    "other names": (_MISFIT, saved({"other.weight": torch.zeros(3)})),
    "other shapes": (_MISFIT, saved(_state(**{"0.weight": torch.zeros(9, 3, 3, 3)}))),
    "another number of classes": (
        "remedy: model.num_classes=7",
        saved(_state(**{"3.weight": torch.zeros(7, 2), "3.bias": torch.zeros(7)})),
    ),
    "NaN": ("ok", saved(_state(**{"0.bias": torch.full((2,), torch.nan)}))),
    "names that are no text": ("the checkpoint holds no state dict", saved({1: torch.zeros(2)})),
    "tensors without numbers": (_MISFIT, saved(_state(**{"0.weight": torch.zeros(0)}))),
    "safetensors cut": (_UNREAD, _safetensors({"a": _F32})),
    "safetensors of a header of 2^60 bytes": (_UNREAD, struct.pack("<Q", 2**60) + b"{}"),
    "safetensors of overlapping tensors": (_UNREAD, _safetensors({"a": _F32, "b": _F32}, bytes(8))),
    "safetensors of a shape that is a lie": (
        _UNREAD, _safetensors({"a": _F32 | {"shape": [2**40]}}, bytes(8)),
    ),
    "safetensors of no JSON": (_UNREAD, _safetensors(b"{" * 50)),
    "safetensors of other names": (_MISFIT, _safetensors({"a": _F32}, bytes(8))),
    "TorchScript of nothing": (_UNREAD, _zip({"a/code/x.py": b"import os", "a/data.pkl": b""})),
    "torch.export of nothing": (_UNREAD, _zip({"a/archive_format": b"pt2"})),
    "torch.export of a layout that is a lie": (
        _UNREAD,
        _zip({
            "a/archive_format": b"pt2", "a/data/weights/w": bytes(8),
            "a/data/weights/model_weights_config.json": json.dumps({"config": {"w": {
                "path_name": "w", "use_pickle": False, "tensor_meta": {
                    "dtype": 7, "sizes": [{"as_int": 10**6}], "strides": [{"as_int": 10**6}],
                    "storage_offset": {"as_int": 0}}}}}).encode(),
        }),
    ),
    "torch.export that names a member outside": (
        _UNREAD,
        _zip({
            "a/archive_format": b"pt2",
            "a/data/weights/model_weights_config.json": json.dumps({"config": {"w": {
                "path_name": "../../../etc/passwd", "use_pickle": False, "tensor_meta": {}}}}
            ).encode(),
        }),
    ),
    "a zip whose directory is a lie": (_UNREAD, _WEIGHTS.replace(b"PK\x01\x02", b"PK\x01\x03")),
}  # fmt: skip


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


_CODE = "would run code|cannot be read|holds no state dict"
CASES = [
    *(
        Case(f"a checkpoint of {what}", expected, partial(_put, content), "c.pt")
        for what, (expected, content) in _CASES.items()
    ),
    *(
        Case(f"a checkpoint that runs code ({kind})", _CODE, partial(_running, kind), "c.pt")
        for kind in ("zip", "legacy", "pickle", "protocol 0")
    ),
    Case("a checkpoint of TorchScript that writes a file", "holds no state dict", writing, "c.pt"),
    Case("a checkpoint that is a folder", "must be a file", Path.mkdir, "c.pt"),
    Case("a checkpoint that is a pipe", "there is no such checkpoint", os.mkfifo, "c.pt"),
    Case("no checkpoint", "there is no such checkpoint", lambda _: None, "c.pt"),
    Case(
        "a checkpoint of torch.export that bursts", "that unpack to",
        lambda path: path.write_bytes(_exported_bomb()), "c.pt",
    ),
]  # fmt: skip
