"""Worker processes that read photos: what they raise, what ends them, where memory is scarce."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from tests import tiny
from tests.test_interruption import same_tables
from xai_audit.errors import PluginError
from xai_audit.vision import workers
from xai_audit.vision.workers import Workers

pytestmark = pytest.mark.xdist_group("interruption")


class Numbers(Dataset):
    """A tensor an item; item ``bad`` is an error of ours."""

    def __init__(self, bad: int | None = None) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == self.bad:
            raise PluginError("broken", where=f"photo {index}", expected=1, got=2)
        return torch.full((3, 2), index)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("piped", [False, True])
def test_items_in_order_through_shared_memory_or_pipes(monkeypatch, piped, num_workers, batched):
    monkeypatch.setattr(workers, "_has_room", lambda _: not piped)
    more = {"collate": torch.stack, "batch_size": 2} if batched else {}
    for _ in range(2):  # it may be iterated again
        found = [*Workers(Numbers(), num_workers=num_workers, **more)]
        flat = torch.cat(found) if batched else torch.stack(found)
        assert len(found) == (3 if batched else 6)
        assert torch.equal(flat, torch.arange(6)[:, None, None].expand(6, 3, 2))


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_error_of_ours_comes_out_as_it_is(num_workers, batched):
    more = {"collate": torch.stack, "batch_size": 2} if batched else {}
    found = []
    with pytest.raises(PluginError) as caught:
        found += [*Workers(Numbers(bad=4), num_workers=num_workers, **more)]
    assert str(caught.value) == "broken: photo 4 | expected 1 | got 2"


def test_a_killed_reader_ends_the_run_in_seconds_with_one_line(folder, tmp_path):
    out = tmp_path / "out"
    command = tiny.overrides(
        folder, out, "model.factory=tests.tiny:slow_net", "compute.num_workers=2",
        "compute.part_size=1", "compute.batch_size=1",
    )  # fmt: skip
    process = tiny.started(command, out, "attributions", 2)
    readers = readers_of(process.pid)
    assert len(readers) == 2
    os.kill(readers[0], signal.SIGKILL)
    begin = time.monotonic()
    assert process.wait(timeout=60) == 1
    assert time.monotonic() - begin < 30
    stderr = out.with_suffix(".log").read_text()
    assert "Traceback" not in stderr
    last = stderr.splitlines()[-1]
    assert last.startswith("xai_audit: a process that reads photos ended; everything finished")
    assert "compute.num_workers=0" in last
    assert tiny.audit(command).returncode == 0
    alone = tmp_path / "alone"
    assert tiny.audit([*command, f"output_dir={alone}"]).returncode == 0
    same_tables(alone, out)


def test_a_killed_reader_of_a_worker_costs_its_part_alone(folder, tmp_path):
    """With engine.workers=2: another process makes the part, and none is left behind."""
    out, plain = tmp_path / "out", tmp_path / "plain"
    command = tiny.overrides(
        folder, out, "model.factory=tests.tiny:slow_net", "compute.num_workers=1",
        "compute.part_size=1", "compute.batch_size=1",
    )  # fmt: skip
    process = tiny.started([*command, "engine.workers=2"], out, "attributions", 2)
    workers_of = [child for child in children(process.pid) if "xai_audit.work" in _read_of(child)]
    readers = [reader for worker in workers_of for reader in readers_of(worker)]
    os.kill(readers[0], signal.SIGKILL)
    assert process.wait(timeout=120) == 0, out.with_suffix(".log").read_text()
    assert not [pid for pid in (*workers_of, *readers) if is_alive(pid)]
    assert tiny.audit([*command, f"output_dir={plain}"]).returncode == 0
    same_tables(plain, out)


def is_alive(pid: int) -> bool:
    """Whether it runs; one that nobody has asked how it ended has no command line."""
    try:
        return bool(_read_of(pid))
    except OSError:
        return False


def children(parent: int) -> list[int]:
    return [int(one) for one in _read(f"/proc/{parent}/task/{parent}/children").split()]


def _read_of(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline")


def readers_of(parent: int) -> list[int]:
    """The processes that ``parent`` has forked; its own programs have another command line."""
    return [child for child in children(parent) if _read_of(child) == _read_of(parent)]


def _read(path: str) -> str:
    return Path(path).read_text()


def test_a_container_with_hardly_any_shared_memory(folder, tmp_path):
    """1 MB, in a mount namespace of its own: torch would wait for ever for its first batch."""
    small = ["unshare", "--mount", "sh", "-c"]
    mount = "mount -t tmpfs -o size=1m none /dev/shm && "
    if subprocess.run([*small, f"{mount} true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    out, plain = tmp_path / "out", tmp_path / "plain"
    command = tiny.overrides(folder, out, tiny.WHOLE, "compute.num_workers=2", "limit=9")
    words = [sys.executable, "-m", "xai_audit", *command]
    done = subprocess.run(
        [*small, f'{mount} exec "$@"', "sh", *words],
        capture_output=True, text=True, check=False, timeout=240, cwd=tiny.REPO,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("/dev/shm has 1 MiB free") == 1
    assert "--shm-size=" in done.stderr
    assert tiny.audit([*command, f"output_dir={plain}"]).returncode == 0
    same_tables(plain, out)
