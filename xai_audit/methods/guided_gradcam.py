"""Guided Grad-CAM: guided backpropagation where Grad-CAM says the class is.

Source: Selvaraju et al. 2017, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.methods._guided import guided
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class GuidedGradCam:
    """Guided Grad-CAM, channels summed.

    Attributes:
        name: of the method.
        sign: ``positive`` or ``absolute``.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        features = request.features(request.model.target_layer)
        activations = features.activations.float()
        weights = [gradient.float().mean((2, 3)) for gradient in features.gradients]
        cams = torch.stack([torch.einsum("bc,bchw->bhw", w, activations) for w in weights], 1)
        size = request.images.shape[2:]
        up = F.interpolate(cams.clamp(min=0), size, mode="bilinear", align_corners=False)
        return Attribution(guided(request, self.name).sum(2) * up)
