"""Heatmaps of a run -> the strategies of each class."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from xai_audit.discovery.cluster import NOISE, clustered, stability
from xai_audit.discovery.describe import MIXED, OBJECT, kind_of, region_of, typical_first
from xai_audit.discovery.read import kinds_of_run, read_masses, read_sample
from xai_audit.schema import CLUSTERS, DISCOVERED, REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from xai_audit.discovery.read import Sample
    from xai_audit.discovery.settings import DiscoverSettings
    from xai_audit.run.paths import RunPaths

log = logging.getLogger(__name__)

_MOST_IDS = 200


def discover(
    paths: RunPaths, *, settings: DiscoverSettings, progress: Callable[[int], None]
) -> pa.Table:
    """The strategies (``schema.CLUSTERS``) of every class with ``min_images`` usable heatmaps.

    Each method is read by its ``contrast`` target where present, else ``label``, else ``pred``.
    Clusters are numbered from 1 within a class, over all its methods, the largest of a method
    first; what hdbscan leaves between them is cluster 0 and no cue. A class with fewer than
    ``min_clustered`` has one strategy, its mean map. The table's metadata count,
    over all methods, ``classes`` clustered, ``too_few`` (classes with too few heatmaps) and
    ``left_out`` (heatmaps without relevance or not finite).

    Args:
        paths: of the run.
        settings: of discovery.
        progress: called with the number of heatmaps just clustered.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    rows: list[dict[str, Any]] = []
    counts = {"classes": 0, "too_few": 0, "left_out": 0}
    for method, kind in kinds_of_run(paths).items():
        sample = read_sample(paths, method, kind, images=settings.images, seed=settings.seed)
        masses = read_masses(paths, method, kind, sample)
        counts["left_out"] += int((~sample.usable).sum())
        for name, chosen, others in _classes(sample):
            enough = len(chosen) >= max(2, settings.min_images)
            counts["classes" if enough else "too_few"] += 1
            if enough:
                facts = {"class_name": name, "method": method, "target_kind": kind}
                seed = _seed_of(settings.seed, name, method)
                found = _strategies(sample, chosen, others, masses, settings=settings, seed=seed)
                rows += [facts | row for row in found]
            progress(len(chosen))
    log.info(
        "discover: %d strategies in %d classes; %d classes with fewer than %d usable heatmaps; "
        "%d heatmaps without relevance left out",
        len(rows), counts["classes"], counts["too_few"], settings.min_images, counts["left_out"],
    )  # fmt: skip
    table = pa.Table.from_pylist(_numbered(rows), schema=CLUSTERS)
    notes = {f"xai_audit.{key}": str(count) for key, count in counts.items()}
    return table.replace_schema_metadata(notes)


def _classes(sample: Sample) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.float64]]]:
    """Each class, the places of its usable maps, and the mean (h, w) of all other classes' maps.

    Without another class that mean is an even map: the area.
    """
    usable = sample.usable
    grid = sample.shares.shape[1:]
    everything = sample.shares[usable].sum(0, dtype=np.float64)
    for name in pd.unique(sample.classes):
        chosen = np.flatnonzero(usable & (sample.classes == name))
        left = int(usable.sum()) - len(chosen)
        rest = everything - sample.shares[chosen].sum(0, dtype=np.float64)
        yield name, chosen, rest / left if left else np.full(grid, 1 / np.prod(grid))


def _seed_of(seed: int, class_name: str, method: str) -> int:
    """The seed, 0..2^32 as scikit-learn needs it, of everything random in one class's clustering.

    Not :func:`~xai_audit.run.sample.hash_order`: its different bits would change every
    ``stability``.
    """
    text = "\0".join((str(seed), class_name, method)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest())


def _strategies(
    sample: Sample,
    chosen: NDArray[np.intp],
    others: NDArray[np.float64],
    masses: pd.DataFrame,
    *,
    settings: DiscoverSettings,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """The rows of one class, its noise last."""
    shares = sample.shares[chosen].astype(np.float32)
    labels, facts = _grouped(shares, settings=settings, seed=seed)
    facts |= {"height": shares.shape[1], "width": shares.shape[2]}
    names = [*range(labels.max() + 1), *([NOISE] if (labels == NOISE).any() else [])]
    for label in names:
        member = np.flatnonzero(labels == label)
        looks = _looks(shares[member], others, masses.iloc[chosen[member]])
        if label == NOISE:
            looks["kind"] = MIXED
        ids = sample.image_ids[chosen[member[typical_first(shares[member])]]]
        sizes = {"n_images": len(member), "share": len(member) / len(chosen)}
        yield facts | looks | sizes | {"cluster": label, "image_ids": ids[:_MOST_IDS].tolist()}


def _grouped(
    shares: NDArray[np.float32], *, settings: DiscoverSettings, seed: int
) -> tuple[NDArray[np.intp], dict[str, Any]]:
    """The cluster of each map (n, h, w), and how they were found.

    Few maps are one cluster, without ``algorithm``, ``stability`` and ``eigengap``: any clustering
    of them would be chance, but where all of them look is known.
    """
    if len(shares) < settings.min_clustered:
        return np.zeros(len(shares), np.intp), dict.fromkeys(("algorithm", "stability", "eigengap"))
    points = shares.reshape(len(shares), -1)
    found = clustered(points, settings=settings, seed=seed)
    return found.labels, {
        "algorithm": settings.algorithm,
        "stability": stability(points, found.labels, settings=settings, seed=seed),
        "eigengap": None if np.isnan(found.eigengap) else found.eigengap,
    }


def _looks(
    shares: NDArray[np.float32], others: NDArray[np.float64], masses: pd.DataFrame
) -> dict[str, Any]:
    """The region, masses and kind of a cluster of maps (n, h, w)."""
    mean = shares.mean(0, dtype=np.float64)
    mass, area = (
        {region: float(masses[f"{what}_{region}"].mean()) for region in REGIONS}
        for what in ("mass", "area")
    )
    return {
        "kind": kind_of(mass, area),
        "mean_map": mean.ravel().tolist(),
        "region": region_of(mean, others).ravel().tolist(),
        **{f"mass_{r}": None if np.isnan(value) else value for r, value in mass.items()},
    }


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``rows`` by class, numbered from 1 within each, with the cue that each becomes."""
    numbered, number, before = [], 0, None
    for row in sorted(rows, key=lambda row: row["class_name"]):  # stable: methods stay in order
        number = number if row["class_name"] == before else 0
        before = row["class_name"]
        noise = row["cluster"] == NOISE
        number += not noise
        # Without masks a strategy away from the bands may be the object itself, which is no cue.
        blind = row["kind"] == MIXED and row["mass_object"] is None
        cue = None if noise or blind or row["kind"] == OBJECT else f"{DISCOVERED}{number}"
        numbered.append(row | {"cluster": 0 if noise else number, "cue": cue})
    return numbered
