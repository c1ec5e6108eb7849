"""A picture with the words about it, as a notebook shows it and as a file or a terminal does."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_GAP = 6  # px between pictures
_GROUND = (255, 255, 255)


@dataclass(frozen=True)
class Shown:
    """A picture and what is known about it; the last value of a notebook's cell is displayed.

    Attributes:
        title: in one line.
        image: pillow's; ``image.save("x.png")`` writes it.
        rows: name -> value, in words.
        labels: under the picture's panels, from left to right; the same for each row of panels.
    """

    title: str
    image: Image.Image = field(repr=False)
    rows: Mapping[str, str]
    labels: tuple[str, ...] = ()

    def save(self, path: Path | str) -> None:
        """Write the picture; the name's ending says in which format."""
        self.image.save(path)

    def __str__(self) -> str:
        """The words alone."""
        return "\n".join([self.title, *(f"  {name}: {value}" for name, value in self.rows.items())])

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.image.save(file, format="PNG")
        return file.getvalue()

    def _repr_html_(self) -> str:
        from xai_audit.report.templating import environment

        template = environment().get_template("shown.html.j2")
        picture = base64.b64encode(self._repr_png_()).decode()
        width = self.image.width // max(len(self.labels), 1)
        return template.render(shown=self, picture=picture, width=width)


def side_by_side(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Rows of pictures on white, each row's beside one another."""
    heights = [max(image.height for image in row) for row in rows]
    widths = [sum(image.width for image in row) + _GAP * (len(row) - 1) for row in rows]
    whole = Image.new("RGB", (max(widths), sum(heights) + _GAP * (len(rows) - 1)), _GROUND)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for image in row:
            whole.paste(image, (left, top))
            left += image.width + _GAP
        top += height + _GAP
    return whole
