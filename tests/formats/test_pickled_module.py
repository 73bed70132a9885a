"""Files that pickle whole modules: their tensors are read, and nothing in them is ever run."""

import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from hdsr.errors import HdsrError
from hdsr.formats.pickled_module import MAGIC_NUMBER, read_tensors

VALUES = (1.0, -2.0, 3.5, 0.25, 7.0, 9.0)


class Storage:
    """Becomes a reference to a storage when pickled."""

    def __init__(self, key: str, length: int) -> None:
        self.key, self.length = key, length


class Conv2d:
    def __init__(self, storage: Storage) -> None:
        self._modules, self._buffers = OrderedDict(), OrderedDict()
        self._parameters = OrderedDict(weight=Parameter(storage), bias=None)


class Net:
    def __init__(self, child: Conv2d) -> None:
        self._parameters, self._buffers = OrderedDict(), OrderedDict()
        self._modules = OrderedDict(layer=child)


class Parameter:
    """A 2x3 tensor, stored column after column, with the state that PyTorch added to it."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple:
        tensor = Rebuilt(self.storage)
        return Global("torch.nn.parameter", "Parameter"), (tensor,), (True, False, None)


class Rebuilt:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple:
        return Global("torch._utils", "_rebuild_tensor"), (self.storage, 0, (2, 3), (1, 2))


class Global:
    """A name that is looked up when unpickled."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """Pickle wants callables."""


NAMES = {Net: ("made", "Net"), Conv2d: ("torch.nn.modules.conv", "Conv2d")}


class Writer(pickle._Pickler):
    """Pickles by names of our choice."""

    def save(self, thing: object, save_persistent_id: bool = True) -> None:
        if isinstance(thing, Global):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, type) and thing in NAMES:
            self.save(Global(*NAMES[thing]))
        else:
            super().save(thing, save_persistent_id)

    def persistent_id(self, thing: object) -> tuple | None:
        if isinstance(thing, Storage):
            return "storage", Global("torch", "FloatStorage"), thing.key, "cuda:0", thing.length, None
        return None


def write_file(path: Path, stored: object, keys: tuple[str, ...] = ("7",), values: tuple = VALUES) -> None:
    with path.open("wb") as stream:
        for item in (MAGIC_NUMBER, 1001, {"little_endian": True}, stored, list(keys)):
            Writer(stream, 2).dump(item)
        for _ in keys:
            stream.write(struct.pack(f"<q{len(values)}f", len(values), *values))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "module.pth"
    write_file(path, {"epoch": 5, "model": Net(Conv2d(Storage("7", 6)))})
    return path


def test_tensors_have_the_names_of_a_state_dict_and_the_stored_values(path: Path) -> None:
    tensors = read_tensors(path, ["made.Net"], "model")
    assert list(tensors) == ["layer.weight"]
    torch.testing.assert_close(tensors["layer.weight"], torch.tensor([[1.0, 3.5, 7.0], [-2.0, 0.25, 9.0]]))
    assert not tensors["layer.weight"].requires_grad


def test_a_module_that_is_not_on_the_list_is_named(path: Path) -> None:
    with pytest.raises(HdsrError, match=r"module\.pth is not loaded: it asks for made\.Net, which is not"):
        read_tensors(path, [], "model")


@pytest.mark.parametrize("place", ["object", "storages"])
def test_code_is_refused_and_never_run(tmp_path: Path, place: str) -> None:
    class Malicious:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'witness'}",)

    path = tmp_path / "evil.pth"
    if place == "object":
        write_file(path, {"model": Malicious()})
    else:
        write_file(path, {"model": None}, keys=(Malicious(),))
    with pytest.raises(HdsrError, match=rf"evil\.pth is not loaded: it asks for {os.name}.system"):
        read_tensors(path, [], "model")
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.4, 0.7, 0.95, 0.999])
def test_a_file_that_is_cut_short(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(HdsrError, match=r"module\.pth is (not|an empty)") as raised:
        read_tensors(path, ["made.Net"], "model")
    assert "\n" not in str(raised.value)


def test_storages_that_are_not_those_of_the_tensors(path: Path, tmp_path: Path) -> None:
    stored = {"model": Net(Conv2d(Storage("7", 6)))}
    write_file(path, stored, keys=("8",))
    with pytest.raises(HdsrError, match="list of storages is not that of its tensors"):
        read_tensors(path, ["made.Net"], "model")
    write_file(path, stored, values=VALUES[:4])
    with pytest.raises(HdsrError, match="its values are cut short"):
        read_tensors(path, ["made.Net"], "model")
    write_file(path, {"model": Net(Conv2d(Storage("7", 2)))}, values=VALUES[:2])
    with pytest.raises(HdsrError, match="not a whole pickled module: RuntimeError"):
        read_tensors(path, ["made.Net"], "model")


def test_the_published_vdsr_holds_twenty_layers_and_no_bias(real_data_root: Path) -> None:
    path = real_data_root / "weights" / "vdsr_model_epoch_50.pth"
    tensors = read_tensors(path, ["vdsr.Net", "vdsr.Conv_ReLU_Block"], "model")
    assert len(tensors) == 20
    assert all(name.endswith("weight") for name in tensors)
    assert tensors["input.weight"].std().item() == pytest.approx(0.1692, abs=1e-4)


def test_ten_bytes_take_no_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(b"\x80\x02Nr\xff\xff\xff\x1f0.")  # remembers None under the number 2 ** 29 - 1
    tracemalloc.start()
    with pytest.raises(HdsrError, match=r"bomb\.pth"):
        read_tensors(path, [], "model")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_file_of_plain_tensors_is_not_one(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "plain.pth")
    with pytest.raises(HdsrError, match=r"plain\.pth is not"):
        read_tensors(tmp_path / "plain.pth", [], "model")
    with pytest.raises(HdsrError, match="no file"):
        read_tensors(tmp_path / "absent.pth", [], "model")
