"""A cue of the tests: the left half of the photo."""

from __future__ import annotations

import torch


class LeftHalf:
    needs_mask = False

    def __init__(self, *, name: str = "left_half", way: str = "both") -> None:
        self.name, self.way = name, way

    def region(self, canvas):
        region = torch.zeros(canvas.photo.shape[1:])
        region[:, : region.shape[1] // 2] = 1
        return region

    def descriptors(self, canvas):
        half = canvas.photo[:, :, : canvas.photo.shape[2] // 2].float()
        return torch.cat([half.mean((1, 2)), half.std((1, 2))]).numpy()

    def level(self, canvas):
        return float(canvas.photo.float().mean())

    def transplant(self, canvas, donor):
        photo = canvas.photo.clone()
        height, width = photo.shape[1:]
        half = torch.nn.functional.interpolate(donor.photo[None].float(), (height, width))[0]
        photo[:, :, : width // 2] = half[:, :, : width // 2].round().to(torch.uint8)
        return photo


class Broken(LeftHalf):
    def transplant(self, canvas, donor):
        raise ZeroDivisionError("the user's own mistake")


class Grey(LeftHalf):
    def transplant(self, canvas, donor):
        return canvas.photo[0]


class Picky(LeftHalf):
    """Fails on the first photo of every class, whose name ends in 00."""

    def transplant(self, canvas, donor):
        if canvas.record.image_id.partition(".")[0].endswith("00"):
            raise ValueError(f"not this photo <object at {id(canvas):#x}>\nand more")
        return super().transplant(canvas, donor)


class Choosy(LeftHalf):
    """A property that can be read in wide photos only."""

    def region(self, canvas):
        return None

    def descriptors(self, canvas):
        if canvas.record.width <= canvas.record.height:
            raise ValueError("too narrow")
        return super().descriptors(canvas)
