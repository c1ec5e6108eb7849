"""The picture of a photo as the model saw it with the cue of a donor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_audit.report.picture import DRAWING, Picture, digest
from xai_audit.run.paths import safe_name
from xai_audit.vision.geometry import view

if TYPE_CHECKING:
    from xai_audit.report.picture import Photo
    from xai_audit.types import Preprocess

# The ends of a pair, as TRANSPLANTS has them.
WITH, WITHOUT = "with", "without"


@dataclass(frozen=True)
class Transplanted:
    """The model's view of a photo as it is, or with the cue of a donor.

    Attributes:
        photo: that is changed.
        donor_with: of the cue of the cell's class.
        donor_without: of that of another class.
        preprocess: of the model.
        class_name: of the cell.
        cue: of the cell.
        question: that the pair was measured for.
        end: which donor's cue it has; empty: its own.
        masks: fingerprint of the masks.
        region: a hash of the cue's region where that was discovered.
    """

    photo: Photo
    donor_with: Photo
    donor_without: Photo
    preprocess: Preprocess
    class_name: str
    cue: str
    question: str
    end: str = ""
    masks: str | None = None
    region: str = ""

    @property
    def pair(self) -> dict[str, str]:
        """What identifies the pair in TRANSPLANTS."""
        return {
            "class_name": self.class_name,
            "cue": self.cue,
            "question": self.question,
            "image_id": self.photo.image_id,
            "donor_with": self.donor_with.image_id,
            "donor_without": self.donor_without.image_id,
        }


def view_picture(folder: str, motif: Transplanted, end: str) -> Picture:
    """The picture in ``folder`` of the model's view, with the cue of one end of the pair."""
    motif, photo = replace(motif, end=end), motif.photo
    height, width = view((photo.height, photo.width), motif.preprocess).crop
    name = safe_name(f"{motif.class_name} {motif.cue} {end or 'as it is'}")[:60]
    file = f"{folder}/{name}-{digest(DRAWING, motif)}.jpg"
    return Picture(file, photo.class_name, width, height, motif)
