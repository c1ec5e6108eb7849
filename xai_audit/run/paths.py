"""Every file name of a run, in one place."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 160  # of 255 bytes, less what temporary files add
# Devices of Windows, whatever their suffix.
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(1, 10))}
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def safe_name(text: str) -> str:
    """``text`` as one path component of any system or URL; a long one ends with a hash of it."""
    name = _UNSAFE.sub("-", text).strip("-.") or "unnamed"
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 9]}-{hashlib.sha256(os.fsencode(text)).hexdigest()[:8]}"
    return f"_{name}" if name.partition(".")[0].upper() in _RESERVED else name


@dataclass(frozen=True)
class RunPaths:
    """The files under an ``output_dir``.

    Attributes:
        root: the ``output_dir`` itself.
    """

    root: Path

    @property
    def run_json(self) -> Path:
        """Configuration, fingerprints, versions, counts and timings."""
        return self.root / "run.json"

    @property
    def plan_json(self) -> Path:
        """The run's description, and the parts of every stage."""
        return self.root / "plan.json"

    @property
    def status_json(self) -> Path:
        """How far the run is, as ``xai-audit status`` says it."""
        return self.root / "status.json"

    @property
    def attempts(self) -> Path:
        """The folder of who made which part when and what failed, one file a process."""
        return self.root / "attempts"

    @property
    def model_json(self) -> Path:
        """Facts of the opened model: layer, outputs, fingerprint."""
        return self.root / "model.json"

    @property
    def class_to_idx(self) -> Path:
        """Class -> output, in an order that fits a model that is not better than chance better."""
        return self.root / "class_to_idx.json"

    @property
    def index(self) -> Path:
        """The folder of listed files and their headers."""
        return self.root / "index"

    @property
    def masks(self) -> Path:
        """The folder of masks that a network made of the photos, one file a part."""
        return self.root / "masks"

    @property
    def listing(self) -> Path:
        """One row a file found; the file itself has not been opened yet."""
        return self.index / "listing.parquet"

    @property
    def statuses(self) -> Path:
        """One row a photo that was listed as usable and could not be decoded after all."""
        return self.root / "statuses.parquet"

    @property
    def survey(self) -> Path:
        """The folder of the content of every cue in the photos, one file for some photos."""
        return self.root / "evidence" / "survey"

    @property
    def surveyed(self) -> Path:
        """One row a photo of the survey: its class, near-duplicates, whether it is right."""
        return self.root / "evidence" / "photos.parquet"

    @property
    def cues(self) -> Path:
        """One row a cue of the survey."""
        return self.root / "evidence" / "cues.parquet"

    @property
    def confusion(self) -> Path:
        """One row a pair of classes: how many photos of one are predicted as the other."""
        return self.root / "evidence" / "confusion.parquet"

    @property
    def availability(self) -> Path:
        """The folder of how well each cue alone separates the classes, one file a cue."""
        return self.root / "evidence" / "availability"

    @property
    def attention(self) -> Path:
        """The folder of how much relevance falls on each cue, one file a cue."""
        return self.root / "evidence" / "attention"

    @property
    def effects(self) -> Path:
        """The folder of reliance and pull of each class and cue, one file a class."""
        return self.root / "evidence" / "effects"

    @property
    def pairs(self) -> Path:
        """The folder of pairs that are kept when a setting changes, one file a stage and class."""
        return self.root / "evidence" / "pairs"

    @property
    def carried(self) -> Path:
        """The folder of who carries each cue of each class and what that does, one file a class."""
        return self.root / "evidence" / "carried"

    @property
    def carriers(self) -> Path:
        """One row a class, cue and photo that carries it."""
        return self.root / "carriers.parquet"

    @property
    def pulls(self) -> Path:
        """One row a class, cue and class whose photos become it."""
        return self.root / "pulls.parquet"

    @property
    def manifest(self) -> Path:
        """One row an image found."""
        return self.root / "manifest.parquet"

    @property
    def attributions(self) -> Path:
        """The folder of predictions and heatmaps, one file a part."""
        return self.root / "attributions"

    @property
    def kept(self) -> Path:
        """The folder of heatmaps of photos that are not selected now, or in other parts."""
        return self.root / "kept"

    @property
    def scores(self) -> Path:
        """The folder of scores, one file a part."""
        return self.root / "scores"

    @property
    def trust(self) -> Path:
        """The folder of checked maps, one file a method."""
        return self.root / "trust"

    @property
    def methods(self) -> Path:
        """One row a method: whether its maps can be trusted."""
        return self.root / "methods.parquet"

    @property
    def transplants(self) -> Path:
        """The folder of transplanted pairs, one file a class."""
        return self.root / "transplants"

    @property
    def evidence(self) -> Path:
        """One row a class, cue and method: the audit's answer."""
        return self.root / "evidence.parquet"

    @property
    def summary(self) -> Path:
        """One row a cue: how much accuracy depends on it."""
        return self.root / "summary.parquet"

    @property
    def groups(self) -> Path:
        """One row a class and group of the dataset's own column."""
        return self.root / "groups.parquet"

    @property
    def clusters(self) -> Path:
        """One row a class and discovered strategy."""
        return self.root / "clusters.parquet"

    @property
    def decisions(self) -> Path:
        """One row a class of photos with several labels: how right its decisions are."""
        return self.root / "decisions.parquet"

    @property
    def agreement(self) -> Path:
        """One row a class, pair of methods and target kind: how far they agree."""
        return self.root / "agreement.parquet"

    @property
    def agreement_images(self) -> Path:
        """The folder of the agreement of methods on single images, one file a part."""
        return self.root / "agreement"

    @property
    def boundaries(self) -> Path:
        """One row a confused pair of classes, direction and method."""
        return self.root / "boundaries.parquet"

    @property
    def adversarial(self) -> Path:
        """One row an image and attack."""
        return self.root / "adversarial.parquet"

    @property
    def adversarial_parts(self) -> Path:
        """The folder of the same rows, one file a few images."""
        return self.root / "adversarial"

    @property
    def augmentation(self) -> Path:
        """One row an image and augmentation."""
        return self.root / "augmentation.parquet"

    @property
    def flags(self) -> Path:
        """One row an image and reason."""
        return self.root / "flags.parquet"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.root / "report"

    @property
    def index_html(self) -> Path:
        """The report's first page."""
        return self.report / "index.html"

    @property
    def self_contained_html(self) -> Path:
        """The first page with all that it shows inside it: ``report.self_contained``."""
        return self.report / "self_contained.html"

    @property
    def explore_html(self) -> Path:
        """The page that filters and sorts all photos."""
        return self.report / "explore.html"

    @property
    def explore(self) -> Path:
        """The folder of that page's data: columns, rows, sheets of pictures."""
        return self.report / "explore"

    @property
    def summary_json(self) -> Path:
        """The answer for scripts, of the version and schema that it names."""
        return self.report / "summary.json"

    @property
    def summary_md(self) -> Path:
        """The answer for a model card or a pull request."""
        return self.report / "summary.md"

    @property
    def junit_xml(self) -> Path:
        """The rules of the gate that was asked last, as test cases."""
        return self.report / "junit.xml"

    @property
    def gallery(self) -> Path:
        """The folder of pictures, one folder a class."""
        return self.report / "gallery"

    @property
    def success(self) -> Path:
        """Written last; absent means not finished."""
        return self.root / "SUCCESS"

    @property
    def lock(self) -> Path:
        """Held by the process that writes here."""
        return self.root / ".lock"

    @staticmethod
    def part(folder: Path, number: int, *, prefix: str = "part") -> Path:
        """The file of part ``number`` in ``folder``."""
        return folder / f"{prefix}-{number:05d}.parquet"

    @staticmethod
    def parts(folder: Path, *, prefix: str = "part") -> list[Path]:
        """Every committed part of ``folder``, in order."""
        return sorted(folder.glob(f"{prefix}-*.parquet"))
