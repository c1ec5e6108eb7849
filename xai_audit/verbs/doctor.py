"""``xai-audit doctor``: whether an audit works on this machine, and what ``auto`` chooses here.

Each fault is one line on stderr and makes the exit code 1. Nothing is downloaded, and nothing stays
on the disk.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import re
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit import __version__
from xai_audit.errors import AuditError
from xai_audit.run.limits import address_space, check_address_space
from xai_audit.verbs.run import complain, start_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_NAME = "xai-audit"
_NEED = re.compile(r"([\w.-]+)(?:\[.*?\])?(?:>=([\d.]+))?[^;]*(?:;.*extra == ['\"](\w+)['\"])?")
_GB = 1e9
_LEAST_GB = 2.0  # what PyTorch, a ResNet-50 and a batch of photos take
_ENOUGH = 0.8  # its classifier names nearly all of the demo's photos


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, and 1 where an audit would not work."""
    argparse.ArgumentParser(
        prog="xai-audit doctor",
        description="Whether an audit works on this machine: packages, extras, memory, what auto "
        "chooses, folders, and a small audit of rendered photos. Exit code 1 where it does not.",
    ).parse_args(arguments)
    start_log()
    faults = 0
    for checks in ((_packages, _extras, _memory), (_compute, _folders, _audit)):
        for check in () if faults else checks:  # the later ones load PyTorch, which may not work
            faults += _failed(check)
    sys.stdout.write(f"faults: {faults}\n" if faults else "an audit works here\n")
    return int(faults > 0)


def _failed(check: Callable[[], Iterator[str]]) -> bool:
    """Whether ``check``, whose lines are written, found a fault."""
    try:
        for line in check():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except AuditError as exc:
        complain(exc)
        return True
    return False


def _needs() -> Iterator[tuple[str, str | None, str | None]]:
    """Package, lowest version and extra (None: always) of all that this package needs."""
    try:
        texts = requires(_NAME) or []
    except PackageNotFoundError:  # a checkout that was not installed
        return
    for text in texts:
        if found := _NEED.match(text):
            yield found[1], found[2], found[3]


def _packages() -> Iterator[str]:
    """What always has to be installed."""
    yield f"xai_audit {__version__}, Python {platform.python_version()}, {platform.platform()}"
    found = {name: (_version(name), least) for name, least, extra in _needs() if extra is None}
    yield f"packages: {', '.join(f'{name} {has}' for name, (has, _) in found.items() if has)}"
    for name, (has, least) in found.items():
        if has is None or (least and _numbers(has) < _numbers(least)):
            raise AuditError(
                "a package is missing or too old",
                where=name,
                expected=f"{least} or newer" if least else None,
                got=has or "none",
                remedy=f'pip install -U "{name}"',
            )


def _extras() -> Iterator[str]:
    """What some keys need; what is missing is no fault."""
    found: dict[str, list[str]] = {}
    for name, _, extra in sorted(_needs(), key=lambda need: (need[2] or "", need[0])):
        if extra is not None:
            has = _version(name)
            found.setdefault(extra, []).append(f"{name} {has}" if has else f"{name} not installed")
    if found:
        texts = [f"{extra} ({', '.join(names)})" for extra, names in found.items()]
        yield f'extras: {", ".join(texts)}; pip install "xai-audit[NAME]" installs one'


def _memory() -> Iterator[str]:
    """Memory that is free, and what limits it."""
    free, limit = _free_memory(), address_space()
    texts = [] if free is None else [f"{free / _GB:.1f} GB free"]
    texts += [] if limit is None else [f"at most {limit / _GB:.1f} GB of addresses (ulimit -v)"]
    yield f"memory: {', '.join(texts) or 'unknown'}"
    check_address_space()
    if free is not None and free < _LEAST_GB * _GB:
        raise AuditError(
            "too little memory",
            expected=f"{_LEAST_GB:.0f} GB for a small model",
            got=f"{free / _GB:.1f} GB",
            remedy="end other programs",
        )


def _compute() -> Iterator[str]:
    """The device, and the value of every auto."""
    try:
        import torch

        from xai_audit.network.compute import resolve
    except (ImportError, OSError, MemoryError) as exc:
        raise AuditError(
            "PyTorch cannot be imported", got=f"{type(exc).__name__}: {exc}"[:200],
            remedy="pip install --force-reinstall torch torchvision",
        ) from exc  # fmt: skip
    found = resolve(device="auto", precision="auto", batch_size="auto", num_workers="auto")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield f"device: {', '.join(gpus) or 'no GPU that PyTorch can use'}"
    yield f"cores: {cores} for this process, {torch.get_num_threads()} threads of PyTorch"
    yield (
        f"auto is: compute.device={found.device} compute.precision={found.precision} "
        f"compute.batch_size={found.batch_size} compute.num_workers={found.num_workers}"
    )


def _folders() -> Iterator[str]:
    """Where results, caches and temporary files go, and whether that can be written."""
    for what, folder, remedy in (
        ("results", Path("outputs").absolute(), "output_dir=DIR elsewhere"),
        ("the demo's photos", _cache(), "XDG_CACHE_HOME=DIR, or dataset.root=DIR"),
    ):
        can = folder is not None and _is_writable(folder)
        yield f"{what}: {folder or 'no home folder'}" + ("" if can else f"; not writable: {remedy}")
    try:
        yield f"temporary files: {tempfile.gettempdir()}"
    except OSError as exc:
        raise AuditError(
            "no temporary folder can be written", got=exc.strerror, remedy="TMPDIR=DIR"
        ) from exc


def _audit() -> Iterator[str]:
    """A photo of every class of the demo, rendered and audited by the demo's own model."""
    start = time.perf_counter()
    log = logging.getLogger("xai_audit")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="xai-audit-doctor-") as folder:
            right, photos = _audited(Path(folder))
    except AuditError:
        raise
    except Exception as exc:  # whatever is wrong with this machine
        raise AuditError(
            "the audit of rendered photos failed", got=f"{type(exc).__name__}: {exc}"[:300]
        ) from exc
    finally:
        log.setLevel(before)
    took = time.perf_counter() - start
    yield f"audit of {photos} rendered photos: {right} predicted right, in {took:.1f} s"
    if right < _ENOUGH * photos:
        raise AuditError(
            "the demo's model is wrong on this machine",
            expected=f"nearly all of {photos} photos right",
            got=right,
            remedy="compute.device=cpu, compute.precision=fp32, or another version of PyTorch",
        )


def _audited(folder: Path) -> tuple[int, int]:
    """How many photos are predicted right, and how many there are."""
    from xai_audit.config.compose import compose
    from xai_audit.demo.generate import render_split
    from xai_audit.pipeline import audit
    from xai_audit.run.reader import Run

    render_split(folder / "photos", "test", 1, workers=1)
    (folder / "photos" / "COMPLETE").touch()
    keys = ["dataset=flowers", f"dataset.root={folder / 'photos'}", f"output_dir={folder / 'out'}"]
    keys += ["stages=[index,attribute,score]", "compute.num_workers=0", "progress=false"]
    scores = Run(audit(compose(keys))).scores.drop_duplicates("image_id")
    return int((scores["label"] == scores["pred"]).sum()), len(scores)


def _cache() -> Path | None:
    from xai_audit.demo.dataset import cache_folder

    try:
        return cache_folder()
    except AuditError:  # without HOME and without a user of this number
        return None


def _is_writable(folder: Path) -> bool:
    """Whether ``folder`` can be written, or made where it is not there."""
    return os.access(next(each for each in (folder, *folder.parents) if each.exists()), os.W_OK)


def _free_memory() -> float | None:
    """Bytes that this machine has left; None where it does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable: +(\d+) kB", text, re.MULTILINE)
    return None if found is None else int(found[1]) * 1024.0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
