"""An audit whose results are at home in an S3 store, also where the network is bad."""

from __future__ import annotations

import io
import json
import os
import re
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import xai_audit
from tests import tiny
from tests.work.test_local import differing
from xai_audit.store.settings import configure

pytestmark = [pytest.mark.xdist_group("store"), pytest.mark.timeout(240)]

# What the store does not hold: the lock, and what a process may not have sent yet.
OWN = (".lock", "attempts")


@pytest.fixture(scope="module")
def local(finished):
    """The whole audit in a folder of the file system."""
    return finished


# The tables of the stages up to the evidence, as they do not depend on later ones.
PARTS = ("manifest.parquet", "attributions", "scores", "transplants")
TO_EVIDENCE = "stages=[index,attribute,score,evidence]"


@pytest.fixture
def home(s3, request):
    """A prefix of this test's own: key, address."""
    key = re.sub(r"\W+", "-", request.node.name)
    return key, f"s3://photos/{key}"


def line(folder, address, machine, *more):
    """The audit on a machine whose copies lie in ``machine``."""
    return [
        *tiny.overrides(folder, Path("unused"), tiny.WHOLE)[:-2],
        tiny.WHOLE,
        f"output_dir={address}",
        f"store.scratch={machine}",
        "store.timeout=1",
        *more,
    ]


def audited(*arguments):
    done = tiny.audit(line(*arguments))
    assert done.returncode == 0, done.stderr
    return done


def objects(bucket, key):
    """Name -> bytes of what the store holds below ``key``."""
    listing = bucket.client.get_paginator("list_objects_v2")
    pages = listing.paginate(Bucket="photos", Prefix=f"{key}/")
    names = [one["Key"] for page in pages for one in page.get("Contents", [])]
    get = bucket.client.get_object
    return {
        name.removeprefix(f"{key}/"): get(Bucket="photos", Key=name)["Body"].read()
        for name in names
    }


def changed(bucket, key, folder):
    """Name of a part -> when it was put there."""
    head = bucket.client.head_object
    names = [name for name in objects(bucket, key) if name.startswith(f"{folder}/")]
    return {name: head(Bucket="photos", Key=f"{key}/{name}")["LastModified"] for name in names}


def files(out):
    names = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    return {str(name) for name in names if name.parts[0] not in OWN}


def copy(machine, key):
    return Path(f"{machine}/s3:/photos/{key}")


def test_the_store_holds_what_a_folder_would(s3, home, folder, local, tmp_path):
    key, address = home
    done = audited(folder, address, tmp_path / "a")
    assert f"report: {address}/report/index.html" in done.stderr
    there = objects(s3, key)
    assert {name for name in there if not name.startswith("attempts/")} == files(local)
    assert differing(copy(tmp_path / "a", key), local) == []
    for name, content in there.items():
        if name.endswith(".parquet"):
            pq.read_table(io.BytesIO(content))
    table = pd.read_parquet(io.BytesIO(there["evidence.parquet"]))
    assert len(table) == len(pd.read_parquet(local / "evidence.parquet"))


def test_another_machine_goes_on_where_the_store_is(s3, home, folder, local, tmp_path):
    key, address = home
    audited(folder, address, tmp_path / "a", "stages=[index,attribute,score,trust]")
    before = changed(s3, key, "attributions")
    assert len(before) > 2
    s3.delete(f"{key}/attributions/part-00001.parquet")
    time.sleep(1)  # the store counts whole seconds
    audited(folder, address, tmp_path / "b", "progress=false")
    audited(folder, address, tmp_path / "a")  # what the other has changed is seen here
    assert differing(copy(tmp_path / "a", key), local) == []
    after = changed(s3, key, "attributions")
    again = {Path(name).name for name in after if after[name] != before[name]}
    assert again == {"part-00001.parquet"}


def test_a_bad_network_leaves_no_half_part(faulty, s3, home, folder, local, tmp_path):
    key, address = home
    faulty.share, faulty.faults = 0.1, ("error", "silence", "cut", "slow")
    audited(folder, address, tmp_path / "a", "store.retries=8")
    assert min(faulty.done.values()) >= 1
    assert len(faulty.done) == 4
    faulty.share = 0
    for name, content in objects(s3, key).items():
        if name.endswith(".parquet"):
            pq.read_table(io.BytesIO(content))
    assert differing(copy(tmp_path / "a", key), local) == []
    audited(folder, address, tmp_path / "b")
    assert differing(copy(tmp_path / "b", key), local) == []


def test_shares_on_machines_of_their_own(s3, home, folder, local, tmp_path):
    key, address = home
    driver = line(folder, address, tmp_path / "driver", "engine.workers=0", TO_EVIDENCE)
    for _ in range(20):
        done = tiny.audit(driver)
        assert done.returncode == 0, done.stderr
        if "are left to other processes" not in done.stderr:
            break
        for number in range(2):
            audited(folder, address, tmp_path / f"node{number}", f"shard={number}/2", TO_EVIDENCE)
    assert differing(copy(tmp_path / "driver", key), local, PARTS) == []


def test_workers_of_one_machine(home, folder, local, tmp_path):
    key, address = home
    more = ("engine.workers=2", "compute.part_size=4", TO_EVIDENCE)
    audited(folder, address, tmp_path / "a", *more)
    assert differing(copy(tmp_path / "a", key), local, PARTS) == []


def test_status_and_tables_by_address(home, folder, local, tmp_path, capsys):
    from xai_audit.verbs.status import main

    _, address = home
    audited(folder, address, tmp_path / "a")
    configure(cache=None, cache_gb=0, timeout=2, retries=1, scratch=str(tmp_path / "b"))
    assert main([address, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["finished"]
    run = xai_audit.load(address)
    pd.testing.assert_frame_equal(
        run.evidence, xai_audit.load(local).evidence, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "s3://nowhere-at-all/run",
            "cannot read the output folder: s3://nowhere-at-all/run | got no such bucket",
        ),
        ("s3://photos/tiny", "the output folder is not empty and holds no audit"),
        ("xy://bucket/run", "no such address"),
    ],
)
def test_what_cannot_be_is_one_line(s3, stored, folder, tmp_path, address, said):
    done = tiny.audit(line(folder, address, tmp_path / "a", "store.retries=0"))
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert not (tmp_path / "a" / "s3:" / "photos" / "tiny" / "images").exists()


def test_a_store_that_goes_away_keeps_what_was_finished(counted, s3, home, folder, local, tmp_path):
    key, address = home
    audited(folder, address, tmp_path / "a", "stages=[index,attribute,score]")
    counted.share, counted.faults = 1.0, ("error",)
    done = tiny.audit(line(folder, address, tmp_path / "a", "store.retries=0"))
    assert done.returncode == 2
    assert "no answer" in done.stderr.splitlines()[-1]
    counted.share = 0
    audited(folder, address, tmp_path / "a")
    assert differing(copy(tmp_path / "a", key), local) == []


def test_a_copy_in_a_folder_of_somebody_else_is_refused(home, folder, tmp_path, monkeypatch):
    _, address = home
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / f"xai_audit_runs_{os.getuid()}").mkdir()
    monkeypatch.setattr("os.getuid", lambda: 12345)
    (tmp_path / "xai_audit_runs_12345").mkdir()
    arguments = [each for each in line(folder, address, "") if not each.startswith("store.scratch")]
    done = tiny.audit(arguments)
    assert done.returncode == 2
    assert "it belongs to somebody else" in done.stderr
