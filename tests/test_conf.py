"""The YAML files are the registry: each composes, and names a plugin that can be imported."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import xai_audit.cli  # noqa: F401 - registers the schema
from tests import tiny
from xai_audit.config.build import build
from xai_audit.config.nodes import AuditConfig
from xai_audit.config.validation import validate
from xai_audit.errors import ConfigError

CONF = tiny.REPO / "conf"
PLUGINS = sorted(CONF.glob("*/*.yaml"))


def composed(*overrides: str):
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose("config", overrides=list(overrides))


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_plugin(path):
    group, name = path.parent.name, path.stem
    node = composed(f"{group}={name}")[group]
    module, _, attribute = node._target_.rpartition(".")
    assert callable(getattr(__import__(module, fromlist=[attribute]), attribute))
    if group in ("method", "cue"):
        assert node.name == name
    if group == "method":
        assert node.sign in ("positive", "absolute")


def test_defaults_are_valid_and_stand_in_one_place():
    cfg = composed()
    validate(cfg)
    settings = OmegaConf.to_object(cfg)
    assert isinstance(settings, AuditConfig)
    assert settings.targets == ["label", "contrast"]
    assert settings.regions.border == 0.08
    assert settings.regions.corner == 0.25
    assert settings.max_failed_fraction == 0.05
    assert cfg.dataset.name == "flowers"


def test_experiment_beats_groups_and_the_command_line_beats_both(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "wide.yaml").write_text(
        "# @package _global_\nregions:\n  border: 0.2\nlimit: 7\n"
    )
    extra = f"hydra.searchpath=[file://{tmp_path}]"
    cfg = composed(extra, "experiment=wide", "limit=9")
    assert cfg.regions.border == 0.2
    assert cfg.limit == 9


def maker(*, count: int, rate: float, name: str | None) -> tuple[int, float, str | None]:
    return count, rate, name


def node(**values: object):
    return OmegaConf.create({"_target_": "tests.test_conf.maker", **values})


def test_build_checks_types_and_keys():
    assert build("g", node(count=1, rate=2, name=None)) == (1, 2, None)
    with pytest.raises(ConfigError, match=r"g\.count \| expected int \| got 'x'"):
        build("g", node(count="x", rate=1.0, name=None))
    with pytest.raises(ConfigError, match=r"g\.name \| expected str or null \| got 3"):
        build("g", node(count=1, rate=1.0, name=3))
    with pytest.raises(ConfigError, match="unexpected keyword argument 'colour'"):
        build("g", node(count=1, rate=1.0, name=None, colour="red"))
    with pytest.raises(ConfigError, match=r"no such plugin: g\._target_ \| got nowhere\.at_all"):
        build("g", OmegaConf.create({"_target_": "nowhere.at_all"}))
