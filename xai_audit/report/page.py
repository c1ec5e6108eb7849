"""The report's page, rendered from the sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.config.nodes import STAGES
from xai_audit.flags.outliers import MIN_IMAGES, REASONS
from xai_audit.language import mark, said, say
from xai_audit.report.decided import decided
from xai_audit.report.heat import css_gradient
from xai_audit.report.measured import measured
from xai_audit.report.plots.canvas import files_of
from xai_audit.report.plots.masses import masses
from xai_audit.report.redact import redacted
from xai_audit.report.sections import GALLERY, LISTS, PLOTS, read_sections
from xai_audit.report.tables import (
    border_never_seen,
    class_table,
    failures,
    flag_counts,
    habits,
    method_tables,
    score_problems,
    unusual,
)
from xai_audit.report.templating import environment
from xai_audit.report.words import BY_MASKS, titles
from xai_audit.run.files import replacing
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import OK, REGIONS
from xai_audit.store.home import withdraw
from xai_audit.work.folder import given_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xai_audit.report.accepted import Acceptance
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import ReportSettings
    from xai_audit.report.plots.canvas import Plot
    from xai_audit.report.sections import Sections
    from xai_audit.run.reader import Run

# With more classes than this each has a page of its own, so that the first one stays light.
_INLINE_CLASSES = 40
# Fact of run.json -> its words.
_FACTS = {
    "device": mark("device"),
    "seed": mark("seed"),
    "batch_size": mark("batch size"),
    "images_per_second": mark("images per second"),
    "schema_version": mark("schema version"),
    "fingerprint": mark("fingerprint"),
    "dataset_root": mark("dataset root"),
}


def write_page(
    run: Run,
    settings: ReportSettings,
    sections: Sections | None = None,
    accepted: Sequence[Acceptance] = (),
) -> None:
    """Write ``index.html``, a page a class where there are many, and the plots; from tables alone.

    A file that would not change is left as it is. A picture that is not drawn yet is left out, and
    pictures that no page shows are deleted in the end.

    Args:
        run: with its tables; its pictures lie in ``run.paths.report``.
        settings: of the report.
        sections: of the same run and settings, where they have been read already.
        accepted: the cells that somebody has accepted.

    Raises:
        OutputError: a table of the run is missing or broken.
    """
    sections = read_sections(run, settings) if sections is None else sections
    folder = run.paths.report
    drawn = {p.file for p in sections.pictures() if (folder / p.file).is_file()}
    shown = _page(run, sections, settings) | {"accepted": accepted}
    files = _rendered(run, sections, shown, drawn)
    for name, content in files.items():  # the first page last: it links to all others
        write_if_new(folder / name, content)
    _delete_others(folder, drawn | {*files})


def _rendered(
    run: Run, sections: Sections, page: dict[str, Any], drawn: set[str]
) -> dict[str, str | bytes]:
    """File, relative to the report's folder -> its content."""
    templates, inline = environment(), len(sections.galleries) <= _INLINE_CLASSES
    index = run.paths.index_html.name
    page |= {"inline": inline, "drawn": drawn}
    files: dict[str, str | bytes] = {}
    for plot in page["plots"]:
        files |= {f"{PLOTS}/{name}": content for name, content in files_of(plot).items()}
    if sections.actions is not None:
        files |= {each.file: each.content for each in sections.actions.shown if each.file}
    if not inline:
        template = templates.get_template("class.html.j2")
        for gallery in sections.galleries:
            name = f"{GALLERY}/{gallery.folder}/{index}"
            files[name] = template.render(page, gallery=gallery, root="../../")
    files[index] = templates.get_template("index.html.j2").render(page, root="")
    return files


def write_if_new(file: Path, content: str | bytes) -> None:
    """Put ``content`` at ``file``, atomically, unless that is what it holds."""
    data = content.encode() if isinstance(content, str) else content
    if not file.is_file() or file.read_bytes() != data:
        with replacing(file) as temporary:
            temporary.write_bytes(data)


def _delete_others(folder: Path, files: set[str]) -> None:
    """Delete what lies in the folders of pictures, plots and lists and is not among ``files``."""
    for home in (folder / GALLERY, folder / PLOTS, folder / LISTS):
        home.mkdir(parents=True, exist_ok=True)
        for path in sorted(home.rglob("*"), reverse=True):  # what is inside a folder before it
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in files:
                withdraw(path)


def _page(run: Run, sections: Sections, settings: ReportSettings) -> dict[str, Any]:
    """Everything that the templates show."""
    facts, kinds, clean = sections.facts, sections.kinds, redacted if settings.redact else _plain
    statuses, examples = failures(run)
    flagged, by_reason = flag_counts(run)
    methods = method_tables(class_table(run, kinds), kinds, facts, flagged)
    several = decided(run)
    scored = methods[0]["all"]["n"] if methods else 0
    if several:  # a photo has a row for each of its labels
        scored = statuses[OK]
    sizes = {row["class_name"]: row["n"] for row in methods[0]["rows"]} if methods else {}
    habitual = habits(by_reason, sizes)
    answer, compared = sections.answer, sections.agreement
    drawn_masses = masses(methods[0] if methods else None)
    plots: list[Plot | None] = [drawn_masses, compared.matrix if compared else None]
    plots += [answer.plot, answer.doses] if answer else []
    shown = (
        "galleries", "answer", "actions", "strategies", "confused", "agreement", "trust",
        "adversarial", "augmentation",
    )  # fmt: skip
    return {
        **{name: getattr(sections, name) for name in shown},
        "title": title_of(run, facts),
        "decided": several,
        "facts": facts,
        "methods": methods,
        "found": statuses.total(),
        "scored": scored,
        "unscored": max(0, statuses[OK] - scored),
        "left_out": statuses.pop("left out", 0),
        "failed": statuses.total() - statuses[OK],
        "statuses": {status: n for status, n in statuses.most_common() if status != OK},
        "examples": examples,
        "flagged": flagged,
        "by_reason": by_reason,
        "habits": habitual,
        "sizes": sizes,
        "unusual": unusual(run, habitual),
        "folders": {gallery.class_name: gallery.folder for gallery in sections.galleries},
        "problems": score_problems(run, kinds),
        "unseen": _unseen(run, facts),
        "missing_stages": [s for s in STAGES[:-1] if not run.finished(s)],
        "settings": settings,
        "words": {
            "titles": titles(made=facts.masks_made),
            "regions": _regions(),
            "reasons": REASONS,
            "made": BY_MASKS if facts.masks_made else (),
        },
        "min_images": MIN_IMAGES,
        "gradient": css_gradient(),
        "gallery_folder": GALLERY,
        "masses": drawn_masses,
        "plots": [plot for plot in plots if plot is not None],
        "plots_folder": PLOTS,
        "measured": measured(run),
        "clean": clean,
        "explore": run.paths.explore_html.name if run.paths.explore_html.is_file() else None,
        "run": clean(_run(run)),
    }


def _regions() -> dict[str, str]:
    """Region of the score table -> its words."""
    return {region: cue_words(region) for region in REGIONS}


def _plain(value: Any) -> Any:  # noqa: ANN401 - of JSON
    return value


def title_of(run: Run, facts: RunFacts) -> str:
    """Dataset and model, as far as they are known."""
    dataset = _name(run.config.get("dataset"))
    if dataset is None and facts.dataset_root is not None:
        dataset = facts.dataset_root.name
    return " · ".join(part for part in (dataset, _name(run.record.get("model"))) if part) or say(
        "Audit"
    )


def _name(node: object) -> str | None:
    """The name of a dataset or model, or what another key that identifies it says."""
    if isinstance(node, dict):
        return given_name(node)
    return None if node is None else str(node)


def _unseen(run: Run, facts: RunFacts) -> float | None:
    """Mean share of the border band outside the model's view, None where it is unknown."""
    if not facts.border:
        return None
    share = border_never_seen(run, facts.preprocess, facts.border)
    return None if share != share else share


def _run(run: Run) -> dict[str, Any]:
    """The run's facts in the order shown; what run.json does not have is left out."""
    record = run.record
    rest = {key: record.get(key) for key in ("model", "preprocess", "regions", "counts")}
    known = {key: record[key] for key in _FACTS if record.get(key) is not None}
    return {
        "facts": {said(_FACTS[key]): value for key, value in known.items()},
        "timings": record.get("timings") or {},
        "versions": record.get("versions") or {},
        "json": {key: value for key, value in {"config": run.config, **rest}.items() if value},
    }
