"""Weights in files: round trips, and one clear line for whatever is not HDSRNet."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.methods.srcnn import SRCNN
from hdsr.network import RGB_MEAN, HDSRNet


class Malicious:
    """Runs a command when unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.witness}",)


def official_state_dict(network: HDSRNet) -> dict[str, torch.Tensor]:
    """The authors' form of a network's weights."""
    ours = network.state_dict()
    state_dict = {theirs: ours[name] for theirs, name in checkpoint.official_names(network.scale).items()}
    for key, value in state_dict.items():
        if key.startswith("Block") and len(value) == 256:
            state_dict[key] = value.unflatten(0, (4, 64))
    mean = 255 * torch.tensor(RGB_MEAN)
    for side, bias in (("sub", -mean), ("add", mean)):
        state_dict[f"{side}_mean.weight"] = torch.eye(3).reshape(3, 3, 1, 1)
        state_dict[f"{side}_mean.bias"] = bias
    return state_dict


def same_weights(a: HDSRNet, b: HDSRNet) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_own_file_round_trip(tmp_path: Path, scale: int) -> None:
    network = HDSRNet(scale)
    path = tmp_path / "own.safetensors"
    checkpoint.save(network, path, {"step": 7, "seed": 1})
    loaded = checkpoint.load(path)
    assert loaded.scale == scale
    assert not loaded.training
    assert same_weights(network, loaded)
    assert checkpoint.describe(path) == {"scale": scale, "step": 7, "seed": 1}


def test_packed_file_is_half_as_large_and_loads_as_float32(tmp_path: Path) -> None:
    network = HDSRNet(2)
    checkpoint.save(network, tmp_path / "whole.safetensors", {"step": 7})
    path = tmp_path / "half.safetensors"
    checkpoint.pack(tmp_path / "whole.safetensors", path)
    assert path.stat().st_size < 4_000_000
    assert checkpoint.describe(path) == {"scale": 2, "step": 7, "stored_as": "float16"}
    for key, value in checkpoint.load(path).state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[key], rtol=1e-3, atol=1e-6)


def test_files_say_which_network_they_hold(tmp_path: Path) -> None:
    network = SRCNN(3).half().float()
    checkpoint.save(network, tmp_path / "whole.safetensors", {"step": 7})
    path = tmp_path / "half.safetensors"
    checkpoint.pack(tmp_path / "whole.safetensors", path)
    loaded = checkpoint.load_for_scale(path, 3, SRCNN)
    assert same_weights(network, loaded)
    with pytest.raises(HdsrError, match=r"half\.safetensors holds weights of SRCNN, expected HDSRNet"):
        checkpoint.load(path)
    with pytest.raises(HdsrError, match="holds weights for x3, expected x2"):
        checkpoint.load_for_scale(path, 2, SRCNN)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
def test_official_file_round_trip(tmp_path: Path, scale: int, wrapped: str | None) -> None:
    network = HDSRNet(scale)
    stored = official_state_dict(network)
    torch.save({wrapped: stored} if wrapped else stored, tmp_path / "authors.pt")
    loaded = checkpoint.load(tmp_path / "authors.pt")
    assert loaded.scale == scale
    assert same_weights(network, loaded)


def test_a_pickle_with_code_is_refused_and_never_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = tmp_path / "evil.pt"
    torch.save({"conv1.0.weight": Malicious(witness)}, path)
    with pytest.raises(HdsrError, match=r"evil\.pt .* holds code"):
        checkpoint.load(path)
    path.write_bytes(pickle.dumps(Malicious(witness)))
    with pytest.raises(HdsrError, match=r"evil\.pt"):
        checkpoint.load(path)
    assert not witness.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_file(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pt":
        torch.save(official_state_dict(HDSRNet(2)), path)
    else:
        checkpoint.save(HDSRNet(2), path, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(HdsrError, match=rf"cut\{suffix}") as raised:
        checkpoint.load(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["carn_m.pth", "lesrcnn_x4.pth", "vdsr_model_epoch_50.pth"])
def test_weights_of_another_network(real_data_root: Path, name: str) -> None:
    with pytest.raises(HdsrError, match=rf"{name}") as raised:
        checkpoint.load(real_data_root / "weights" / name)
    assert "\n" not in str(raised.value)


def test_other_tensors_in_our_format(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(HdsrError, match=r"other\.safetensors does not hold weights of ours"):
        checkpoint.load(path)
    save_file({"weight": torch.zeros(1)}, path, {"format": "hdsrnet", "scale": "2"})
    with pytest.raises(HdsrError, match=r"other\.safetensors is not HDSRNet: missing .* unknown weight"):
        checkpoint.load(path)


def test_missing_file_and_wrong_scale(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=r"no weights at .*absent\.pt"):
        checkpoint.load(tmp_path / "absent.pt")
    path = tmp_path / "x2.safetensors"
    checkpoint.save(HDSRNet(2), path, {})
    with pytest.raises(HdsrError, match=r"x2\.safetensors holds weights for x2, expected x4"):
        checkpoint.load_pretrained(4, path)
    with pytest.raises(HdsrError, match=r"weights of hdsrnet for x3 are not at .*hdsrnet_authors_x3\.pt"):
        checkpoint.load_pretrained(3, "authors", tmp_path)


def test_a_wrong_shape_is_named_as_the_authors_name_it(tmp_path: Path) -> None:
    state_dict = official_state_dict(HDSRNet(2))
    state_dict["conv5.0.weight"] = torch.zeros(64, 64, 1, 1)
    with pytest.raises(
        HdsrError, match=r"conv5\.0\.weight has shape \(64, 64, 1, 1\), expected \(64, 64, 3, 3\)"
    ):
        checkpoint.from_official(state_dict, 2)
