"""The configuration: every file builds its plugin, every key has one default and its limits."""

from __future__ import annotations

import inspect
import json
import math
import pickle
import re
import typing
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests import tiny
from tests.models.test_onnx import exported
from xai_audit.config.build import build
from xai_audit.config.compose import compose
from xai_audit.config.nodes import AuditConfig
from xai_audit.config.spec import RunSpec
from xai_audit.config.validation import leaves, validate
from xai_audit.data import memory as photos_memory
from xai_audit.errors import ConfigError, PluginError
from xai_audit.models import memory as model_memory

CONF = tiny.REPO / "conf"
PLUGINS = sorted(CONF.glob("*/*.yaml"))
GROUPS = ("dataset", "masks", "model", "method", "engine", "cue")
# What memory's plugins find, alive as long as this module.
NET = tiny.net()
PHOTOS_KEY, PHOTOS = photos_memory.hold([(np.zeros((4, 4), np.uint8), 0)])
# The keys without a default, and what keeps a build from downloading; {place} is a folder.
NEEDS = {
    "dataset=csv": ["dataset.file={place}/photos.csv"],
    "dataset=huggingface": ["dataset.path={place}"],
    "dataset=imagefolder": ["dataset.root={place}"],
    "dataset=memory": [f"dataset.key={PHOTOS_KEY}"],
    "dataset=parquet": ["dataset.file={place}"],
    "dataset=webdataset": ["dataset.root={place}"],
    "masks=boxes": ["masks.file={place}/boxes.csv"],
    "masks=coco": ["masks.file={place}/coco.json"],
    "masks=folder": ["masks.root={place}"],
    "masks=voc": ["masks.root={place}"],
    "model=callable": [
        "model.function=tests.odd_models:probabilities",
        "model.preprocess.crop=64",
    ],
    "model=custom": ["model.factory=tests.tiny:net"],
    "model=huggingface": ["model.path={place}/net"],
    "model=memory": [f"model.key={model_memory.hold(NET)}"],
    "model=onnx": ["model.path={place}/net.onnx"],
    "model=timm": ["model.arch=resnet18", "model.pretrained=false"],
    "model=torchvision": ["model.arch=resnet18", "model.weights=null"],
    "cue=stamp": ["stamp.text=suspected"],
}
EXTRAS = {
    "masks=coco": "pycocotools",
    "model=huggingface": "transformers",
    "model=onnx": "onnxruntime",
    "model=timm": "timm",
    "method=lrp": "zennit",
    "engine=ray": "ray",
}
# What each group's objects are used by (types.py).
HAVE = {
    "dataset": ("name", "root", "class_to_idx", "prepare", "class_names", "entries"),
    "masks": ("load", "fingerprint"),
    "model": ("module", "preprocess", "name", "target_layer"),
    "method": ("name", "sign", "attribute"),
    "engine": ("run", "close"),
    "cue": ("name", "way", "needs_mask", "region", "descriptors", "level", "transplant"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that holds a file of every kind that a plugin reads when it is built."""
    root = tmp_path_factory.mktemp("place")
    (root / "photos.csv").write_text("path,label\na.jpg,x\n")
    (root / "boxes.csv").write_text("path,x_min,y_min,x_max,y_max\na.jpg,1,1,5,5\n")
    empty = {"images": [], "annotations": [], "categories": []}
    (root / "coco.json").write_text(json.dumps(empty))
    if find_spec("onnx"):
        exported(tiny.net(), root / "net.onnx")
    if find_spec("transformers"):
        from transformers import ResNetConfig, ResNetForImageClassification

        small = ResNetConfig(embedding_size=4, hidden_sizes=[4], depths=[1], layer_type="basic")
        ResNetForImageClassification(small).save_pretrained(root / "net")
    return root


def chosen(path, place):
    """The keys of the plugin of a YAML file, composed as ``group=name`` composes them."""
    choice = f"{path.parent.name}={path.stem}"
    needs = [override.format(place=place) for override in NEEDS.get(choice, ())]
    if path.parent.name == "cue":
        others = ["cues=[]", "stages=[index]"] if path.stem == "stamp" else [f"cues=[{path.stem}]"]
        return compose([*others, *needs]).cues[0]
    return getattr(compose([choice, *needs]).settings, path.parent.name)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_plugin_is_built_from_its_file(path, place):
    group, name = path.parent.name, path.stem
    called = {"captum": "captum-IntegratedGradients"}.get(name, name)
    if package := EXTRAS.get(f"{group}={name}"):
        pytest.importorskip(package)
    keys = chosen(path, place)
    if group in ("method", "cue"):
        assert keys["name"] == called
    if group == "method":
        assert keys["sign"] in ("positive", "absolute")
    extra = {
        "model": {"num_classes_of_dataset": 10},
        "engine": {"driver": None},
    }.get(group, {})
    plugin = build(group, keys, **extra)
    for attribute in HAVE[group]:
        assert hasattr(plugin, attribute), attribute
    if group in ("method", "cue"):
        assert plugin.name == called


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_a_plugins_defaults_stand_in_its_file_only(path, place):
    module, _, name = chosen(path, place)["_target_"].rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), name)).parameters.values()
    assert [p.name for p in parameters if p.default is not inspect.Parameter.empty] == []


class Sideways:
    """A cue whose way is none that there is."""

    name, way, needs_mask = "sideways", "sideways", False
    region = descriptors = level = transplant = None


class Bare:
    """A dataset without most of what a dataset has."""

    name, root, class_to_idx = "bare", "photos", None


@pytest.mark.parametrize(
    ("group", "plugin", "message"),
    [
        ("cue", "Sideways", "cue sideways broke its contract: way .* got 'sideways'"),
        ("dataset", "Bare", "dataset bare broke its contract .* prepare, class_names, entries"),
    ],
)
def test_a_plugin_that_lacks_what_its_contract_asks_for_is_named(group, plugin, message):
    with pytest.raises(PluginError, match=message):
        build(group, {"_target_": f"{__name__}.{plugin}"})


def test_every_default_is_the_dataclass_one_and_valid():
    composed = compose([])
    for node in (composed.settings, AuditConfig()):
        validate(node)
    defaults = {k: v for k, v, _ in leaves(AuditConfig()) if k not in GROUPS}
    assert {k: v for k, v, _ in leaves(composed.settings) if k not in GROUPS} == defaults
    assert len(defaults) > 40
    for key, value in defaults.items():
        assert OmegaConf.select(OmegaConf.create(composed.config), key) == value, key
    assert composed.settings.dataset["name"] == "flowers"


def nodes(kind=AuditConfig, prefix=""):
    """Each key below the dataclass ``kind``: dotted name, its types, its metadata."""
    hints = typing.get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        if is_dataclass(hint):
            yield from nodes(hint, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", {*(typing.get_args(hint) or (hint,))}, field.metadata


NUMBERS = {key: limits for key, types, limits in nodes() if types & {int, float}}
# Numbers by a name of the user's: types are those of the name and of the number.
BY_NAME = {key: limits for key, types, limits in nodes() if {str, float} == types}
NUMBERS = {key: limits for key, limits in NUMBERS.items() if key not in BY_NAME}


def test_every_number_has_limits():
    without = [key for key, limits in NUMBERS.items() if not {"min", "above"} & {*limits}]
    assert without == []
    known = {"min", "max", "above", "choices", "forms", "distinct"}
    assert {name for _, _, limits in nodes() for name in limits} <= known


@pytest.mark.parametrize("key", BY_NAME)
def test_a_number_by_name_outside_its_limits_is_refused(key):
    for value in (BY_NAME[key]["min"] - 1, BY_NAME[key]["max"] + 1):
        line = rf"^bad value: {re.escape(key)}\.border \| expected .+ \| got {value}(\.0)?$"
        with pytest.raises(ConfigError, match=line):
            compose([f"{key}.border={value}"])


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_outside_its_limits_is_refused(key):
    limits = NUMBERS[key]
    bad = [limits["above"] if "above" in limits else limits["min"] - 1]
    bad += [limits["max"] + 1] if "max" in limits else []
    for value in bad:
        line = rf"^bad value: {re.escape(key)} \| expected .+ \| got {value}(\.0)?$"
        with pytest.raises(ConfigError, match=line):
            compose([f"{key}={value}"])
    settings = compose([]).settings
    group, _, name = key.rpartition(".")
    setattr(getattr(settings, group) if group else settings, name, math.nan)
    with pytest.raises(ConfigError, match="got nan"):
        validate(settings)


def test_composed_is_plain_and_picklable(tmp_path):
    composed = compose(["methods=[lime,gradcam]", "cues=[border]", "seed=7", "regions.border=0.2"])
    assert pickle.loads(pickle.dumps(composed)) == composed
    assert json.loads(json.dumps(composed.config)) == composed.config
    assert type(composed.settings) is AuditConfig
    for plain in (composed.settings.model, *composed.methods, *composed.cues):
        assert type(plain) is dict
    assert [method["name"] for method in composed.methods] == ["lime", "gradcam"]
    # What a plugin takes from other keys is what the user has set.
    assert composed.methods[0]["seed"] == 7
    assert composed.cues == (
        {"_target_": "xai_audit.cues.border.Border", "name": "border", "width": 0.2},
    )
    again = RunSpec.from_json(json.loads(json.dumps(composed.to_json())))
    told = {"config": composed.config, "arguments": composed.arguments}
    assert replace(again, **told) == composed


def test_experiment_beats_groups_and_the_command_line_beats_both(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "wide.yaml").write_text(
        "# @package _global_\nregions:\n  border: 0.2\nlimit: 7\n"
    )
    settings = compose(["experiment=wide", "limit=9"], config_dirs=[tmp_path]).settings
    assert settings.regions.border == 0.2
    assert settings.limit == 9


def test_files_of_the_users_own(tmp_path):
    """Methods, cues and new groups' options, from two folders, one with a quote and a space."""
    one, two = tmp_path / "one", tmp_path / "the user's own"
    for folder, group, name, text in (
        (one, "method", "mine", "_target_: a.b\nname: mine\nsign: positive\nseed: ${seed}\n"),
        (two, "method", "based", "defaults: [rise, _self_]\nname: based\nsamples: 5\n"),
        (two, "cue", "border", "_target_: a.b\nname: border\nwidth: ${regions.border}\n"),
        (two, "dataset", "plants", "_target_: a.b\nname: plants\nroot: x\n"),
    ):
        (folder / group).mkdir(parents=True, exist_ok=True)
        (folder / group / f"{name}.yaml").write_text(text)
    given = ["dataset=plants", "methods=[mine,based]", "seed=3", "cues=[border,a.b:C]"]
    composed = compose(given, config_dirs=[one, two])
    mine, based = composed.methods
    assert mine == {"_target_": "a.b", "name": "mine", "sign": "positive", "seed": 3}
    assert based["_target_"] == "xai_audit.methods.rise.Rise"
    assert (based["name"], based["samples"], based["seed"]) == ("based", 5, 3)
    assert composed.cues == (
        {"_target_": "a.b", "name": "border", "width": 0.08},
        {"_target_": "a.b.C", "name": "C"},
    )
    assert composed.settings.dataset["name"] == "plants"
    # By default all cues, the user's own of a name instead of ours, no stamp.
    cues = {cue["name"]: cue for cue in compose([], config_dirs=[two]).cues}
    assert {*cues} == {path.stem for path in (CONF / "cue").glob("*.yaml")} - {"stamp"}
    assert cues["border"]["_target_"] == "a.b"


def test_a_stamp_joins_the_cues():
    composed = compose(["cues=[border]", "stamp.text=A ruler", "stamp.size=0.5"])
    assert [cue["name"] for cue in composed.cues] == ["border", "stamp"]
    assert (composed.cues[1]["text"], composed.cues[1]["size"]) == ("A ruler", 0.5)


def test_what_only_the_command_line_takes(tmp_path):
    with pytest.raises(ConfigError, match=r"Hydra's own: hydra\.run\.dir=x"):
        compose(["hydra.run.dir=x"])
    with pytest.raises(ConfigError, match="no such folder"):
        compose([], config_dirs=[tmp_path / "nowhere"])


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
        build("g", {"_target_": "nowhere.at_all"})
    with pytest.raises(ConfigError, match="no _target_: g"):
        build("g", {"name": "x"})
    # Plain keys and a node of them are the same.
    keys = {"_target_": "tests.test_conf.maker", "count": 1, "rate": 2, "name": "x"}
    assert build("g", keys) == build("g", OmegaConf.create(keys)) == (1, 2, "x")


def test_each_of_several_methods_takes_keys_of_its_own():
    given = ["methods=[gradcam,lime,rise]", "method_args.lime.samples=7", "seed=4"]
    spec = compose([*given, "method_args.rise={samples: 9, cells: 5}"])
    by_name = {node["name"]: node for node in spec.methods}
    assert by_name["lime"]["samples"] == 7
    assert by_name["lime"]["seed"] == 4
    assert (by_name["rise"]["samples"], by_name["rise"]["cells"]) == (9, 5)
    plain = {node["name"]: node for node in compose(given[:1]).methods}
    assert by_name["gradcam"] == plain["gradcam"]
    assert compose(["method=lime", "method_args.lime.samples=7"]).methods[0]["samples"] == 7
    with pytest.raises(ConfigError, match="did you mean 'samples'"):
        compose([*given[:1], "method_args.lime.sampels=7"])


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_keys_of_a_users_own_need_no_plus(plus):
    given = ["model=custom", "model.factory=tests.tiny:net"]
    one = compose([*given, f"{plus}model.kwargs.seed=3"])
    assert one.settings.model["kwargs"] == {"seed": 3}
    both = compose([*given, "model.kwargs={seed: 3, num_classes: 5}"])
    assert both.settings.model["kwargs"] == {"seed": 3, "num_classes": 5}


def test_a_key_that_a_plugin_does_not_take_is_one_line():
    net = ["model=torchvision", "model.arch=resnet18", "model.weights=null"]
    spec = compose([*net, "model.kwargs.depth=5"])
    with pytest.raises(ConfigError, match="does not take these keys.*'kwargs'"):
        build("model", spec.settings.model, num_classes_of_dataset=3)
