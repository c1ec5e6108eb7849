"""Layer-wise relevance propagation, by zennit's composites.

Source: Bach et al. 2015; Montavon et al. 2019, section 10.3, for which rule goes where; zennit
(Anders et al. 2021). Extra ``lrp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from xai_audit.errors import ConfigError, ModelError
from xai_audit.methods._limits import one_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from types import ModuleType

    from xai_audit.types import Request

# Of the largest logit; half precision rounds by less.
_TOLERANCE = 0.02
# zennit's names of its composites; each puts rules on the layers by their kind.
COMPOSITES = {
    "epsilon_plus_flat": "EpsilonPlusFlat",
    "epsilon_plus": "EpsilonPlus",
    "epsilon_alpha2_beta1_flat": "EpsilonAlpha2Beta1Flat",
    "epsilon_alpha2_beta1": "EpsilonAlpha2Beta1",
}


class Lrp:
    """LRP, channels summed.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        composite: of COMPOSITES.
    """

    def __init__(self, *, name: str, sign: str, composite: str) -> None:
        self.name, self.sign = name, sign
        self._composite = one_of(name, "composite", composite, COMPOSITES)
        _zennit()  # an error before the model loads

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        zennit, module = _zennit(), request.model.module
        make = getattr(zennit.composites, COMPOSITES[self._composite])
        composite: Any = make(canonizers=[_canonizer(zennit, module)])
        images = request.images.detach().requires_grad_()
        # Before the rules are applied: predictions are those of the model itself.
        logits_before, targets = request.logits, request.targets
        maps = []
        with composite.context(module) as rewired, torch.enable_grad():
            for target in targets:
                logits = rewired(images)
                _check_same(logits.detach(), logits_before)
                score = target.score(logits)
                # Relevance starts as the explained logit itself, a margin's as both, signed.
                start = torch.autograd.grad(score.sum(), logits, retain_graph=True)[0]
                found = torch.autograd.grad(logits, images, start * logits.detach())[0]
                maps.append(found.detach().float().sum(1))
        return Attribution(torch.stack(maps, 1))


def _check_same(rewired: torch.Tensor, plain: torch.Tensor) -> None:
    """Raise ModelError where the canonizer has changed the model's outputs."""
    limit = _TOLERANCE * float(plain.abs().max())
    if not float((rewired - plain).abs().max()) <= limit:  # NaN is refused, too
        raise ModelError(
            "zennit's rules do not fit this model: its outputs changed",
            where="method=lrp",
            expected="a chain of layers, or a ResNet or VGG of torchvision",
            remedy="method=deeplift or method=gradcam",
        )


def _canonizer(zennit: ModuleType, module: torch.nn.Module) -> Any:  # noqa: ANN401 - untyped
    """The canonizer of the model's family: sums become modules, batch norms are folded."""
    family = type(module).__name__
    canonizers = {"ResNet": "ResNetCanonizer", "VGG": "VGGCanonizer"}
    if family in canonizers:
        return getattr(zennit.torchvision, canonizers[family])()
    return zennit.canonizers.SequentialMergeBatchNorm()


def _zennit() -> ModuleType:
    try:
        import zennit
        import zennit.canonizers
        import zennit.composites
        import zennit.torchvision
    except ImportError as exc:
        raise ConfigError(
            "zennit is not installed",
            where="method=lrp",
            remedy="pip install 'xai-audit[lrp]'",
        ) from exc
    package: ModuleType = zennit
    return package
