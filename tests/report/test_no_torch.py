from __future__ import annotations

import subprocess
import sys

MODULES = "import pkgutil, sys, xai_audit.report as r\n" + (
    "for m in pkgutil.iter_modules(r.__path__): __import__('xai_audit.report.' + m.name)\n"
    "from xai_audit.run.reader import Run\n"
    "from xai_audit.flags.outliers import write_flags\n"
    "from tests.report.built import build_report\n"
    "from xai_audit.report.picture import ReportSettings\n"
    "run = Run(sys.argv[1])\n"
    "write_flags(run, z=3.5, min_excess=0.1)\n"
    "build_report(run, ReportSettings(2, 64, 0), lambda i: None)\n"
    "assert run.paths.index_html.exists()\n"
    "heavy = ('torch', 'torchvision', 'pyplot', 'scipy', 'sklearn', 'skimage')\n"
    "print(sorted({part for m in sys.modules for part in m.split('.')[:2]} & {*heavy}))"
)


def test_flags_and_report_import_nothing_heavy(tiny_run):
    result = subprocess.run(
        [sys.executable, "-c", MODULES, tiny_run.root], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
