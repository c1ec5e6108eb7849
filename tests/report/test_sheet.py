from __future__ import annotations

import pytest
from PIL import Image

from xai_audit.report.caption import Caption
from xai_audit.report.sheet import Thumbnail, contact_sheet, thumbnail


def test_cells_lie_where_the_thumbnails_were_pasted():
    caption = Caption("c", "c", 1.0, True)
    thumbs = [
        Thumbnail(Image.new("RGB", (40, 40), (255, 0, 10 * i)), caption, "") for i in range(8)
    ]
    sheet, cells = contact_sheet(thumbs, 40)
    for i, cell in enumerate(cells):
        left, top = cell.left * sheet.width / 100, cell.top * sheet.height / 100
        inside = sheet.getpixel((round(left) + 20, round(top) + 20))
        assert inside == (255, 0, 10 * i)
        assert cell.width * sheet.width / 100 == pytest.approx(40)
    # Six in a row; the second row starts below the words of the first.
    assert {cell.top for cell in cells[:6]} == {cells[0].top}
    assert cells[6].top >= cells[0].top + cells[0].height
    assert cells[1].left >= cells[0].left + cells[0].width


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (5, 900)])
def test_thumbnails_fit_their_square(size):
    small = thumbnail(Image.new("RGB", size), 50)
    assert max(small.size) == 50
    assert min(small.size) >= 1
