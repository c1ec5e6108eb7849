"""Which stage writes each table of a run, and with what columns."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from xai_audit import schema


@dataclass(frozen=True)
class Table:
    """A table of a run.

    Attributes:
        schema: its columns.
        stage: that writes it.
        word: of ``stages=[...]`` under which that stage runs.
        prefixes: of the files in its folder; empty where it is one file.
    """

    schema: pa.Schema
    stage: str
    word: str
    prefixes: tuple[str, ...] = ()


# Each is the attribute of RunPaths that holds its place.
_PAIRS = ("part", "carriers", "joint")
TABLES = {
    "manifest": Table(schema.MANIFEST, "index", "index"),
    "attributions": Table(schema.ATTRIBUTIONS, "attribute", "attribute", ("part",)),
    "decisions": Table(schema.DECISIONS, "attribute", "attribute"),
    "scores": Table(schema.SCORES, "score", "score", ("part",)),
    "methods": Table(schema.METHODS, "trust", "trust"),
    "clusters": Table(schema.CLUSTERS, "discover", "discover"),
    "groups": Table(schema.GROUPS, "survey", "evidence"),
    "transplants": Table(
        schema.TRANSPLANTS, "transplant", "evidence", ("part", "carriers", "joint")
    ),
    "carriers": Table(schema.CARRIERS, "carriers", "evidence"),
    "pulls": Table(schema.PULLS, "carriers", "evidence"),
    "summary": Table(schema.SUMMARY, "transplant", "evidence"),
    "evidence": Table(schema.EVIDENCE, "verdict", "evidence"),
    "agreement": Table(schema.AGREEMENT, "agreement", "agreement"),
    "agreement_images": Table(schema.AGREEMENT_IMAGES, "agreement", "agreement", ("part",)),
    "boundaries": Table(schema.BOUNDARIES, "boundary", "boundary"),
    "adversarial": Table(schema.ADVERSARIAL, "adversarial", "adversarial"),
    "augmentation": Table(schema.AUGMENTATION, "augmentation", "augmentation"),
    "flags": Table(schema.FLAGS, "flag", "flag"),
}
# Words of ``stages=[...]`` that run several stages, or one of another name -> the last of them.
LAST = {"evidence": "verdict", "report": "page"}
