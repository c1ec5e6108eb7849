"""The names of cues and regions in plain words, for sentences, tables and pages."""

from __future__ import annotations

from xai_audit.schema import DISCOVERED, REGIONS

# The cue of summary.parquet that stands for every cue at once.
ALL_CUES = "all"

_WORDS = {
    **{f"corner_{v}_{h}": f"{v} {h} corner" for v in ("top", "bottom") for h in ("left", "right")},
    ALL_CUES: "all cues at once",
    "colour": "colour cast",
    "jpeg_quality": "JPEG quality",
    "file": "file metadata",
}


def cue_words(cue: str) -> str:
    """A cue in plain words: ``corner_top_right`` is the "top right corner".

    A user's own cue, named by the import path of its class, goes by the last part of that name.
    """
    if cue.startswith(DISCOVERED):
        return f"discovered region {cue.removeprefix(DISCOVERED)}"
    return _WORDS.get(cue, cue.replace(":", ".").rpartition(".")[2].replace("_", " "))


# Region of the score table -> its plain words.
REGION_WORDS = {region: cue_words(region) for region in REGIONS}
