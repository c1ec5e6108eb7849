"""Every check once more, one image and one pixel at a time, in float64."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import spearmanr

from xai_audit.run.sample import rng_of


def probability(model, image: np.ndarray, output: int) -> float:
    with torch.no_grad():
        logits = model.module(torch.from_numpy(image)[None].float())[0].double()
    return float(torch.softmax(logits, 0)[output])


def area(model, output: int, places: np.ndarray, below: np.ndarray, above: np.ndarray, steps: int):
    """Trapezoids under the curve on which pixels of ``below`` come first."""
    values = []
    for step in range(steps + 1):
        count = round(step * places.size / steps)
        image = above.copy()
        for y, x in np.ndindex(places.shape):
            if places[y, x] < count:
                image[:, y, x] = below[:, y, x]
        values.append(probability(model, image, output))
    return sum((a + b) / 2 / steps for a, b in zip(values, values[1:], strict=False))


def imputed(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Without noise, by a dense system."""
    where = [tuple(place) for place in np.argwhere(removed)]
    system, known = np.zeros((len(where), len(where))), np.zeros((len(where), len(image)))
    for row, (y, x) in enumerate(where):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                near = (y + dy, x + dx)
                inside = 0 <= near[0] < removed.shape[0] and 0 <= near[1] < removed.shape[1]
                if (dy, dx) == (0, 0) or not inside:
                    continue
                weight = 1 / 12 if dy and dx else 1 / 6
                system[row, row] += weight
                if removed[near]:
                    system[row, where.index(near)] -= weight
                else:
                    known[row] += weight * image[:, near[0], near[1]]
    found = image.astype(np.float64)
    for (y, x), value in zip(where, np.linalg.solve(system, known), strict=True):
        found[:, y, x] = value
    return found


def road(model, image, image_id: str, output: int, places: np.ndarray, seed: int) -> float:
    gaps = []
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        count, left = round(share * places.size), {}
        for most in (0, 1):
            removed = places < count if most else places >= places.size - count
            filled = imputed(image, removed)
            rng = rng_of(seed, image_id, "road", share, most)
            filled[:, removed] += 0.01 * rng.standard_normal((len(image), count))
            left[most] = probability(model, filled, output)
        gaps.append((left[0] - left[1]) / 2)
    return float(np.mean(gaps))


def infidelity(
    score, image: np.ndarray, pixels: np.ndarray, squares: list[tuple[int, int, int]]
) -> float:
    """By least squares over b >= 0 on a fine grid, closed by its neighbourhood's parabola."""
    before, sums, falls = score(image), [], []
    for y, x, side in squares:
        changed = image.copy()
        changed[:, y : y + side, x : x + side] = 0
        sums.append(pixels[y : y + side, x : x + side].sum())
        falls.append(before - score(changed))
    a, d = np.array(sums), np.array(falls)
    best = max(np.linalg.lstsq(a[:, None], d, rcond=None)[0][0], 0.0)
    return float(((best * a - d) ** 2).mean() / (d**2).mean())


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one.ravel(), other.ravel()).statistic)
