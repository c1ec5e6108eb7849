"""Photos chosen by what was found of them: the explore page at that state, and a gallery."""

from __future__ import annotations

import base64
import io
import sys
import unicodedata
import webbrowser
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from xai_audit.errors import ConfigError, OutputError, nearest
from xai_audit.flags.outliers import REASONS
from xai_audit.report.explore.build import score_words
from xai_audit.report.explore.listed import MEASURED, case_ids, in_order
from xai_audit.report.facts import read_facts
from xai_audit.report.templating import environment
from xai_audit.report.words import caption_of
from xai_audit.run.verdicts import GRAVITY, kinds_of_run, of_kinds
from xai_audit.schema import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from xai_audit.notebook.run import AuditRun

# Photos of a gallery in a notebook, and the shorter side of each, px.
SHOWN, _TILE = 12, 180
_ROW = ["image_id", "class_name", "label", "pred", "confidence"]


@dataclass(frozen=True)
class Choice:
    """What photos are chosen by; None: by nothing. The state of the explore page.

    Attributes:
        class_name: of the photos.
        cue: of the cell that ``verdict`` or ``carrier`` is about; alone: classes with such a cell.
        verdict: keeps the photos of classes whose cell of ``cue``, or of any, has this verdict.
        reason: a reason of flags, ``any`` or ``none``.
        wrong: whether the prediction is wrong.
        carrier: whether the photo carries ``cue``, or any.
        method: of the heatmaps and scores.
        sort: a score, largest first.
        text: what the photo's id has in it, in capitals or not.
    """

    class_name: str | None = None
    cue: str | None = None
    verdict: str | None = None
    reason: str | None = None
    wrong: bool | None = None
    carrier: bool | None = None
    method: str | None = None
    sort: str | None = None
    text: str | None = None

    def state(self) -> str:
        """What follows the # in the page's address."""
        words = {
            **{"class": self.class_name, "cue": self.cue, "verdict": self.verdict},
            "reason": self.reason,
            "right": {None: None, True: "wrong", False: "right"}[self.wrong],
            "carrier": {None: None, True: "yes", False: "no"}[self.carrier],
            **{"method": self.method, "sort": self.sort, "text": self.text},
        }
        return urlencode({key: value for key, value in words.items() if value is not None})


class View:
    """The chosen photos; a notebook shows the first of them.

    Attributes:
        url: of the explore page at this state; None where the run has no report.
        photos: a row a photo in the page's order: ``image_id``, ``class_name``, ``label``,
            ``pred``, ``confidence``, and the score that they are sorted by; of photos with several
            labels a row a photo and class.
    """

    def __init__(self, run: AuditRun, choice: Choice) -> None:
        self._run, self._choice = run, choice
        self._several = run.has("decisions")
        facts, kinds = read_facts(run), kinds_of_run(run)
        methods = facts.methods_first(kinds)
        method = choice.method if choice.method is not None else next(iter(methods), "")
        _check(run, choice, methods)
        self._facts, self._kinds = facts, {m: kinds[m] for m in (method,) if m in kinds}
        self.photos = _chosen(run, choice, self._kinds)
        page = run.paths.explore_html
        url = page.absolute().as_uri() + "#" + choice.state() if page.is_file() else None
        self.url: str | None = url

    def open(self) -> bool:
        """Show the page in the browser; False where there is none.

        Raises:
            OutputError: the run has no report.
        """
        if self.url is None:
            remedy = "add report to stages and run the same command again"
            page = self._run.paths.explore_html
            raise OutputError("this run has no page to explore", where=page, remedy=remedy)
        return webbrowser.open(self.url)

    def __repr__(self) -> str:
        """How many photos, and where they are shown."""
        return f"View({len(self.photos)} photos, {self.url})"

    def _repr_html_(self) -> str:
        template = environment().get_template("view.html.j2")
        shown = list(self._pictures())
        return template.render(count=len(self.photos), shown=shown, url=self.url, tile=_TILE)

    def _pictures(self) -> Iterable[tuple[str, str | None, str]]:
        """Id, JPEG as base64 or None, and headline of the first photos."""
        from xai_audit.notebook.photo import audit_of, mask_of
        from xai_audit.report.material import photos, read_heatmaps
        from xai_audit.report.overlay import Look, draw

        first, audit = self.photos.head(SHOWN), audit_of(self._run)
        heatmaps: dict[tuple[str, str | None], NDArray[np.float32]] = {}
        names = [*first["class_name"].unique()] if self._several else [None]
        for name in names:
            own = first if name is None else first[first["class_name"] == name]
            keys = {(image_id, method) for image_id in own["image_id"] for method in self._kinds}
            shown = read_heatmaps(self._run, keys, self._kinds, class_name=name)
            heatmaps |= {(image_id, name): heatmap for (image_id, _), heatmap in shown}
        found = photos(self._run, first["image_id"], self._facts.dataset_root)
        look = Look(self._facts.preprocess, self._facts.border, _TILE)
        paint = partial(draw, look=look, opener=audit.opener)
        for row in first.to_dict("records"):
            one = str(row["image_id"])
            heatmap = heatmaps.get((one, row["class_name"] if self._several else None))
            image = paint(found[one].path, heatmap, mask=mask_of(audit, one))
            yield one, None if image is None else _jpeg(image), self._words(row)

    def _words(self, row: dict[Any, Any]) -> str:
        masses = {"mass_object": None, "mass_background": None, "mass_border": None}
        caption = caption_of({**masses, **row}, [], facts=self._facts, method=None)
        sort = self._choice.sort
        scored = sort not in (None, "confidence") and row[sort] == row[sort]
        return caption.headline + (f" · {score_words(str(sort))} {row[sort]:.3g}" if scored else "")


def shown_view(run: AuditRun, chosen: Mapping[str, Any]) -> View:
    """See :meth:`~xai_audit.notebook.run.AuditRun.view`."""
    names = Choice.__dataclass_fields__
    for name in chosen.keys() - names.keys():
        raise ConfigError("no such choice", where="view", expected=", ".join(names), got=name)
    view = View(run, Choice(**chosen))
    if view.url is not None and not in_notebook():
        view.open()
    return view


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _jpeg(image: Any) -> str:  # noqa: ANN401 - pillow's
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode()


def _check(run: AuditRun, choice: Choice, methods: Iterable[str]) -> None:
    """That every word of ``choice`` is one of the run's."""
    cells = run.verdicts if run.has("evidence") else None
    known = {
        "class_name": {*read_facts(run).classes.values(), *run.manifest["class_name"].dropna()},
        "cue": () if cells is None else {*cells["cue"]},
        "verdict": GRAVITY if cells is not None else (),
        "reason": (*REASONS, "any", "none"),
        "method": methods,
        "sort": (*MEASURED, "confidence"),
    }
    for name, words in known.items():
        given = getattr(choice, name)
        if given is not None and given not in words:
            expected = f"one of {nearest(given, sorted(words))}" if words else "a run with evidence"
            raise ConfigError(
                "no photos by this", where=f"view({name}=)", expected=expected, got=given
            )


def _chosen(run: AuditRun, choice: Choice, kinds: dict[str, str]) -> pd.DataFrame:
    """The rows of the scores of the photos that ``choice`` keeps, in its order."""
    sort = [choice.sort] if choice.sort not in (None, "confidence") else []
    several = run.has("decisions")
    where = ds.field("method").isin([*kinds]) if several else of_kinds(kinds)
    rows = run.collect("scores", [*_ROW, *map(str, sort)], where)
    ids = _ids(rows, several)
    keep = rows["image_id"].notna()
    if choice.text is not None:
        part = _folded(choice.text)
        keep &= np.array([part in _folded(one) for one in ids], bool)
    if choice.class_name is not None:
        keep &= rows["class_name"] == choice.class_name
    if choice.wrong is not None:
        known = rows["pred"].notna() & (rows["label"].ge(0) | rows["label"].eq(ABSENT))
        keep &= known & ((rows["pred"] != rows["label"]) == choice.wrong)
    if choice.reason is not None:
        flags = run.flags
        some = choice.reason in ("any", "none")
        flagged = flags if some else flags[flags["reason"] == choice.reason]
        keep &= ids.isin(_ids(flagged, several)) != (choice.reason == "none")
    if choice.carrier is not None:
        of = run.carriers
        carriers = of if choice.cue is None else of[of["cue"] == choice.cue]
        keep &= ids.isin(_ids(carriers, several)) == choice.carrier
    if choice.verdict is not None or (choice.cue is not None and choice.carrier is None):
        cells = run.verdicts
        cells = cells if choice.cue is None else cells[cells["cue"] == choice.cue]
        cells = cells if choice.verdict is None else cells[cells["verdict"] == choice.verdict]
        keep &= rows["class_name"].isin(cells["class_name"])
    rows = rows[keep].set_index(ids[keep]).loc[in_order(ids[keep])]
    if choice.sort is not None:
        rows = rows.sort_values(choice.sort, ascending=False, kind="stable", na_position="last")
    return rows.reset_index(drop=True)


def _folded(text: str) -> str:
    """``text`` as the page compares it."""
    return unicodedata.normalize("NFC", text).lower()


def _ids(rows: pd.DataFrame, several: bool) -> pd.Index:
    """What the page calls each of ``rows``: by the photo, or by photo and class."""
    names = rows["class_name"]
    return case_ids(rows["image_id"], names) if several else pd.Index([*rows["image_id"]])
