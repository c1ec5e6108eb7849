"""The clusters of one class's heatmaps by spectral clustering, and how stable they are.

SpRAy: kNN graph, normalised Laplacian, eigengap, k-means. Sources: Lapuschkin et al. 2019, Nature
Communications 10:1096; von Luxburg 2007, A tutorial on spectral clustering, Statistics and
Computing 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.sparse.linalg import eigsh
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from xai_audit.discovery.settings import SPECTRAL
from xai_audit.discovery.valley import is_one_cloud

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.discovery.settings import DiscoverSettings

NOISE = -1

_SUBSAMPLES = 10
_SUBSAMPLE = 0.8
_NEIGHBOURS_PER = 6
# What hdbscan sees: densities mean little in more dimensions.
_MOST_COMPONENTS = 10
_VARIANCE = 0.9
# Up to here a dense solver is faster than Lanczos.
_DENSE = 400
_STARTS = 10


@dataclass(frozen=True)
class Clustering:
    """The cluster of each heatmap.

    Attributes:
        labels: (n,) from 0, the largest cluster first; ``NOISE`` for none.
        eigengap: behind the number of clusters that the spectrum suggests; NaN for hdbscan.
    """

    labels: NDArray[np.intp]
    eigengap: float


def clustered(points: NDArray[np.floating], *, settings: DiscoverSettings, seed: int) -> Clustering:
    """The clusters of ``points`` (n, D), n >= 2; a single one where they do not separate.

    Spectral: the largest eigengap suggests their number. Hdbscan: its own on the leading principal
    components. Either may cut through one cloud, so clusters that do not separate are joined
    again: see :func:`is_one_cloud`.
    """
    # A cluster of fewer maps than a map has neighbours would be linked to the others.
    neighbours = max(2, min(settings.neighbours, len(points) // _NEIGHBOURS_PER))
    # On matrices this small threads make it slower, above all where other processes use the cores.
    with threadpool_limits(1):
        graph = neighbour_graph(points, neighbours)
        if settings.algorithm == SPECTRAL:
            found = spectrum(graph, settings.max_clusters + 1)
            gaps = found.gaps()[: settings.max_clusters]
            suggested = int(gaps.argmax()) + 1
            labels, gap = groups(found, suggested, seed=seed), float(gaps[suggested - 1])
        else:
            labels, gap = _dense(points, neighbours), float("nan")
        return Clustering(_by_size(_separated(points, labels, graph, seed=seed)), gap)


def stability(
    points: NDArray[np.floating],
    labels: NDArray[np.intp],
    *,
    settings: DiscoverSettings,
    seed: int,
) -> float:
    """Mean adjusted Rand index, 0..1, of ten clusterings of 80 % of ``points`` with ``labels``.

    Source: Hubert and Arabie 1985, Comparing partitions, Journal of Classification 2.
    """
    rng = np.random.default_rng(seed)
    size = max(2, round(_SUBSAMPLE * len(points)))
    found = []
    for number in range(_SUBSAMPLES):
        chosen = np.sort(rng.choice(len(points), size, replace=False))
        again = clustered(points[chosen], settings=settings, seed=seed + number)
        found.append(adjusted_rand_score(labels[chosen], again.labels))
    return max(0.0, float(np.mean(found)))


def _dense(points: NDArray[np.floating], neighbours: int) -> NDArray[np.intp]:
    """Labels (n,) of HDBSCAN, ``NOISE`` between clusters; one cluster where all is noise."""
    centred = points.astype(np.float64) - points.mean(0, dtype=np.float64)
    places, scale, _ = np.linalg.svd(centred, full_matrices=False)
    held = np.cumsum(scale**2)
    kept = min(1 + int(np.searchsorted(held, _VARIANCE * held[-1])), _MOST_COMPONENTS)
    scan = HDBSCAN(min_cluster_size=neighbours, min_samples=max(1, neighbours // 2), copy=True)
    labels: NDArray[np.intp] = scan.fit_predict((places * scale)[:, :kept]).astype(np.intp)
    return labels if (labels != NOISE).any() else np.zeros_like(labels)


def _separated(
    points: NDArray[np.floating], labels: NDArray[np.intp], graph: csr_matrix, *, seed: int
) -> NDArray[np.intp]:
    """``labels`` with clusters joined that are one cloud, directly or through others.

    Noise between two clusters is assigned to the nearer one: dense cores alone always separate.
    """
    names = np.unique(labels[labels != NOISE])
    means = np.stack([points[labels == name].mean(0) for name in names])
    nearest = names[((points[:, None] - means) ** 2).sum(2).argmin(1)]
    near = np.where(labels == NOISE, nearest, labels)
    joined = [
        pair
        for pair in combinations(range(len(names)), 2)
        if is_one_cloud(points, graph, *(near == names[side] for side in pair), seed=seed)
    ]
    ends = np.array(joined, np.intp).reshape(-1, 2).T
    links = coo_matrix((np.ones(len(joined)), (ends[0], ends[1])), shape=(len(names),) * 2)
    _, group = connected_components(links, directed=False)
    result = np.full_like(labels, NOISE)
    for name, number in zip(names, group, strict=True):
        result[labels == name] = number
    return result


def _by_size(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """``labels`` renumbered, the largest cluster 0; of equals the one that comes first."""
    names, first, sizes = np.unique(labels[labels != NOISE], return_index=True, return_counts=True)
    order = names[np.lexsort((first, -sizes))]
    result = np.full_like(labels, NOISE)
    for number, name in enumerate(order):
        result[labels == name] = number
    return result


@dataclass(frozen=True)
class Spectrum:
    """The smooth end of a graph's normalised Laplacian.

    Attributes:
        values: (m,) the smallest eigenvalues, ascending, 0..2.
        vectors: (n, m) their eigenvectors over the square root of the degree, which are constant
            on each component of the graph.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]

    def gaps(self) -> NDArray[np.float64]:
        """(m - 1,) differences of successive eigenvalues; a large entry K-1 suggests K clusters."""
        return np.diff(self.values)


def neighbour_graph(points: NDArray[np.floating], neighbours: int) -> sp.csr_matrix:
    """The graph (n, n) of 0 and 1: an edge where either point is a nearest neighbour of the other.

    Args:
        points: (n, D), n >= 2; distances are Euclidean.
        neighbours: of each point, n - 1 at most.
    """
    one_way = kneighbors_graph(points, min(neighbours, len(points) - 1), include_self=False)
    return sp.csr_matrix(one_way.maximum(one_way.T))


def spectrum(graph: sp.csr_matrix, count: int) -> Spectrum:
    """The ``count`` smallest eigenpairs of the graph's I - D^-1/2 A D^-1/2, n at most.

    Args:
        graph: (n, n) symmetric, every degree positive.
        count: eigenpairs.
    """
    size = graph.shape[0]
    count = min(count, size)
    smooth, root = laplacian(graph, normed=True, return_diag=True)
    if size <= _DENSE or count >= size:
        values, vectors = eigh(smooth.toarray(), subset_by_index=(0, count - 1), driver="evr")
    else:
        # The largest eigenvalues of D^-1/2 A D^-1/2 belong to the smallest wanted, and Lanczos
        # finds them fast. The start vector is given: SciPy would draw it from a global generator.
        start = np.random.default_rng(0).standard_normal(size)
        largest, vectors = eigsh(sp.identity(size) - smooth, k=count, which="LA", v0=start)
        values, vectors = 1 - largest[::-1], vectors[:, ::-1]
    return Spectrum(values.clip(min=0), vectors / root[:, None])


def groups(found: Spectrum, count: int, *, seed: int) -> NDArray[np.intp]:
    """Labels (n,) of k-means on the ``count`` smoothest eigenvectors (Shi and Malik 2000)."""
    if count == 1:
        return np.zeros(len(found.vectors), np.intp)
    places = found.vectors[:, :count]
    # Maps that are equal share a place: k-means cannot find more groups than there are places.
    count = min(count, len(np.unique(places.round(12), axis=0)))
    means = KMeans(count, n_init=_STARTS, random_state=seed)
    labels: NDArray[np.intp] = means.fit_predict(places).astype(np.intp)
    return labels
