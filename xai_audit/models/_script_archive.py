"""The weights of a TorchScript archive, read without running what is in it.

``torch.jit.load`` compiles the archive's code and runs the ``__setstate__`` of its modules, which
may read and write files. Here only its pickle is read, with inert objects in place of its modules,
and of its code only the lists of names that tell weights from other attributes.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

from xai_audit.models._inert import Parts, attributes, items_of, load_inert, module_tensors

if TYPE_CHECKING:
    from collections import OrderedDict
    from pathlib import Path

    import torch

# As torch/csrc/jit/serialization/python_print.cpp writes a module's class.
_CLASS = re.compile(
    r"^class (\w+)\(Module\):\n  __parameters__ = \[(.*)\]\n  __buffers__ = \[(.*)\]$", re.MULTILINE
)
_NAME = re.compile(r'"([^"\\]*)"')
_CODE = "code/"
_LARGEST_CODE = 2**24  # bytes of one file

# Class, as the archive names it -> its parameters and buffers, in order.
_Weights = dict[str, list[str]]


def script_tensors(file: Path) -> OrderedDict[str, torch.Tensor]:
    """The parameters and buffers of a TorchScript archive by name.

    Raises:
        ModelError: it has more modules inside than any network.
        Exception: whatever zipfile and torch raise of a broken file.
    """
    plain = io.BytesIO()
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(plain, "w") as copy:
        weights: _Weights = {}
        for member in archive.infolist():
            top, _, name = member.filename.partition("/")
            # Without its constants torch takes the archive for one of eager tensors.
            if name.startswith(("data/", ".data/")) or name in ("data.pkl", "version", "byteorder"):
                copy.writestr(f"{top}/{name}", archive.read(member))
            elif name.startswith(_CODE) and name.endswith(".py"):
                if member.file_size > _LARGEST_CODE:
                    raise ValueError(f"{name} has {member.file_size} bytes")
                weights |= _declared(name, archive.read(member).decode("utf-8"))
    plain.seek(0)
    held = load_inert(plain, name=file)
    return module_tensors(held, lambda module: _parts(module, weights))


def _declared(name: str, code: str) -> _Weights:
    """The classes of one file of code."""
    module = name.removeprefix(_CODE).removesuffix(".py").replace("/", ".")
    return {
        f"{module}.{found[1]}": _NAME.findall(found[2]) + _NAME.findall(found[3])
        for found in _CLASS.finditer(code)
    }


def _parts(module: object, weights: _Weights) -> Parts | None:
    """A module's tensors and the modules in it; None for what is no module."""
    state = attributes(module)
    if state is None:
        return None
    kind = type(module)
    own = weights.get(f"{kind.__module__}.{kind.__qualname__}", [])
    found = items_of(state)
    return [(n, v) for n, v in found if n in own], [(n, v) for n, v in found if n not in own]
