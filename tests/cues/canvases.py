"""Canvases drawn by code: textured photos with an object whose shape and size we choose."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from xai_audit.types import Canvas, ImageRecord, Preprocess

PREPROCESS = Preprocess(resize=64, crop=(56, 56))


def canvas(photo, object=None, *, stored=None, class_name="a", image_id="a/0.png", **preprocess):
    """A Canvas of ``photo`` (3, h, w) or (h, w, 3) numpy, ``object`` (h, w) bool or None."""
    pixels = torch.as_tensor(np.ascontiguousarray(photo), dtype=torch.uint8)
    if pixels.shape[0] != 3:
        pixels = pixels.permute(2, 0, 1).contiguous()
    height, width = stored or pixels.shape[1:]
    record = ImageRecord(image_id, image_id, class_name, 0, int(height), int(width))
    chosen = Preprocess(**preprocess) if preprocess else PREPROCESS
    mask = None if object is None else torch.as_tensor(np.asarray(object), dtype=torch.uint8) * 255
    return Canvas(record, pixels, mask, chosen)


def texture(rng, size, *, sides=(4, 12, 40), colour=None):
    """A stationary random texture (3, h, w) uint8 of several scales about a colour of its own."""
    colour = rng.uniform(70, 180, 3) if colour is None else np.array(colour, float)
    out = np.repeat(colour[:, None, None], size[0], 1).repeat(size[1], 2)
    for side in sides:
        cells = rng.normal(0, 1, (1, 3, size[0] // side + 4, size[1] // side + 4))
        field = F.interpolate(torch.from_numpy(cells), scale_factor=side, mode="bicubic")[0]
        # Cut from the middle, at any phase: the same everywhere.
        top, left = rng.integers(side, 2 * side, 2)
        field = field.numpy()[:, top : top + size[0], left : left + size[1]]
        out += field * rng.uniform(8, 20)
    return (out + rng.normal(0, rng.uniform(3, 10), out.shape)).clip(0, 255).astype(np.uint8)


def shape(size, kind, *, radius, centre=(0.5, 0.5)):
    """A disc, square, star or ring (h, w) bool; ``radius`` as a share of the shorter side."""
    y, x = np.mgrid[: size[0], : size[1]]
    y, x = y - size[0] * centre[0], x - size[1] * centre[1]
    length = radius * min(size)
    if kind == "square":
        return (abs(y) < length) & (abs(x) < length)
    distance = np.hypot(y, x)
    if kind == "star":
        length = length * (0.7 + 0.5 * np.cos(5 * np.arctan2(y, x)))
    return distance < length


def painted(rng, size, inside, *, colour=(210, 60, 140), **options):
    """(photo, mask): a texture with an object of ``colour`` and a little noise in it."""
    photo = texture(rng, size, **options)
    noise = rng.normal(0, 12, photo.shape)
    body = (np.array(colour)[:, None, None] + noise).clip(0, 255).astype(np.uint8)
    return np.where(inside, body, photo), inside


def auroc(features, labels, *, folds=5, seed=0):
    """Cross-validated AUROC of a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, features, labels, cv=split, method="decision_function")
    return roc_auc_score(labels, scores)
