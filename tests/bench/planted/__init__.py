"""Shortcuts planted in twin classes, their truth measured on the model itself."""

from tests.bench.planted.audits import run

__all__ = ["run"]
