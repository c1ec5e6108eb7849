"""Class names that look the same are different classes, which is said."""

from __future__ import annotations

import unicodedata

import pytest

from tests import tiny
from tests.data.photo_files import save
from xai_audit.index.listing import look_alikes

COMPOSED = "caf\u00e9"
SPLIT = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([COMPOSED, "rose", SPLIT], ["'caf\\xe9' and 'cafe\\u0301'"]),
        ([COMPOSED, "rose"], []),
        ([SPLIT, "cafe"], []),
        # Compatibility forms look different.
        (["\ufb01g", "fig"], []),
    ],
)
def test_only_forms_of_one_name_look_alike(names, found):
    assert look_alikes(names) == found


def test_it_is_logged_once(tmp_path):
    for name in (COMPOSED, SPLIT, "rose"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        save(tmp_path / "photos" / name / "1.png")
    if len(list((tmp_path / "photos").iterdir())) < 3:
        pytest.skip("this file system takes both forms for one name")
    command = ["dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "stages=[index]"]
    result = tiny.audit([*command, f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("class names that look the same") == 1
    assert "'caf\\xe9' and 'cafe\\u0301'" in result.stderr or (
        "'cafe\\u0301' and 'caf\\xe9'" in result.stderr
    )
