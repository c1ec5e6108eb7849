"""The disk is full, whoever writes: one line, nothing half, and the same tables afterwards."""

from __future__ import annotations

import ast
import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import tiny
from tests.faults.disk import FullDisk, kind_of
from xai_audit.errors import OutputError
from xai_audit.run.files import replacing

# Every kind of file that an audit of one method writes: 56. A new one belongs here.
KINDS = {
    "model.json", "run.json", "plan.json", "status.json", "SUCCESS", "index/listing.parquet",
    "index/part-*.parquet", "manifest.parquet", "statuses.parquet", "attributions/part-*.parquet",
    "scores/part-*.parquet", "trust/part-*.parquet", "methods.parquet", "discover/part-*.parquet",
    "clusters.parquet", "evidence/survey/part-*.parquet", "evidence/photos.parquet",
    "evidence/confusion.parquet", "evidence/cues.parquet", "groups.parquet",
    "evidence/availability/part-*.parquet", "evidence/attention/part-*.parquet",
    "evidence/effects/part-*.parquet", "evidence/pairs/transplant-*.parquet",
    "transplants/part-*.parquet", "summary.parquet", "evidence/carried/part-*.parquet",
    "evidence/carriers/part-*.parquet", "evidence/pairs/carriers-*.parquet",
    "transplants/carriers-*.parquet", "carriers.parquet", "pulls.parquet", "evidence.parquet",
    "agreement.parquet", "boundary/part-*.parquet", "boundaries.parquet", "adversarial.parquet",
    "augmentation.parquet", "flags.parquet", "gallery/part-*.parquet",
    "report/gallery/*/images/*.jpg", "report/gallery/*/boundary-*.png", "explore/part-*.parquet",
    "report/explore/sheet-*.jpg", "report/explore/sheet-*.js", "report/explore/column-*.js",
    "report/explore/rows-*.js", "report/explore/ids.js", "report/explore/carriers.js",
    "report/explore/index.js", "report/explore.html", "report/plots/masses.svg",
    "report/plots/masses.png", "report/index.html", "report/summary.json", "report/summary.md",
}  # fmt: skip
# Whoever reads it can do without: the run goes on.
DISPENSABLE = {"status.json"}
# Written in another way: empty, and lines that are left out where they find no place.
BESIDE = {".lock", "attempts"}
# What opens a file to write, besides ``replacing``, and why it may.
OTHERS = {
    "demo/generate.py": "photos of the demo, in a folder that is renamed",
    "demo/net.py": "training of the demo's network",
    "demo/train.py": "training of the demo's network",
    "demo/truth.py": "training of the demo's network",
    "engines/_slurm_command.py": "ids of jobs beside the run",
    "run/files.py": "replacing itself",
    "run/record.py": "the lock",
    "store/cache.py": "a cache, which may lack anything",
    "store/home.py": "replaces likewise",
    "verbs/doctor.py": "a trial in a temporary folder",
    "work/attempts.py": "lines that may be lacking",
}  # fmt: skip


def same(one: Path, other: Path) -> None:
    """Every table of ``one`` is that of ``other``."""
    files = sorted(file.relative_to(one) for file in one.rglob("*.parquet"))
    assert files == sorted(file.relative_to(other) for file in other.rglob("*.parquet"))
    for file in files:
        pd.testing.assert_frame_equal(pd.read_parquet(one / file), pd.read_parquet(other / file))


def test_the_disk_is_full_at_each_kind_of_file(finished, folder, tmp_path):
    out = tmp_path / "out"
    disk, command = FullDisk(out), tiny.overrides(folder, out, tiny.WHOLE)
    with disk.installed():
        while (done := tiny.audit(command)).returncode:
            assert done.returncode == 2
            assert "Traceback" not in done.stderr
            disk.freed(done.stderr.splitlines()[-1].removeprefix("xai_audit: "))
    assert len(KINDS) == 56
    assert {*disk.lines} == KINDS
    for kind, line in disk.lines.items():
        if kind in DISPENSABLE:
            assert not line, line
            continue
        told = re.fullmatch(
            r"cannot write; everything finished so far is kept: (\S+) \| got File too large \| "
            r"remedy: raise .*, then run the same command again",
            line,
        )
        assert told, (kind, line)
        assert kind_of(Path(told[1]), out) == kind
    same(finished, out)
    written = {kind_of(f, out) for f in out.rglob("*") if f.is_file()}
    assert {kind for kind in written if kind.partition("/")[0] not in BESIDE} == KINDS


def test_nothing_else_opens_files_to_write():
    package = tiny.REPO / "xai_audit"
    found = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if any(map(_writes, ast.walk(ast.parse(file.read_text(encoding="utf-8")))))
    }
    assert found == {*OTHERS}


def _writes(node: ast.AST) -> bool:
    """Whether it is a call that writes a file, not the temporary one of ``replacing``."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    receiver, name = ast.unparse(node.func.value), node.func.attr
    into = {receiver, *map(ast.unparse, node.args)}
    if "temporary" in into or receiver == "os" and "O_CREAT" not in ast.unparse(node):
        return False
    modes = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
    return (
        name in {"write_text", "write_bytes", "touch", "copyfile", "hardlink_to", "mkstemp"}
        or name == "open" and ("O_CREAT" in ast.unparse(node) or _opens(modes))
        or receiver in {"pq", "torch"} and name in {"write_table", "save"}
    )  # fmt: skip


def _opens(modes: list[object]) -> bool:
    return any(re.fullmatch("[wax]b?|r[+]b?", str(mode)) for mode in modes)


def test_an_encoder_that_does_not_say_why(tmp_path, monkeypatch):
    """PIL's raise an error without the system's number: the next write tells."""
    mute = OSError("encoder error -2 when writing image file")
    with (
        pytest.raises(
            OutputError, match=r"a.jpg \| got encoder error -2 .* remedy: see to the disk"
        ),
        replacing(tmp_path / "a.jpg"),
    ):
        raise mute
    monkeypatch.setattr("xai_audit.run.unwritten._number", lambda _: errno.ENOSPC)
    with (
        pytest.raises(OutputError, match="got No space left on device .* free disk space"),
        replacing(tmp_path / "a.jpg"),
    ):
        raise mute
    assert not [*tmp_path.iterdir()]


def test_a_file_system_that_is_really_full(folder, tmp_path):
    """A tmpfs with 60 kB left in a mount namespace; read-only once everything is there."""
    small = ["unshare", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=8m none {tmp_path} && "
    if subprocess.run([*small, f"{mount} true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    command = [sys.executable, "-m", "tests.faults.small", str(tmp_path), str(folder)]
    done = subprocess.run(
        [*small, f'{mount} exec "$@"', "sh", *command],
        capture_output=True, text=True, check=False, timeout=240, cwd=tiny.REPO,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, line in found["writers"].items():
        assert re.search(rf"{name}.*got No space left on device .* free disk space, then", line)
    assert found["left"] == ["ballast"]
    code, stderr = found["full"]
    last = stderr.splitlines()[-1]
    assert code == 2, stderr
    assert "Traceback" not in stderr
    assert "got No space left on device | remedy: free disk space, then run the same" in last
    assert found["resumed"][0] == 0, found["resumed"]
    assert found["attributions"] == found["scores"] == 18 * 2
    code, stderr = found["read_only"]
    assert code == 2
    assert "cannot write the output folder" in stderr.splitlines()[-1]
    assert "Read-only file system" in stderr.splitlines()[-1]
