"""Checkpoints with objects besides tensors are read, and nothing in them is run or imported."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import logging
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models import _inert
from xai_audit.models._state_dict import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = {_inert.Inert, _inert._InertDict, _inert._InertList}
DEFAULTS = torch._utils._rebuild_tensor_v2.__defaults__
WEIGHTS = {"net.fc.weight": torch.arange(6.0).reshape(2, 3), "net.fc.bias": torch.ones(2)}


def placeholders() -> list[object]:
    """What of ours torch would still allow to the next load of this process."""
    known = torch.serialization.get_safe_globals()
    return [each for each in known if isinstance(each, type) and {*each.__mro__} & OURS]


@dataclasses.dataclass
class Settings:
    rate: float = 0.1
    folder: Path = Path("photos")


class Colour(enum.Enum):
    RED = 1


class AttributeDict(dict):
    pass


def default() -> dict[str, list[int]]:
    made: dict[str, list[int]] = collections.defaultdict(list)
    made["steps"].append(3)
    return made


HELD = {
    "namespace": argparse.Namespace(rate=0.1, folder=Path("photos")),
    "omegaconf": OmegaConf.create({"optimiser": {"betas": [0.9, 0.99]}, "name": "${optimiser}"}),
    "dataclass": Settings(),
    "enum": {Colour.RED: 1},
    "dict of its own": AttributeDict(rate=0.1),
    "defaultdict": default(),
    "deque": collections.deque([1, 2], maxlen=3),
    "numpy": [np.float64(0.5), np.ones(3), np.dtype("float32")],
    "functions": [functools.partial(print, 1), torch.nn.functional.relu, Settings],
    "time": datetime.timedelta(1),
    "optimiser": torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1),
    "bytes, sets": [b"abc", {1}, frozenset([2]), slice(1)],
}


@pytest.mark.parametrize("name", HELD)
def test_what_training_scripts_keep_beside_the_weights(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({"epoch": 3, "state_dict": WEIGHTS, "hyper_parameters": HELD[name]}, file)
    with caplog.at_level(logging.INFO, logger="xai_audit"):
        found = read_state_dict(file, trust=False)
    assert f"{file}: only tensors are read of it, no object of " in caplog.text
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in WEIGHTS.items()}
    assert not placeholders()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        shared = nn.Linear(2, 2)
        self.parts = nn.ModuleDict({"a": nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))})
        self.twice = nn.ModuleList([shared, shared])
        self.scale = nn.Parameter(torch.full((2,), 3.0))
        self.register_buffer("kept", torch.ones(1))
        self.register_buffer("passing", torch.ones(1), persistent=False)
        self.settings = Settings()


@pytest.mark.parametrize("held", ["bare", "nested"])
def test_the_weights_of_a_pickled_module(held: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, file = Net(), tmp_path / "whole.pt"
    torch.save(module if held == "bare" else {"epoch": 1, "model": module}, file)
    found = read_state_dict(file, trust=False)
    expected = module.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert list(read_state_dict(file, trust=True)) == list(expected)


class Predict(Net):
    """Its name ends as that of a dict."""


class HeadDict(nn.ModuleDict):
    """A module that is one of modules by name, and no dict."""


@pytest.mark.parametrize("place", ["outside", "inside"])
@pytest.mark.parametrize("kind", [Predict, HeadDict])
def test_a_module_whose_name_ends_in_dict(
    kind: type[nn.Module], place: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    named = Predict() if kind is Predict else HeadDict({"a": nn.Linear(2, 3), "b": Net()})
    module = named if place == "outside" else nn.Sequential(nn.Linear(1, 1), named)
    torch.save(module, tmp_path / "whole.pt")
    found = read_state_dict(tmp_path / "whole.pt", trust=False)
    expected = module.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


# Hand-made pickles, opcode by opcode: what pickle.dumps would not write.
PROTO, STOP, REDUCE, BUILD, NEWOBJ, POP = b"\x80\x02", b".", b"R", b"b", b"\x81", b"0"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"t" + REDUCE


def items(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


TOUCH = "__import__('pathlib').Path({!r}).touch()"
EVAL = name("builtins", "eval")


def hostile(witness: Path) -> dict[str, bytes]:
    """Pickles that make ``witness`` where any of their calls is carried out."""
    code, shell = text(TOUCH.format(str(witness))), text(f"touch {witness}")
    imported = call(name("builtins", "__import__"), text("os"))
    system = call(name("builtins", "getattr"), imported, text("system"))
    rebuild = name("torch._tensor", "_rebuild_from_type_v2")
    return {
        "os.system": call(name("os", "system"), shell),
        "posix.system": call(name("posix", "system"), shell),
        "nt.system": call(name("nt", "system"), shell),
        "sys.modules": call(name("sys", "exit"), text("x")),
        "eval": call(EVAL, code),
        "eval of Python 2": call(name("__builtin__", "eval"), code),
        "exec": call(name("builtins", "exec"), code),
        "popen": call(name("subprocess", "getoutput"), shell),
        "new popen": name("subprocess", "Popen") + b"(" + shell + b"t" + NEWOBJ,
        "system by getattr": call(system, shell),
        "result called": call(call(EVAL, code), shell),
        "map": call(
            name("builtins", "list"), call(name("builtins", "map"), EVAL, b"]" + code + b"a")
        ),
        "partial": call(call(name("functools", "partial"), EVAL, code)),
        "rebuild": call(rebuild, EVAL, name("torch", "Tensor"), b"(" + code + b"t", b"}"),
        "rebuild state": call(
            rebuild, EVAL, EVAL, b"(" + code + b"t", items(__setstate__=EVAL, __class__=EVAL)
        ),
        "hub": call(name("torch.hub", "load"), shell, text("x")),
        "load again": call(name("torch.serialization", "load"), shell),
        "state": call(EVAL, code) + items(__class__=EVAL, state=EVAL, __dict__=EVAL) + BUILD,
        "state as a call": call(EVAL, code) + call(EVAL, code) + BUILD,
        "state of a class": EVAL + items(__new__=EVAL, __setstate__=EVAL) + BUILD,
        "state of a function": name("torch._utils", "_rebuild_tensor_v2")
        + b"(}" + items(__defaults__=b"(t", __code__=EVAL) + b"t" + BUILD,
        "state of a dict": name("collections", "OrderedDict") + b")R"
        + items(items=EVAL, get=EVAL, _metadata=EVAL) + BUILD,
        "inst": b"(" + code + b"ibuiltins\neval\n",
        "obj": b"(" + EVAL + code + b"o",
        "extension": b"\x82\x01",
        "stack global": text("builtins") + text("eval") + b"\x93" + b"(" + code + b"t" + REDUCE,
        "persistent": b"(" + EVAL + code + b"tQ",
        "module with code": call(name("torch.nn.modules.module", "Module"))
        + items(_parameters=call(EVAL, code), _modules=items(a=call(EVAL, code))) + BUILD,
    }  # fmt: skip


def torch_zip(file: Path, data: bytes) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")


SEEN: list[str] = []
WATCHED = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "exec",
    "import",
)
watching = False


def notice(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's own audit hook: calls that no load may make, and what it imports."""
    if watching and event in WATCHED:
        SEEN.append(f"{event} {arguments[:1]}")


@pytest.fixture(scope="module", autouse=True)
def _hooked() -> None:
    sys.addaudithook(notice)


@pytest.fixture
def watched() -> Iterator[list[str]]:
    global watching
    SEEN.clear()
    watching = True
    yield SEEN
    watching = False


CASES = [*hostile(Path("x"))]


@pytest.mark.parametrize("beside", ["weights", "alone"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_hostile_is_run(
    case: str, beside: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    witness, file = tmp_path / "witness", tmp_path / "c.ckpt"
    payload = hostile(witness)[case]
    body = items(state_dict=b"}", hyper_parameters=payload) if beside == "weights" else payload
    torch_zip(tmp_path / "warm.ckpt", PROTO + call(name("argparse", "Namespace")) + STOP)
    torch_zip(file, PROTO + body + STOP)
    for path in (tmp_path / "warm.ckpt", file):  # the first time torch imports modules of its own
        if path == file:
            events = request.getfixturevalue("watched")
        with pytest.raises(ModelError) as caught:
            read_state_dict(path, trust=False)
    assert "\n" not in str(caught.value)
    assert not witness.exists()
    assert events == []
    assert not placeholders()
    assert torch._utils._rebuild_tensor_v2.__defaults__ == DEFAULTS


def test_the_pickles_are_hostile(tmp_path: Path) -> None:
    """Python's own unpickler does run them, so that the test above shows something."""
    witness = tmp_path / "witness"
    for case in ("os.system", "eval", "popen", "system by getattr", "map", "inst", "obj"):
        witness.unlink(missing_ok=True)
        pickle.loads(PROTO + hostile(witness)[case] + STOP)
        assert witness.exists(), case


def test_weights_beside_a_hostile_object_are_read(tmp_path: Path) -> None:
    witness, file = tmp_path / "witness", tmp_path / "c.ckpt"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, (TOUCH.format(str(witness)),)

    torch.save({"state_dict": WEIGHTS, "hyper_parameters": Bomb()}, file)
    assert list(read_state_dict(file, trust=False)) == list(WEIGHTS)
    assert not witness.exists()
    torch.load(file, weights_only=False)
    assert witness.exists()


def test_no_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap_of_a_stranger.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    torch_zip(tmp_path / "c.ckpt", PROTO + call(name("trap_of_a_stranger", "Thing")) + STOP)
    with pytest.raises(ModelError, match="holds no state dict"):
        read_state_dict(tmp_path / "c.ckpt", trust=False)
    assert "trap_of_a_stranger" not in sys.modules
    assert not (tmp_path / "ran").exists()


def test_a_module_that_holds_itself_ends(tmp_path: Path) -> None:
    module = call(name("torch.nn.modules.module", "Module")) + b"q\x01"
    loop = items(_parameters=b"}", _modules=items(a=b"h\x01")) + BUILD
    torch_zip(tmp_path / "c.ckpt", PROTO + module + loop + STOP)
    with pytest.raises(ModelError, match="holds no state dict"):
        read_state_dict(tmp_path / "c.ckpt", trust=False)
    torch_zip(tmp_path / "d.ckpt", PROTO + b"}q\x01(" + text("model") + b"h\x01u" + STOP)
    with pytest.raises(ModelError, match="holds no state dict"):
        read_state_dict(tmp_path / "d.ckpt", trust=False)


@pytest.mark.parametrize(("case", "levels"), [("shared", 40), ("deep", 600)])
def test_a_small_file_of_very_many_modules_is_one_line(
    case: str, levels: int, tmp_path: Path
) -> None:
    empty = call(name("torch.nn.modules.module", "Module"))
    chain = empty + items(_parameters=b"}", _modules=b"}") + BUILD
    for level in range(levels):
        place = struct.pack("<I", level)
        children = {"a": chain + b"r" + place}  # kept under a number, to be named again
        if case == "shared":
            children["b"] = b"j" + place
        chain = empty + items(_parameters=b"}", _modules=items(**children)) + BUILD
    torch_zip(tmp_path / "c.ckpt", PROTO + chain + STOP)
    with pytest.raises(ModelError, match="more modules inside than any network: model.checkpoint"):
        read_state_dict(tmp_path / "c.ckpt", trust=False)


def test_an_older_format_is_refused_as_before(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    torch.save({"model": WEIGHTS, "args": Settings()}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match="loading it would run code.*got a pickled .*Settings"):
        read_state_dict(file, trust=False)
