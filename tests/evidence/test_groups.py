"""The column ``group`` of a table of photos: in folds, donors, intervals and sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from tests.evidence import framed

EACH = 14


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return framed.make_folder(tmp_path_factory.mktemp("framed"), EACH)


def audited(photos, output, sites):
    """The audit of a table in which the photos of every class come from so many sites."""
    rows = [
        {"path": f"{name}/{i:03d}.png", "label": name, "group": f"site {i % sites}"}
        for name in framed.CLASSES
        for i in range(EACH)
    ]
    table = output.with_suffix(".csv")
    pd.DataFrame(rows).to_csv(table, index=False)
    source = [
        "dataset=csv",
        f"dataset.file={table}",
        "cues=[border,file]",
        "discover.min_images=99",
    ]
    command = framed.overrides(photos, output, "reading_net", *source, "evidence.sequential=false")
    done = tiny.audit([key for key in command if key != "dataset=imagefolder"])
    assert done.returncode == 0, done.stderr
    pairs = pd.read_parquet(output / "transplants")
    photos = pd.read_parquet(output / "evidence" / "photos.parquet").set_index("image_id")
    return pd.read_parquet(output / "evidence.parquet"), pairs, photos["cluster"]


def test_sites_give_to_one_another_and_are_what_the_interval_counts(photos, tmp_path):
    table, pairs, cluster = audited(photos, tmp_path / "seven", 7)
    site = [int(one[-7:-4]) % 7 for one in cluster.index]
    assert len({*zip(site, cluster, strict=True)}) == cluster.nunique() == 7
    # To find carriers every photo of a class gives to the same few.
    pairs = pairs[pairs["question"].isin(["reliance", "pull"])]
    for donor in ("donor_with", "donor_without"):
        assert (pairs["image_id"].map(cluster) != pairs[donor].map(cluster)).all()
    row = table.set_index(["class_name", "cue"]).loc["framed", "border"]
    assert (row["verdict"], row["n_images"]) == ("confirmed", EACH)
    assert row["availability"] > 0.95
    effects = pd.concat(map(pd.read_parquet, (tmp_path / "seven/evidence/effects").iterdir()))
    assert set(effects.loc[effects["cue"] == "border", "n_clusters"]) == {7}


def test_two_sites_cannot_say(photos, tmp_path):
    table, _, cluster = audited(photos, tmp_path / "two", 2)
    assert cluster.nunique() == 2
    row = table.set_index(["class_name", "cue"]).loc["framed", "border"]
    assert row["verdict"] == "undetermined"
    assert row["because"] == (
        "Only 14 images from 2 groups to say whether framed rests on the border; images from at "
        "least 4 groups are needed."
    )
    assert np.isnan(row["reliance_low"])
    assert row["reliance"] > 0.8


def test_one_site_is_not_told_from_its_class(photos, tmp_path):
    table, _, _ = audited(photos, tmp_path / "one", 1)
    row = table.set_index(["class_name", "cue"]).loc["framed", "file"]
    assert row["verdict"] == "undetermined"
    assert row["because"] == (
        "All usable photos of framed are of one group, so whether the file metadata tells framed "
        "or that group cannot be said; photos of a second group are needed."
    )
