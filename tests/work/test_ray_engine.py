"""What ``engine=ray`` does with workers that are lost, refuse or never start, on a Ray of fakes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests import tiny
from xai_audit.config.compose import compose
from xai_audit.engines import ray as engine_module
from xai_audit.engines._ray_cluster import _check_answers
from xai_audit.engines._ray_room import Needs, Node, nodes_of
from xai_audit.engines._ray_worker import Maker
from xai_audit.engines.ray import RayEngine
from xai_audit.errors import ConfigError, PoisonError, StoppedError, WorkerError


class RayError(Exception):
    pass


class Actor:
    """An actor whose calls are done at once; ``script`` says what becomes of each part."""

    def __init__(self, ray):
        self.ray, self.is_alive, self.made = ray, True, []
        self.open = SimpleNamespace(remote=lambda: self._call(None))
        self.make = SimpleNamespace(remote=lambda stage, number: self._call(number))

    def _call(self, number):
        if number is None:
            return (len(self.ray.calls), self, "lost" if self.ray.opens is None else self.ray.opens)
        self.ray.calls.append(number)
        return (len(self.ray.calls), self, self.ray.script.get(number), number)


class Ray:
    """As much of Ray as the engine uses."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, script=(), opens=()):
        self.script, self.opens, self.calls, self.actors = dict(script), opens, [], []

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {}}]

    def remote(self, maker):
        assert maker is Maker
        return self

    def options(self, **takes):
        assert takes["max_restarts"] == takes["max_task_retries"] == 0
        self.takes = takes

        def start(folder, home):
            self.actors.append(Actor(self))
            return self.actors[-1]

        return SimpleNamespace(remote=start)

    def wait(self, calls, timeout):
        return calls[:1], calls[1:]

    def get(self, call):
        _, actor, what, *number = call
        if what == "lost" or not actor.is_alive:
            actor.is_alive = False
            raise RayError("gone")
        if number and not what:
            actor.made += number
        return what or None

    def kill(self, actor):
        actor.is_alive = False


@pytest.fixture
def engine(monkeypatch):
    def made(ray, wait=lambda seconds: None, **keys):
        cluster = SimpleNamespace(
            ray=ray, is_fixed=True, nodes=lambda: nodes_of(ray.nodes()), close=lambda: None
        )
        monkeypatch.setattr(engine_module, "Cluster", lambda *_: cluster)
        monkeypatch.setattr(engine_module, "package", lambda _: ray)
        given = {"workers": "auto", "num_cpus": 1, "num_gpus": "auto", "retries": 1}
        driver = SimpleNamespace(pause=wait, lost=print)
        return RayEngine(driver=driver, address=None, runtime_env={}, **{**given, **keys})

    return made


def parts_of(ray):
    return sorted(number for actor in ray.actors for number in actor.made)


def test_every_part_is_made_once_by_workers_of_the_room(engine):
    ray, looks = Ray(), []
    one = engine(ray, wait=looks.append)
    one.run(Path("out"), "attribute", range(7))
    one.run(Path("out"), "score", [7])
    assert parts_of(ray) == [*range(8)]
    assert len(ray.actors) == 2  # and kept for the next stage
    assert len(looks) >= 8
    assert ray.takes["num_cpus"] == 1.0
    assert ray.takes["runtime_env"]["env_vars"]["CUDA_VISIBLE_DEVICES"] == ""
    one.close()
    assert not any(actor.is_alive for actor in ray.actors)


@pytest.mark.parametrize(("retries", "times"), [(1, 2), (3, 4), (0, 1)])
def test_a_part_that_loses_its_workers_is_set_aside_when_all_others_are_made(
    engine, retries, times
):
    ray = Ray({2: "lost"})
    with pytest.raises(PoisonError, match="part 2: gone"):
        engine(ray, retries=retries).run(Path("out"), "attribute", range(6))
    assert ray.calls.count(2) == times
    assert parts_of(ray) == [0, 1, 3, 4, 5]


def test_workers_lost_between_stages_cost_no_part_a_retry(engine):
    ray = Ray()
    one = engine(ray, retries=0)
    one.run(Path("out"), "attribute", range(4))
    for actor in ray.actors:
        actor.is_alive = False
    one.run(Path("out"), "score", range(10, 14))
    assert parts_of(ray) == [0, 1, 2, 3, 10, 11, 12, 13]


def test_what_a_worker_says_is_the_error_with_its_exit_code(engine):
    with pytest.raises(WorkerError, match="no such layer") as caught:
        engine(Ray({1: ("no such layer: x", 2)})).run(Path("out"), "attribute", range(3))
    assert caught.value.exit_code == 2
    with pytest.raises(WorkerError, match="no plan yet"):
        engine(Ray(opens=("no plan yet", 2))).run(Path("out"), "attribute", [0])


def test_workers_that_never_start_are_an_error(engine):
    with pytest.raises(WorkerError, match="no worker of Ray starts .* got gone"):
        engine(Ray(opens=None)).run(Path("out"), "attribute", range(3))


def test_a_stop_is_seen_between_two_parts(engine):
    looks = []

    def wait(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            raise StoppedError(2)

    ray = Ray()
    one = engine(ray, wait=wait)
    with pytest.raises(StoppedError):
        one.run(Path("out"), "attribute", range(50))
    one.close()
    assert not any(actor.is_alive for actor in ray.actors)
    assert len(parts_of(ray)) <= 2


def test_a_machine_without_room_is_one_line(engine):
    with pytest.raises(ConfigError, match="at most 2, 0 .* got 3 cores and 0 GPUs"):
        engine(Ray(), num_cpus=3).run(Path("out"), "attribute", [0])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("workers", 0), ("workers", "many"), ("workers", True), ("workers", 1.5), ("retries", -1),
        ("retries", "auto"), ("num_cpus", 0), ("num_gpus", -1), ("num_gpus", "one"),
    ],
)  # fmt: skip
def test_a_number_that_is_none_is_one_line(engine, key, value):
    with pytest.raises(ConfigError, match=rf"engine\.{key} \| expected"):
        engine(Ray(), **{key: value})


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    line, code = Maker(str(tmp_path / "nowhere"), str(tmp_path)).open()
    assert code == 2
    assert "a node of the cluster does not see the output folder" in line


CPUS, GPUS = [Node(8, 0), Node(3, 0), Node(0, 0)], [Node(64, 8), Node(16, 4), Node(4, 0)]


@pytest.mark.parametrize(
    ("nodes", "given", "needs", "room"),
    [
        (CPUS, {}, (3, 0), 3),  # 2 of the large node, 1 of the small
        (CPUS, {"workers": 11}, (1, 0), 11),
        (CPUS, {"workers": 2}, (3, 0), 3),
        (CPUS, {"cpus": 2.0}, (2, 0), 5),  # the third core of the small one serves nobody
        (CPUS, {"gpus": 1.0}, (1, 1), 0),
        ([Node(64, 0)], {}, (4, 0), 16),
        (GPUS, {}, (4, 1), 12),
        (GPUS, {"gpus": 0.5}, (2, 0.5), 24),
        (GPUS, {"gpus": 0.0, "cpus": 4.0}, (4, 0), 21),
        ([], {}, (1, 0), 0),
    ],
)
def test_room_and_shares(nodes, given, needs, room):
    found = Needs.of(nodes, **{"workers": None, "cpus": None, "gpus": None, **given})
    assert (found.cpus, found.gpus) == needs
    assert found.room(nodes) == room


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_where_nothing_listens_is_one_line_at_once(address):
    with pytest.raises(ConfigError, match="no Ray answers: engine.address="):
        _check_answers(address)


def test_the_job_for_kubernetes_runs_our_command_where_the_data_is():
    readme = (tiny.REPO / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(# rayjob\.yaml\n.*?)```", readme, flags=re.DOTALL)
    job = yaml.safe_load(block)
    assert job["kind"] == "RayJob"
    command = shlex.split(job["spec"]["entrypoint"])
    assert command[:3] == ["python", "-m", "xai_audit"]
    settings = compose(command[3:]).settings
    assert settings.engine["_target_"] == "xai_audit.engines.ray.RayEngine"
    assert settings.engine["address"] == "auto"
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounted = {
            mount["name"]: mount["mountPath"]
            for each in pod["containers"]
            for mount in each["volumeMounts"]
        }
        assert [volume["name"] for volume in pod["volumes"]] == [*mounted]
        for path in (settings.dataset["root"], settings.model["checkpoint"], settings.output_dir):
            assert path.startswith(tuple(mounted.values()))
