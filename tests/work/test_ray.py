"""``engine=ray`` on real Rays: the same tables, whatever is killed, and no process left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests import tiny
from tests.work import dying
from tests.work.namespaces import ENVIRONMENT, TwoNodes
from tests.work.processes import MAIN, arguments
from tests.work.test_local import differing
from xai_audit.engines._ray_cluster import Cluster
from xai_audit.errors import ConfigError

pytest.importorskip("ray", reason="engine=ray needs the extra ray")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(280)]

RAY = ("engine=ray", "engine.num_cpus=1")
SCORES = ("manifest.parquet", "attributions", "scores")


@pytest.fixture
def home():
    """A user's home and temporary folder, in which a run leaves nothing."""
    place = Path(tempfile.mkdtemp(prefix="xh", dir="/tmp"))  # sockets' paths are short
    yield {"HOME": str(place), "TMPDIR": str(place)}
    left = [path.name for path in place.iterdir() if path.name in (".ray", "ray")]
    left += [path.name for path in place.glob("xai_audit_*")]
    shutil.rmtree(place)
    assert left == []


def started(command, environment):
    """A driver in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        command, cwd=tiny.REPO, env=os.environ | environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def family(driver):
    """The processes of ``driver``'s Ray."""
    try:
        return psutil.Process(driver.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def at_work(processes):
    """Those of ``processes`` that are making a part, as Ray titles them."""
    found = []
    for process in processes:
        try:
            if "Maker.make" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def halted(processes):
    """One of ``processes`` that is making a part and makes no more of it, or None."""
    for process in at_work(processes):
        try:
            process.suspend()
            if at_work([process]):  # it had not finished in between
                return process
            process.resume()
        except psutil.Error:
            continue
    return None


def seen(driver, look):
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + 200
    while not (found := look()):
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def ended(driver, code):
    """What a driver has logged that ends with ``code``."""
    _, said = driver.communicate(timeout=200)
    assert driver.returncode == code, said
    assert "Traceback" not in said
    return said


def none_alive(processes):
    _, alive = psutil.wait_procs(processes, timeout=10)
    return [process.cmdline() for process in alive] == []


def test_a_killed_worker_costs_a_part_and_the_tables_are_the_same(folder, whole, home, tmp_path):
    out = tmp_path / "out"
    driver = started(tiny.command(arguments(folder, out, *RAY)), home)
    seen(driver, (out / "attributions").exists)
    victim = seen(driver, lambda: halted(family(driver)))
    processes = family(driver)
    listening = [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    victim.kill()
    said = ended(driver, 0)
    assert "a worker of Ray was lost with part" in said
    assert differing(out, whole) == []
    assert (out / "SUCCESS").is_file()
    assert len(listening) > 3
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert none_alive(processes)


def test_a_stop_ends_ray_and_resumes(folder, home, tmp_path):
    out = tmp_path / "out"
    command = arguments(
        folder, out, MAIN, "compute.part_size=1", "model.factory=tests.tiny:slow_net"
    )
    driver = started(tiny.command([*command, *RAY]), home)
    seen(driver, lambda: list((out / "attributions").glob("part-*.parquet")))
    processes = family(driver)
    assert len(processes) > 3
    os.killpg(driver.pid, signal.SIGINT)  # as Ctrl-C does
    assert "stopped by signal 2" in ended(driver, 130)
    assert none_alive(processes)
    kept = {path: path.stat().st_mtime_ns for path in (out / "attributions").glob("*.parquet")}
    assert 0 < len(kept) < 18
    assert tiny.audit(command).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_part_that_kills_its_workers_is_set_aside(with_white, home, tmp_path):
    out = tmp_path / "out"
    command = arguments(
        with_white, out, *RAY, MAIN, "compute.part_size=4",
        "model.factory=tests.work.dying:on_white",
    )  # fmt: skip
    said = ended(started(tiny.command(command), home), 4)
    assert "1 part of attribute ended the processes that made them" in said
    planned = json.loads((out / "plan.json").read_text())["stages"]["attribute"]
    assert len(list((out / "attributions").glob("part-*.parquet"))) == len(planned) - 1 > 3


def test_an_exception_that_nobody_expected_says_where_it_arose(folder, home, tmp_path):
    out = tmp_path / "out"
    command = arguments(folder, out, *RAY, MAIN, "model.factory=tests.work.dying:unexpected")
    said = ended(started(tiny.command(command), home), 4).splitlines()
    line = next(n for n, text in enumerate(Path(dying.__file__).read_text().splitlines(), 1)
                if text.strip() == "[][1]")  # fmt: skip
    place = (
        f"part 0: IndexError: list index out of range, at dying.py:{line} in failing, "
        "called at runner.py:"
    )
    lost = [each for each in said if "a worker of Ray was lost with " in each]
    assert len(lost) == 2
    assert all(place in each and " in work_on, called at " in each for each in [*lost, said[-1]])
    assert len(list((out / "attributions").glob("part-*.parquet"))) == 3


def test_a_node_that_is_lost_costs_nothing_on_a_cluster_that_stays(folder, tmp_path):
    more = (MAIN, "compute.part_size=1", "model.factory=tests.tiny:slow_net")
    out, plain = tmp_path / "out", tmp_path / "plain"
    assert tiny.audit(arguments(folder, plain, *more)).returncode == 0
    with TwoNodes() as nodes:
        command = arguments(folder, out, *more, *RAY, f"engine.address={nodes.address}")
        driver = started(nodes.inside(0, *tiny.command(command)), ENVIRONMENT)
        seen(driver, (out / "attributions").exists)
        seen(driver, lambda: halted(map(psutil.Process, nodes.pids(1))))
        nodes.kill(1)
        said = ended(driver, 0)
        left = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in nodes.pids(0))
    assert "a worker of Ray was lost with part" in said
    assert differing(out, plain, SCORES) == []
    assert "gcs_server" in left
    assert "Maker" not in left


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("model.factory=tests.nowhere:net", "tests.nowhere"),
        ("engine.address=127.0.0.1:1", "no Ray answers: engine.address=127.0.0.1:1"),
        ("engine.workers=0", "bad value: engine.workers"),
    ],
)
def test_a_mistake_is_one_line(folder, tmp_path, more, line):
    done = tiny.audit(arguments(folder, tmp_path / "out", *RAY, MAIN, more))
    assert done.returncode == 2
    assert line in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_temporary_folder_too_long_for_sockets_is_one_line(tmp_path, monkeypatch):
    place = tmp_path / ("x" * 60)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ConfigError, match="Ray does not start: .* remedy: TMPDIR=/tmp"):
        Cluster(None, {})
    assert list(place.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_ray_the_error_names_the_extra(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = tiny.audit(arguments(folder, tmp_path / "out", *RAY, MAIN))
    assert done.returncode == 2, done.stderr
    assert done.stderr.endswith(
        "ray is not installed: engine=ray | remedy: pip install 'xai-audit[ray]'\n"
    )
