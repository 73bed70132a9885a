"""Files of MATLAB and Caffe: layouts by hand, and bytes that make no sense."""

from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch import nn

from hdsr.errors import HdsrError
from hdsr.fetch.weights import find_weights
from hdsr.formats import matlab_caffe
from hdsr.formats.matlab_caffe import fields, from_matconvnet, read_caffe, shaped, taps_by_columns, varint
from hdsr.methods import dncnn, idn, registry, srcnn


def delimited(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer whose content is shorter than 128 bytes."""
    key = number << 3 | matlab_caffe.BYTES
    return bytes([key] if key < 128 else [key & 127 | 128, key >> 7]) + bytes([len(content)]) + content


def caffemodel(values: list[float], shape: list[int]) -> bytes:
    """A network of one layer with one array, and a layer without any."""
    blob = delimited(7, delimited(1, bytes(shape))) + delimited(5, np.array(values, "<f4").tobytes())
    return delimited(100, delimited(1, b"relu")) + delimited(100, delimited(1, b"conv") + delimited(7, blob))


def test_a_caffemodel_by_hand(tmp_path: Path) -> None:
    (tmp_path / "net.caffemodel").write_bytes(caffemodel([1, 2, 3, 4, 5, 6], [2, 3]))
    found = read_caffe(tmp_path / "net.caffemodel")
    assert found.keys() == {"conv"}
    np.testing.assert_array_equal(found["conv"], [[[1, 2, 3], [4, 5, 6]]])


def test_integers_take_seven_bits_a_byte() -> None:
    assert varint(memoryview(bytes([0xAC, 0x02, 0x07])), 0) == (300, 2)


@pytest.mark.parametrize("content", [b"\xac", b"\x0a\x05ab", b"\x0d\x00", b"\x0b", b"\xff" * 11])
def test_protocol_buffers_that_are_cut_short_or_make_no_sense(content: bytes) -> None:
    with pytest.raises(ValueError, match="protocol buffer"):
        list(fields(memoryview(content)))


def test_an_array_of_another_size_than_its_shape(tmp_path: Path) -> None:
    (tmp_path / "idn.caffemodel").write_bytes(caffemodel([1, 2, 3], [2, 3]))
    with pytest.raises(
        HdsrError, match=r"idn\.caffemodel is not IDN as its authors published it: ValueError"
    ):
        idn.load(tmp_path / "idn.caffemodel", 2)


def test_taps_down_the_columns() -> None:
    np.testing.assert_array_equal(taps_by_columns(np.arange(4.0)[None]), [[[0, 2], [1, 3]]])


def test_dimensions_of_length_1_may_be_missing_and_no_others() -> None:
    assert shaped(np.ones((3, 2)), 3, 1, 2, 1).shape == (3, 1, 2, 1)
    with pytest.raises(HdsrError, match=r"shape \(2, 3\), expected \(3, 2\)"):
        shaped(np.ones((2, 3)), 3, 2)
    with pytest.raises(HdsrError, match="not finite"):
        shaped([1, np.nan], 2)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_matconvnet_has_the_kernels_axes_first_and_ours_turned_round(kind: type[nn.Module]) -> None:
    like = kind(2, 5, (3, 4)).weight
    filters = np.random.default_rng(0).random((3, 4, like.shape[1], like.shape[0]))
    found = from_matconvnet(filters, like)
    assert found.shape == like.shape
    assert found[1, 0, 2, 3] == pytest.approx(filters[2, 3, 0, 1])


def test_dncnn_is_read_from_a_file_with_every_dimension_reversed(tmp_path: Path) -> None:
    network = dncnn.DnCNN()
    with h5py.File(tmp_path / "net.mat", "w") as file:
        layers = []
        for index, layer in enumerate(network.layers):
            # (out, in, width, height), a single output dropped, as MATLAB drops it
            filters = layer.weight.detach().numpy().swapaxes(2, 3)
            filters = filters[0] if len(filters) == 1 else filters
            parts = (filters, layer.bias.detach().numpy()[None])
            stored = [file.create_dataset(f"refs/{index}_{i}", data=value) for i, value in enumerate(parts)]
            group = file.create_group(f"refs/{index}")
            group["weights"] = np.array([[value.ref] for value in stored], h5py.ref_dtype)
            layers += [[group.ref], [file.create_group(f"refs/relu{index}").ref]]
        file["net/layers"] = np.array(layers, h5py.ref_dtype)
    loaded = dncnn.load(tmp_path / "net.mat", 2)
    for ours, theirs in zip(loaded.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_file_that_lacks_an_array_says_which(tmp_path: Path) -> None:
    savemat(tmp_path / "net.mat", {"weights_conv1": np.zeros((81, 64)), "biases_conv1": np.zeros((64, 1))})
    with pytest.raises(HdsrError, match=r"net\.mat is not SRCNN \(9-5-5\) .*: KeyError 'weights_conv2'"):
        srcnn.load(tmp_path / "net.mat", 2)


@pytest.mark.parametrize("model", ["fsrcnn", "lapsrn", "cscn", "dncnn", "idn", "a_plus"])
def test_files_damaged_at_random_are_read_or_named_and_nothing_else(
    real_data_root: Path, tmp_path: Path, model: str
) -> None:
    random = np.random.default_rng(0)
    first, *others = find_weights(2, "authors", real_data_root, model)
    for other in others:
        (tmp_path / other.name).symlink_to(other)
    content = np.frombuffer(first.read_bytes(), np.uint8)
    target = tmp_path / first.name
    for _ in range(8):
        damaged = content.copy()
        damaged[random.integers(0, 2000, 3)] = random.integers(0, 256, 3)
        target.write_bytes(damaged.tobytes())
        request = registry.Request(model, 2, target, torch.device("cpu"), "fp32", tmp_path)
        with suppress(HdsrError):  # an error of any other class fails
            registry.LOADERS[model].load(request)
