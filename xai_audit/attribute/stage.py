"""attribute: photos -> predictions and heatmaps in part files, scored in the same pass.

Why what decoding found goes into ``statuses.parquet`` and not into the manifest: the manifest is
the table of the index stage, which has finished by then. Each table has one stage that writes it,
so its rows are those that the stage's fingerprint stands for. Whoever reads the manifest through
``Audit.manifest`` gets both together.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby, product
from typing import TYPE_CHECKING, Any

from xai_audit.attribute.groups import SharedProgress, grouped, log_costs, shares
from xai_audit.attribute.kept import keep, prune
from xai_audit.attribute.passes import BATCH, COUNTS, PROBLEMS, finished_parts
from xai_audit.attribute.targets import targets_of
from xai_audit.run.files import read_notes, write_table
from xai_audit.run.manifest import content_fingerprint, counted, statuses_table
from xai_audit.run.record import fingerprint
from xai_audit.score.stage import part_mark, score_mark
from xai_audit.store.home import withdraw
from xai_audit.work.parts import files_of
from xai_audit.work.stage import Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xai_audit.attribute.groups import Group
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Finished

_VERSION = 1
# Keys of the model group that the facts hold as found, or that only say where weights came from.
_NOT_THE_FUNCTION = (
    "name", "preprocess", "target_layer", "head", "checkpoint", "trust_checkpoint",
)  # fmt: skip


def plan(audit: Audit) -> Plan:
    """Parts of ``compute.part_size`` selected rows by a group of methods, group after group."""
    rows, settings, size = audit.selected(), audit.settings, audit.settings.compute.part_size
    groups, selection = _groups(audit), content_fingerprint(rows)
    scored = score_mark(audit, rows) if "score" in settings.stages else None
    marks, args = [], []
    for group in groups:
        own = _own_marks(audit, group)
        marks.append(mark := fingerprint(_VERSION, selection, *own, size))
        # Of other photos a row does not depend, but for baselines that are drawn from them.
        same = fingerprint(_VERSION, *own, selection if draws_photos(group.nodes) else None)
        scores = None if scored is None else part_mark(mark, scored)
        args.append({"methods": group.names, "scores": scores, "same": same})

    def parts() -> list[Part]:
        spans = [range(rows.num_rows)[at : at + size] for at in range(0, rows.num_rows, size)]
        sizes = [shares(groups, len(span)) for span in spans]
        found = [
            Part(
                number=number,
                fingerprint=marks[group],
                args={"start": spans[at].start, "stop": spans[at].stop, **args[group]},
                size=sizes[at][group],
            )
            for number, (group, at) in enumerate(product(range(len(groups)), range(len(spans))))
        ]
        keep(audit.paths, found)
        log_costs(groups, rows.num_rows)
        return found

    return Plan(marks[0] if len(marks) == 1 else fingerprint(marks), parts)


def _groups(audit: Audit) -> list[Group]:
    return grouped(audit.spec.methods, targets=len(targets_of(audit)))


def _own_marks(audit: Audit, group: Group) -> list[Any]:
    """Everything that decides the rows of a photo by ``group``, beside the photo itself."""
    settings = audit.settings
    return [
        audit.facts.mark,
        {k: v for k, v in settings.model.items() if k not in _NOT_THE_FUNCTION},
        list(group.nodes),
        ["label"] if audit.several_labels else list(settings.targets),
        audit.facts.precision,
    ]


def draws_photos(methods: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a method may take photos of the dataset as baselines."""
    ours = all(str(node.get("_target_")).startswith("xai_audit.") for node in methods)
    return not ours or '"photo"' in json.dumps(list(methods), default=str)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """A pass over the photos of the parts for each group of methods among them."""
    rows = audit.selected()
    for names, some in groupby(parts, lambda part: part.args["methods"]):
        nodes = zip(audit.spec.methods, audit.methods, strict=True)
        methods = [method for node, method in nodes if node["name"] in names]
        yield from finished_parts(audit, [*some], methods, rows, SharedProgress(progress))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write what decoding found of each photo; what later stages need to know of the model.

    A photo that one group of methods could not explain is counted as failed; the rows that the
    others have of it stay. Where the model is no better than chance it is asked again, on some
    photos.
    """
    problems: dict[str, tuple[str, str]] = {}
    retries, smallest = {"oom_retries": 0, "nonfinite_retries": 0}, []
    files = files_of(audit.paths, ATTRIBUTE, parts)
    spans = zip(files, parts, strict=True)
    once = [file for file, part in spans if part.args["methods"] == parts[0].args["methods"]]
    for file in files:
        notes = read_notes(file)
        problems |= {i: (s, message) for i, (s, message) in json.loads(notes[PROBLEMS]).items()}
        smallest += [int(notes[BATCH])] if notes[BATCH].isdigit() else []
        for name, count in json.loads(notes[COUNTS]).items():
            retries[name] += count
    write_table(audit.paths.statuses, statuses_table(problems))
    prune(audit.paths, parts, audit.selected)
    facts, settings = audit.facts, audit.settings
    model = {k: v for k, v in settings.model.items() if not isinstance(v, dict)}
    return {
        "counts": counted(audit.manifest()) | retries,
        "device": audit.compute.device,
        "precision": facts.precision,
        "preprocess": asdict(facts.preprocess),
        "part_size": settings.compute.part_size,
        "batch_size": {
            "asked": audit.compute.batch_size,
            "used": min(smallest, default=audit.compute.batch_size),
        },
        "model": model | facts.noted(),
    } | _judged(audit, once)


def _judged(audit: Audit, once: Sequence[Path]) -> dict[str, Any]:
    """How right the model is, for ``run.json``."""
    from xai_audit.attribute.chance import checked
    from xai_audit.attribute.decisions import decisions

    if audit.several_labels:
        return decisions(audit, once)
    withdraw(audit.paths.decisions)
    return checked(audit, once)


ATTRIBUTE = Stage(
    "attribute", "attribute", _VERSION, "attributions", plan, merge, work, needs=("index",)
)
