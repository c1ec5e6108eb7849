"""Peak memory of the whole command: it must not grow with the number of images.

Measured twice: of the largest process of the command, as the system accounts for it, and of the
main process when the audit is done. As the interpreter goes, a PyTorch built for CUDA touches its
libraries once more, which may be the largest moment of all and would hide what the audit holds.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests import tiny
from tests.bench.child import audit_command, finished, shown
from tests.bench.rows import Row

BOUND = 1.1

# The command, with its own peak said last; ru_maxrss is in KiB.
_TOLD = """
import resource, sys
from xai_audit.cli import main
code = main()
sys.stdout.write(f"\\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}")
sys.exit(code)
"""


@dataclass(frozen=True)
class Peak:
    """Resident memory of one run, MiB.

    Attributes:
        command: of the largest process, from start to end.
        audit: of the main process, until the audit is done.
    """

    command: float
    audit: float


def run(shared: Path, quick: bool) -> list[Row]:
    """A row for each of the two peaks: many images against a tenth of them."""
    del shared  # generated photos
    few, many = (27, 267) if quick else (134, 1334)
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        tmp = Path(folder)
        small, large = (_audited(tmp / str(each), each) for each in (few, many))
        told = shown(audit_command(_arguments(tmp)), TMP=tmp)
    classes = len(tiny.CLASSES)
    images = f"all stages, {many * classes} images against {few * classes}"
    return [
        _row(f"peak RSS of the largest process, {images}", large.command, small.command, told),
        _row(f"peak RSS until the audit is done, {images}", large.audit, small.audit, told),
    ]


def _row(what: str, large: float, small: float, command: str) -> Row:
    return Row(
        what=what,
        bound=f"<= {BOUND:.1f}x",
        measured=f"{large / small:.3f}x, {large:.0f} against {small:.0f} MiB",
        met=large / small <= BOUND,
        command=command,
    )


def _arguments(root: Path) -> list[str]:
    return [
        "dataset=imagefolder",
        f"dataset.root={root / 'images'}",
        "masks=folder",
        f"masks.root={root / 'masks'}",
        "model=custom",
        "model.factory=tests.tiny:net",
        "model.preprocess.resize=72",
        "model.preprocess.crop=64",
        "compute.device=cpu",
        f"output_dir={root / 'out'}",
    ]


def _audited(root: Path, per_class: int) -> Peak:
    tiny.make_folder(root, per_class)
    done = finished([sys.executable, "-c", _TOLD, *_arguments(root)])
    return Peak(done.peak_mib, int(done.stdout.splitlines()[-1]) / 1024)
