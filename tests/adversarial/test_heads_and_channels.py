"""Models of one logit and of one channel are attacked in the photo's own pixels."""

from __future__ import annotations

import torch

from xai_audit.adversarial.decision import Decision
from xai_audit.adversarial.rows import Outcome, adversarial_rows
from xai_audit.network.prepare import prepare
from xai_audit.schema import ATTACKS, REGIONS
from xai_audit.types import ImageRecord, ModelSpec, Preprocess
from xai_audit.vision.loader import Batch


class Grey(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.see, self.say = torch.nn.Conv2d(1, 2, 1), torch.nn.Linear(2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.say(torch.relu(self.see(images)).mean((2, 3)))


def test_the_slope_is_by_the_three_channels_of_the_photo():
    torch.manual_seed(0)
    preprocess = Preprocess(resize=16, crop=(16, 16), mean=(0.4,), std=(0.2,))
    model = prepare(ModelSpec(Grey(), preprocess, "net"), device="cpu")
    decision = Decision(model, lambda: None)
    pixels = 255 * torch.rand(2, 3, 16, 16)
    kept = decision.logits(pixels).argmax(1)
    margin, gradient = decision.slope(pixels, kept)
    assert gradient.shape == pixels.shape
    # By luma: green weighs more than red, red more than blue (ITU-R BT.601).
    red, green, blue = gradient.abs().sum((0, 2, 3)).tolist()
    assert abs(green / red - 0.587 / 0.299) < 0.05
    assert abs(red / blue - 0.299 / 0.114) < 0.05
    assert bool((margin >= 0).all())


def test_the_root_mean_square_is_over_the_photo_and_not_what_the_crop_pads():
    """A photo of a quarter of the view: its change is told as that of its own pixels."""
    change = torch.zeros(1, 3, 8, 8)
    change[:, :, 2:6, 2:6] = 3
    record = ImageRecord("a.jpg", "a.jpg", "a", 0, 4, 4)
    batch = Batch([record], None, None, ["none"], {})
    outcome = Outcome(["ok"], change, torch.tensor([1]), torch.tensor([0.25]))
    nowhere = (
        torch.full((1, len(REGIONS), 8, 8), torch.nan),
        torch.full((1, len(REGIONS)), torch.nan),
    )
    rows = adversarial_rows(batch, [0], dict.fromkeys(ATTACKS, outcome), nowhere)
    assert rows.column("rms").to_pylist() == [3.0] * len(ATTACKS)
