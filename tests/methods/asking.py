"""A model asked about some images, as the worker does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import OmegaConf

from tests import tiny
from xai_audit.attribute.request import CachedRequest, MethodServices
from xai_audit.attribute.targets import make_targets
from xai_audit.config.build import build
from xai_audit.network.prepare import prepare
from xai_audit.types import Attribution, LoadedModel, ModelSpec, Preprocess

CONF = tiny.REPO / "conf" / "method"
METHODS = sorted(path.stem for path in CONF.glob("*.yaml"))


def method(name: str, **keys: object):
    """The method of a YAML file, some of its keys changed."""
    node = OmegaConf.merge(OmegaConf.load(Path(CONF / f"{name}.yaml")), keys)
    return build("method", OmegaConf.to_container(node, resolve=True))


def name_of(name: str) -> str:
    """What a YAML file calls its method: its own name, with Captum's class where it is one."""
    return OmegaConf.load(CONF / f"{name}.yaml").name


def loaded(module: torch.nn.Module, side: int, layer: str | None = None) -> LoadedModel:
    spec = ModelSpec(module, Preprocess(resize=side, crop=(side, side)), "net", layer)
    return prepare(spec, device="cpu")


def request(
    model: LoadedModel,
    images: torch.Tensor,
    labels: torch.Tensor,
    kinds: Sequence[str] = ("label",),
    *,
    ids: Sequence[str] | None = None,
    max_batch: int = 8,
) -> CachedRequest:
    names = list(ids or [f"{i}.jpg" for i in range(len(images))])
    return CachedRequest(
        model,
        images,
        lambda logits: make_targets(kinds, logits, labels, single=model.single_logit),
        image_ids=names,
        max_batch=max_batch,
        services=MethodServices(references=lambda: (names, images)),
    )


def maps(name: str, question: CachedRequest, **keys: object) -> torch.Tensor:
    """(B, T, h, w) of a method."""
    return attribution(name, question, **keys).maps


def attribution(name: str, question: CachedRequest, **keys: object) -> Attribution:
    return method(name, **keys).attribute(question)


def cosines(mine: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """(B,) of maps (B, ...), where theirs is not all 0."""
    mine, theirs = mine.flatten(1).double(), theirs.flatten(1).double()
    some = theirs.abs().amax(1) > 0
    assert bool(some.any())
    return torch.nn.functional.cosine_similarity(mine[some], theirs[some])
