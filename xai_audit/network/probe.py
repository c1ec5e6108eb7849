"""One image of noise: how many channels a model takes, and whether it changes what it gets."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from xai_audit.types import Preprocess

log = logging.getLogger(__name__)


def probe_of(preprocess: Preprocess, device: str) -> torch.Tensor:
    """One image (1, C, H, W) of noise, always the same."""
    generator = torch.Generator().manual_seed(0)
    size = (1, len(preprocess.mean), *preprocess.crop)
    image = torch.randn(size, generator=generator)
    return image.to(device).contiguous(memory_format=torch.channels_last)


def by_channel(module: nn.Module, preprocess: Preprocess, device: str) -> Preprocess:
    """The transform, its one mean and std for each of three channels where the model takes three.

    Of one number a model of photos' luma is meant, or any: only its forward tells.
    """
    if len(preprocess.mean) != 1:
        return preprocess
    colour = replace(preprocess, mean=preprocess.mean * 3, std=preprocess.std * 3)
    for choice in (preprocess, colour):
        try:
            with torch.no_grad():
                module(probe_of(choice, device))
        except Exception as exc:  # noqa: BLE001 - what fails is an error where the model is traced
            log.debug("no input of %d channels: %s", len(choice.mean), exc)
            continue
        if choice is colour:
            log.info("model.preprocess.mean and std: the one number is for each of three channels")
        return choice
    return preprocess


def shield(module: nn.Module, probe: torch.Tensor) -> object:
    """The output of ``module``, given a copy of its images from now on if it changes them in place.

    The images are used again.
    """
    given = probe.clone()
    before = given._version
    with torch.no_grad():
        output: object = module(given)
    if given._version != before:
        module.register_forward_pre_hook(_with_a_copy)
    return output


def _with_a_copy(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    images, *rest = inputs
    return images.clone(), *rest
