"""Flags, galleries and the report of a finished run, from its tables; never imports torch."""

from __future__ import annotations

from xai_audit.report.build import build_report
from xai_audit.report.flags import build_flags, find_flags, write_flags
from xai_audit.report.settings import FlagSettings, ReportSettings

__all__ = [
    "FlagSettings",
    "ReportSettings",
    "build_flags",
    "build_report",
    "find_flags",
    "write_flags",
]
