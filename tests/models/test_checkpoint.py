"""Weights from every container, and one line for every file that will not do."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models import _checkpoint
from xai_audit.models._state_dict import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable


class Net(nn.Module):
    """A conv, a batch norm and a classifier."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(x).mean((2, 3)))


def net(seed: int, classes: int = 3) -> Net:
    torch.manual_seed(seed)
    made = Net(classes).eval()
    made.body[1].running_mean.normal_()
    made.body[1].running_var.uniform_(0.5, 2)
    return made


def load_into(
    model: nn.Module,
    file: Path,
    *,
    trust: bool,
    ignore: tuple[str, ...] = (),
    key: str | None = None,
) -> None:
    given = read_state_dict(file, trust=trust, key=key)
    _checkpoint.load_into(model, given, file, ignore=ignore)


def zip_pickle(model: nn.Module, file: Path) -> None:
    torch.save(model.state_dict(), file)


def legacy_pickle(model: nn.Module, file: Path) -> None:
    torch.save(model.state_dict(), file, _use_new_zipfile_serialization=False)


def safetensors(model: nn.Module, file: Path) -> None:
    from safetensors.torch import save_file as save

    save(model.state_dict(), file)


def torchscript(model: nn.Module, file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(1, 3, 8, 8)).save(file)


def exported(model: nn.Module, file: Path) -> None:
    with warnings.catch_warnings():
        # torch warns of weights that share or stride their storage.
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 8, 8),)), file)


def assert_same(model: nn.Module, expected: nn.Module) -> None:
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0, msg=name)


def refused(file: Path, *, trust: bool = False, model: nn.Module | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        load_into(model or net(0), file, trust=trust)
    text = str(caught.value)
    assert "\n" not in text
    assert str(file) in text
    return text


@pytest.mark.parametrize("suffix", ["", ".pt2"], ids=["no_suffix", "wrong_suffix"])
@pytest.mark.parametrize("save", [zip_pickle, legacy_pickle, safetensors, torchscript, exported])
def test_round_trip(save: Callable[[nn.Module, Path], None], suffix: str, tmp_path: Path) -> None:
    # The content tells the container, so no suffix is the hard case.
    made = tmp_path / ("made.pt2" if save is exported else "made.pt")
    save(net(1), made)
    file = made.rename(tmp_path / f"weights{suffix}")
    model = net(2)
    load_into(model, file, trust=False)
    assert_same(model, net(1))


def test_scripted_modules_inside_each_other(tmp_path: Path) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = self.second = net(1)
            self.named = nn.ModuleDict({"a": nn.BatchNorm1d(2)})
            self.none = nn.Linear(2, 2, bias=False)
            self.register_buffer("grid", torch.arange(3))
            self.plain = torch.ones(2)  # neither a parameter nor a buffer

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x) + self.second(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the format
        made = torch.jit.script(Shared())
        made.save(tmp_path / "c.pt")
    found = read_state_dict(tmp_path / "c.pt", trust=False)
    assert list(found) == list(made.state_dict())
    for name, value in made.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_export_keeps_dtypes_strides_and_shared_weights(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.arange(12.0).reshape(3, 4).T)
            self.b = self.a
            self.register_buffer("c", torch.arange(4).to(torch.bfloat16))
            self.register_buffer("none", torch.zeros(0, 3))
            self.register_buffer("flag", torch.tensor(True))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.a.sum() + self.c.sum() + self.none.sum() + self.flag

    file = tmp_path / "odd.pt2"
    exported(Odd(), file)
    found = read_state_dict(file, trust=False)
    expected = Odd().state_dict()
    assert set(found) <= set(expected)
    for name, value in found.items():
        assert value.dtype == expected[name].dtype
        torch.testing.assert_close(value, expected[name].detach(), rtol=0, atol=0)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "ema", "net"])
def test_nested(key: str, tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    torch.save({"epoch": 3, "best": torch.tensor(0.9), key: net(1).state_dict()}, file)
    model = net(2)
    load_into(model, file, trust=False)
    assert_same(model, net(1))


def test_weights_win_over_their_average(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    torch.save({"ema": net(3).state_dict(), "model": {"state_dict": net(1).state_dict()}}, file)
    model = net(2)
    load_into(model, file, trust=False)
    assert_same(model, net(1))


def test_a_key_says_which_weights(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    held = {"model": net(1).state_dict(), "state_dict_ema": net(3).state_dict(), "lr": 0.1}
    torch.save(held, file)
    model = net(2)
    load_into(model, file, trust=False, key="state_dict_ema")
    assert_same(model, net(3))
    for key, expected in (("ema", "model or state_dict_ema"), ("lr", "model or state_dict_ema")):
        with pytest.raises(ModelError) as caught:
            read_state_dict(file, trust=False, key=key)
        assert f"expected model.weights_key={expected} | got {key}" in str(caught.value)
    torch.save(net(1).state_dict(), file)
    with pytest.raises(ModelError, match="expected model.weights_key=null | got model"):
        read_state_dict(file, trust=False, key="model")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.net.", "module._orig_mod."])
def test_leading_names_are_dropped(prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    state = {f"{prefix}{k}": v for k, v in net(1).state_dict().items()}
    torch.save({**state, "n_averaged": torch.tensor(7), "loss.weight": torch.ones(3)}, file)
    model = net(2)
    load_into(model, file, trust=False)
    assert_same(model, net(1))


def test_averaged_model_and_half_precision(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    averaged = torch.optim.swa_utils.AveragedModel(net(1)).half()
    torch.save(averaged.state_dict(), file)
    model = net(2)
    load_into(model, file, trust=False)
    assert model.fc.weight.dtype == torch.float32
    torch.testing.assert_close(model.fc.weight, net(1).fc.weight.half().float())


def test_batch_counters_may_be_missing(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    state = {k: v for k, v in net(1).state_dict().items() if "num_batches" not in k}
    torch.save(state, file)
    model = net(2)
    load_into(model, file, trust=False)
    assert_same(model, net(1))


@pytest.mark.parametrize("kept", [True, False])
def test_versions_reach_modules_that_convert_old_files(kept: bool, tmp_path: Path) -> None:
    # Without its version torchvision's MNASNet takes a state dict for one of 2019 and rebuilds.
    from torchvision.models import mnasnet0_5

    saved, model = mnasnet0_5(num_classes=2), mnasnet0_5(num_classes=2)
    file = tmp_path / "c.pth"
    state = nn.Sequential(OrderedDict(module=saved)).state_dict()
    torch.save(state if kept else dict(state), file)
    load_into(model, file, trust=False)
    assert_same(model, saved)


def test_ignored_beginnings(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    torch.save({**net(1).state_dict(), "aux.weight": torch.ones(2)}, file)
    assert "1 unexpected (aux.weight)" in refused(file)
    model = net(2)
    load_into(model, file, trust=False, ignore=("aux.",))
    assert_same(model, net(1))


def test_another_number_of_classes(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    torch.save(net(1, classes=17).state_dict(), file)
    text = refused(file)
    assert "2 of another shape (fc.weight 17x4 in the model 3x4, fc.bias 17 in the model 3)" in text
    assert text.endswith("remedy: model.num_classes=17")


def test_another_network(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    model = net(2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = net(1).state_dict()
    state["extra.weight"] = state.pop("fc.weight")
    state["body.0.weight"] = torch.zeros(5, 3, 3, 3)
    torch.save(state, file)
    text = refused(file, model=model)
    assert "1 missing (fc.weight)" in text
    assert "1 unexpected (extra.weight)" in text
    assert "1 of another shape (body.0.weight 5x3x3x3 in the model 4x3x3x3)" in text
    assert "remedy: choose the model" in text
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_at_most_three_names_of_a_kind(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    torch.save({f"x{i}.weight": torch.ones(1) for i in range(5)}, file)
    text = refused(file)
    assert "5 unexpected (x0.weight, x1.weight, x2.weight, ...)" in text
    assert "8 missing (body.0.weight, body.0.bias, body.1.weight, ...)" in text


class Bomb:
    """Runs code while it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.witness,)


@pytest.mark.parametrize("kind", ["torch", "plain", "export"])
def test_no_code_runs_without_trust(kind: str, tmp_path: Path) -> None:
    file, witness = tmp_path / "bomb.pt2", tmp_path / "witness"
    if kind == "torch":
        torch.save({"state_dict": Bomb(witness)}, file)
    elif kind == "plain":
        file.write_bytes(pickle.dumps(Bomb(witness), protocol=2))
    else:
        inner = tmp_path / "inner"
        torch.save(Bomb(witness), inner)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/archive_format", "pt2")
            archive.writestr(
                "a/data/weights/model_weights_config.json",
                '{"config": {"w": {"path_name": "weight_0", "use_pickle": true}}}',
            )
            archive.write(inner, "a/data/weights/weight_0")
    assert "would run code" in refused(file)
    assert not witness.exists()
    if kind == "export":
        refused(file, trust=True)
        assert witness.exists()


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    assert "there is no such checkpoint" in refused(tmp_path / "absent.pth")
    assert "must be a file" in refused(tmp_path)
    empty = tmp_path / "empty.pth"
    empty.touch()
    assert "is empty" in refused(empty)
    other = tmp_path / "lists.pth"
    torch.save({"epoch": 3, "loss": [1.0]}, other)
    assert "holds no state dict" in refused(other)
    assert "got the keys ['epoch', 'loss']" in refused(other)
    torch.save([torch.ones(2)], other)
    assert "got list" in refused(other)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    "content", [b"<html>404</html>", b"hello", b"\x80\x02}", bytes(range(256)), b"PK\x03\x04rest"]
)
def test_corrupt_content(content: bytes, trust: bool, tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    file.write_bytes(content)
    text = refused(file, trust=trust)
    assert "truncated, corrupt or of another kind" in text
    assert "trust_checkpoint" not in text
    assert "weights_only" not in text


@pytest.mark.parametrize("save", [zip_pickle, legacy_pickle, safetensors, torchscript, exported])
@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_truncated(save: Callable[[nn.Module, Path], None], keep: float, tmp_path: Path) -> None:
    file = tmp_path / ("c.pt2" if save is exported else "c.pt")
    save(net(1), file)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])
    assert "truncated, corrupt or of another kind" in refused(file)
