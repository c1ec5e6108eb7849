"""The images that are compared: a bounded draw per class, whatever the parts and their order."""

from __future__ import annotations

from xai_audit.run.paths import RunPaths
from xai_audit.run.sample import per_class
from xai_audit.run.scan import scan
from xai_audit.schema import SCORES


def drawn(paths: RunPaths, *, images: int, seed: int) -> frozenset[str]:
    """Ids of at most ``images`` scored images a class, drawn by ``seed`` and image id.

    Args:
        paths: of the run.
        images: a class.
        seed: draws the same images as discovery.

    Raises:
        OutputError: a part cannot be read.
    """
    frames = scan(RunPaths.parts(paths.scores), SCORES, ["image_id", "class_name"])
    return frozenset(per_class(frames, images, seed)["image_id"])
