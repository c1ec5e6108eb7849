from __future__ import annotations

import subprocess
import sys

MODULES = "import pkgutil, sys, xai_audit.report as r\n" + (
    "for m in pkgutil.iter_modules(r.__path__): __import__('xai_audit.report.' + m.name)\n"
    "from pathlib import Path\nfrom xai_audit.run.paths import RunPaths\n"
    "from xai_audit.flags.outliers import write_flags\n"
    "from xai_audit.report.build import build_report\n"
    "from xai_audit.report.settings import ReportSettings\n"
    "paths = RunPaths(Path(sys.argv[1]))\n"
    "write_flags(paths, z=3.5, min_excess=0.1)\n"
    "build_report(paths, settings=ReportSettings(2, 64, 0), mask_of=lambda i: None)\n"
    "assert paths.index_html.exists()\n"
    "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'torchvision')])"
)


def test_flags_and_report_never_import_torch(tiny_run):
    told = subprocess.run(
        [sys.executable, "-c", MODULES, tiny_run.root], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "[]"
