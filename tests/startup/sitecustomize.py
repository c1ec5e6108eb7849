"""Spares the processes that tests start the import of torch's compiler: half of their CPU time.

torchvision imports it to switch it off for two functions, and nothing here compiles. Whoever asks
it for more than that gets the real one. Python imports this file by its name, from the folder that
``tests/conftest.py`` puts on their path.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

NAMES = ("torch._dynamo", "torch._dynamo.utils")


class _Compiler(ModuleType):
    """``torch._dynamo`` or its ``utils`` until more is asked for than switching it off."""

    __path__: list[str] = []  # other modules of it are the real ones'

    @staticmethod
    def disable(fn=None, *_, **__):
        return (lambda inner: inner) if fn is None else fn

    @staticmethod
    def is_compile_supported(device):
        return real("torch._dynamo.utils").is_compile_supported(device)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(real(self.__name__), name)


class _Finder:
    """Makes :class:`_Compiler` where the compiler is imported for the first time."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in NAMES:
            return ModuleSpec(name, _Finder, is_package=True)
        if name.startswith("torch._dynamo."):
            real("torch._dynamo")
            return importlib.util.find_spec(name)
        return None

    @staticmethod
    def create_module(spec):
        return _Compiler(spec.name)

    @staticmethod
    def exec_module(module):
        """Nothing is read."""


def real(name: str) -> ModuleType:
    """The real module ``name``, in place of ours from now on."""
    if _Finder in sys.meta_path:
        sys.meta_path.remove(_Finder)
        for ours in NAMES:
            sys.modules.pop(ours, None)
    return importlib.import_module(name)


sys.meta_path.insert(0, _Finder)
