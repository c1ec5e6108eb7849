"""The description of an audit: plain data that any process can open."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.config.nodes import AuditConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Groups whose nodes belong to a plugin.
GROUPS = ("dataset", "masks", "model", "engine")


@dataclass(frozen=True)
class RunSpec:
    """The settings of an audit; picklable, and JSON in ``plan.json``.

    Attributes:
        settings: every key; the groups hold plain dictionaries with their ``_target_``.
        methods: a node an attribution method.
        cues: a node a candidate shortcut.
        config: all keys, resolved, as ``run.json`` keeps them.
        member: of a sweep, what tells its folder from the others'; empty where it needs no name.
        siblings: output folders of the members that ran before it.
        log_answer: whether the log ends with the answer; a sweep ends with that of all members.
        is_look: whether this is the first look of an audit that goes on.
        arguments: of the command line that describes the same audit.
    """

    settings: AuditConfig
    methods: tuple[dict[str, Any], ...]
    cues: tuple[dict[str, Any], ...]
    config: dict[str, Any] = field(default_factory=dict)
    member: str = ""
    siblings: tuple[Path, ...] = ()
    log_answer: bool = True
    is_look: bool = False
    arguments: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values, without ``config`` and the sweep's."""
        return {
            "settings": asdict(self.settings),
            "methods": list(self.methods),
            "cues": list(self.cues),
        }

    @classmethod
    def from_json(cls, noted: Mapping[str, Any]) -> RunSpec:
        """The description that :meth:`to_json` gave."""
        settings = _typed(AuditConfig(), noted["settings"])
        return cls(settings, tuple(noted["methods"]), tuple(noted["cues"]))

    @property
    def keys(self) -> dict[str, Any]:
        """The plugins' own nodes by group, for fingerprints."""
        nodes: dict[str, Any] = {group: getattr(self.settings, group) for group in GROUPS}
        return nodes | {"methods": list(self.methods), "cues": list(self.cues)}

    @property
    def method_names(self) -> list[str]:
        """The methods' names, in the order in which they were requested."""
        return [str(node["name"]) for node in self.methods]


def _typed(node: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any node
    """``node`` with ``values``, its dataclasses filled in turn."""
    for each in fields(node):
        if each.name in values:
            value, inner = values[each.name], getattr(node, each.name)
            setattr(node, each.name, _typed(inner, value) if is_dataclass(inner) else value)
    return node
