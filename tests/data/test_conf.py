import importlib
import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

CONF = Path(__file__).parents[2] / "conf" / "dataset"


@pytest.mark.parametrize(
    "name", ["imagefolder", "csv", "flowers102", "webdataset", "parquet", "huggingface"]
)
def test_yaml_gives_every_keyword_and_the_class_no_default(name):
    node = OmegaConf.load(CONF / f"{name}.yaml")
    node = node.dataset if "dataset" in node else node
    options = OmegaConf.to_container(node)
    module, _, attribute = options.pop("_target_").rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
    assert set(options) == set(parameters)
    for parameter in parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is parameter.empty
