"""A SqueezeNet 1.0 with ImageNet's weights, its last blocks trained on a scenario's photos.

The first blocks stay as they are, so their outputs are computed once a photo.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.models import squeezenet1_0

from tests.bench.planted.scenario import SIDES, SQUEEZENET

SIDE = SIDES[SQUEEZENET]
# features[:_FROZEN] stay; the last fire module and the classifier learn.
_FROZEN = 12
# SqueezeNet ends with a ReLU: an output below 0 for all photos would never learn.
_BIAS = 3.0
# SqueezeNet's last activations are large: with a higher rate the outputs jump, and one dies.
_BATCH, _RATE, _RATE_OUT = 16, 3e-4, 1e-3
_ATTEMPTS, _NEXT_SEED = 4, 10_000


def network(outputs: int) -> nn.Module:
    """The architecture that the audit builds again."""
    return squeezenet1_0(num_classes=outputs)


def view(photos: list[np.ndarray], side: int = SIDE) -> torch.Tensor:
    """(B, 3, side, side) as the audit's eval transform makes it: squashed to the whole input."""
    squashed = [Image.fromarray(photo).resize((side, side), Image.BILINEAR) for photo in photos]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in squashed]))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def trained(
    weights: dict[str, torch.Tensor],
    photos: list[np.ndarray],
    labels: list[int],
    *,
    seed: int,
    epochs: int,
) -> nn.Module:
    """The network, in eval mode, after the last blocks have learned ``labels`` 0 to K - 1.

    Raises:
        RuntimeError: some output is right for none of its photos, whatever the initial values.
    """
    wanted = torch.tensor(labels)
    frozen = _fresh(weights, max(labels) + 1).features[:_FROZEN]
    with torch.no_grad():
        stems = torch.cat([frozen(view(photos[i : i + 16])) for i in range(0, len(photos), 16)])
    for attempt in range(_ATTEMPTS):
        torch.manual_seed(seed + _NEXT_SEED * attempt)
        model = _fresh(weights, max(labels) + 1)
        _learn(model, stems, wanted, seed=seed + _NEXT_SEED * attempt, epochs=epochs)
        with torch.no_grad():
            logits = model.classifier(model.features[_FROZEN:](stems)).flatten(1)
        if len(wanted[logits.argmax(1) == wanted].unique()) == max(labels) + 1:
            return model
    raise RuntimeError(f"an output stayed dead in {_ATTEMPTS} trainings")


def _fresh(weights: dict[str, torch.Tensor], outputs: int) -> nn.Module:
    model = network(outputs)
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier.1")}
    model.load_state_dict(kept, strict=False)
    nn.init.constant_(model.classifier[1].bias, _BIAS)
    return model.eval()


def _learn(
    model: nn.Module, stems: torch.Tensor, wanted: torch.Tensor, *, seed: int, epochs: int
) -> None:
    learning = model.features[_FROZEN:]
    optimiser = torch.optim.AdamW(
        [
            {"params": learning.parameters(), "lr": _RATE},
            {"params": model.classifier.parameters(), "lr": _RATE_OUT},
        ],
        weight_decay=1e-3,
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(stems), generator=generator).split(_BATCH):
            logits = model.classifier(learning(stems[batch])).flatten(1)
            loss = nn.functional.cross_entropy(logits, wanted[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def predicted(model: nn.Module, photos: list[np.ndarray], side: int = SIDE) -> np.ndarray:
    """Predicted outputs (B,)."""
    with torch.no_grad():
        found = [model(view(photos[i : i + 16], side)).argmax(1) for i in range(0, len(photos), 16)]
    return torch.cat(found).numpy()
