"""Whether two clusters are separate, or the halves of one cloud that was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

_CELLS = 256
_BISECTIONS = 14
_RESAMPLES = 100
_ALPHA = 0.05
_LEAST = 5


def is_one_cloud(
    points: NDArray[np.floating],
    graph: csr_matrix,
    one: NDArray[np.bool_],
    other: NDArray[np.bool_],
    *,
    seed: int,
) -> bool:
    """Whether two clusters are the halves of one cloud: the density does not fall between them.

    Cutting a single cloud in two gives two clusters as well, whatever its shape. Two separate
    clusters have few edges between them, and a valley of density on the line between their means.
    Edges alone would find two clusters in a thread, the line alone in a bent cloud. Very few points
    are no cluster.

    Args:
        points: (n, D) of all clusters.
        graph: (n, n) of nearest neighbours, 0 and 1.
        one: (n,) the members of one cluster.
        other: (n,) the members of the other.
        seed: of the test's resamples.
    """
    if min(one.sum(), other.sum()) < _LEAST:
        return True
    if crossing(graph, one, other) > _crossing_of_a_cut(int((one | other).sum()), graph) / 2:
        return True
    return not has_two_modes(_on_the_line(points[one], points[other]), seed=seed)


def crossing(graph: csr_matrix, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The share, 0..1, of the edges of the cluster with fewer of them that lead to the other.

    Source: the conductance of a cut, von Luxburg 2007, within the two clusters.
    """
    between = float(graph[one][:, other].sum())
    inside = min(float(graph[side][:, side].sum()) for side in (one, other))
    return between / (between + inside) if between else 0.0


def _crossing_of_a_cut(size: int, graph: csr_matrix) -> float:
    """About the :func:`crossing` of a plane cloud of ``size`` points that is cut in the middle.

    The number of edges across a cut grows with the points near it, those within sqrt(degree / size)
    of the cloud's width. The factor is from simulation: 20 clouds each of 30, 100 and 400 points
    (Gaussian in two dimensions, or blobs that move about a 7x7 grid) have a crossing of .23, .10
    and .05 with ten neighbours.
    """
    degree = graph.sum() / graph.shape[0]
    return 0.29 * float(np.sqrt(degree / size))


def _on_the_line(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """The position of each point between the means: -1/2 at its own, 1/2 at the other.

    Each point is left out of its own cluster's mean: otherwise, with few points in many
    dimensions, every mean is biased to its own points and a valley appears in pure noise.
    """
    found = []
    for sign, own, far in ((-1.0, one, other), (1.0, other, one)):
        left_out = (own.sum(0) - own) / (len(own) - 1)
        line = far.mean(0) - left_out
        middle = (far.mean(0) + left_out) / 2
        length = np.maximum((line**2).sum(1), np.finfo(np.float64).tiny)
        found.append(-sign * ((own - middle) * line).sum(1) / length)
    return np.concatenate(found)


def has_two_modes(values: NDArray[np.floating], *, seed: int) -> bool:
    """Whether ``values`` (n,) have more than one mode, at p < .05.

    The least bandwidth that smooths the density to one mode is large where there are two; samples
    drawn from that smoothed density show how large it is by chance. Source: Silverman 1981, Using
    kernel density estimates to investigate multimodality, JRSS B 43.
    """
    spread = float(values.std())
    if not spread > 0:
        return False
    standard = (values - values.mean()) / spread
    width = _critical_width(standard)
    rng = np.random.default_rng(seed)
    larger = 0
    for _ in range(_RESAMPLES):
        noise = width * rng.standard_normal(len(standard))
        # Smoothing widened the spread, which would make two modes look rarer than they are.
        drawn = (rng.choice(standard, len(standard)) + noise) / np.sqrt(1 + width**2)
        larger += _modes(drawn, width) > 1
        if larger >= _ALPHA * _RESAMPLES:
            return False
    return True


def _critical_width(values: NDArray[np.floating]) -> float:
    """The least bandwidth with one mode; the number of modes falls with the bandwidth."""
    low, high = 0.0, 2.0
    for _ in range(_BISECTIONS):
        width = (low + high) / 2
        if _modes(values, width) > 1:
            low = width
        else:
            high = width
    return high


def _modes(values: NDArray[np.floating], width: float) -> int:
    """How many modes a Gaussian kernel density of ``values`` has."""
    edges = np.linspace(values.min() - 1, values.max() + 1, _CELLS + 1)
    counts, _ = np.histogram(values, edges)
    step = edges[1] - edges[0]
    reach = np.arange(-_CELLS, _CELLS + 1) * step
    density = np.convolve(counts, np.exp(-((reach / width) ** 2) / 2))[_CELLS : 2 * _CELLS]
    slope = np.sign(np.diff(density))
    slope = slope[slope != 0]
    return int(((slope[:-1] > 0) & (slope[1:] < 0)).sum())
