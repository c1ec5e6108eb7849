"""Spectral clustering as in SpRAy: kNN graph, normalised Laplacian, eigengap, k-means.

Sources: Lapuschkin et al. 2019, Nature Communications 10:1096; von Luxburg 2007, A tutorial on
spectral clustering, Statistics and Computing 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Up to here a dense solver is faster than Lanczos.
_DENSE = 400
_STARTS = 10


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
