"""Populations of paired differences as transplants give them: mostly nothing, and a few large."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def softmaxed(mean, effect, spread):
    """Differences of probabilities as a network gives them: sure of most photos, not of all."""

    def draw(rng, shape):
        logit = rng.normal(mean, 2, shape)
        return expit(logit) - expit(logit - rng.normal(effect, spread, shape))

    return draw


def mostly_noise(share):
    def draw(rng, shape):
        large = rng.uniform(0.3, 1, shape)
        return np.where(rng.random(shape) < share, large, rng.normal(0, 0.01, shape))

    return draw


def bimodal(share):
    return lambda rng, shape: np.clip(
        (rng.random(shape) < share) + rng.normal(0, 0.01, shape), 0, 1
    )


KINDS = {
    "unsure, no effect": softmaxed(1, 0, 0.5),
    "unsure, noisy": softmaxed(1, 0, 2),
    "sure, small effect": softmaxed(5, 1, 0.5),
    "sure, medium effect": softmaxed(3, 3, 2),
    "large effect": softmaxed(5, 6, 2),
    "near constant": lambda rng, shape: np.minimum(rng.normal(0.9, 0.05, shape), 1),
    "some large": mostly_noise(0.2),
    "many large": mostly_noise(0.4),
    "bimodal": bimodal(0.5),
    "bimodal, mostly 1": bimodal(0.8),
}
