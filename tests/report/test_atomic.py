from __future__ import annotations

from pathlib import Path

import pytest

from xai_audit.report.atomic import replacing_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "old").touch()
    return tmp_path / "report"


def test_the_new_folder_replaces_the_old_one_at_the_end(old):
    with replacing_folder(old) as new:
        (new / "new").touch()
        assert names(old) == ["old"]
    assert names(old) == ["new"]
    assert names(old.parent) == ["report"]


def test_an_error_leaves_the_old_folder(old):
    def stopped() -> None:
        with replacing_folder(old) as new:
            (new / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert names(old) == ["old"]
    assert names(old.parent) == ["report"]


def test_the_old_folder_steps_back_when_the_swap_fails(old, monkeypatch):
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".new" in self.name:
            raise OSError("disk gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="disk gone"), replacing_folder(old):
        pass
    assert names(old) == ["old"]
    assert names(old.parent) == ["report"]


def test_leftovers_of_a_killed_run_are_cleared(old):
    for end in ("new", "old"):
        (old.parent / f".report.{end}.tmp" / "deep").mkdir(parents=True)
    with replacing_folder(old) as new:
        assert names(new) == []
    assert names(old.parent) == ["report"]
