"""What runs on a GPU equals what runs on the CPU: network, fold, patches, forms, steps."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hdsr.checkpoint import save
from hdsr.inference import fold
from hdsr.measure import training_step
from hdsr.network import DynamicConv2d, HDSRNet, convolve_each
from hdsr.training import loop as training
from hdsr.training import session
from hdsr.training.config import TrainingConfig
from hdsr.training.data import Pair, TrainingData
from hdsr.training.folder import RunFolder
from hdsr.training.losses import PatchLoss
from hdsr.training.patches import PatchSource
from hdsr.training.step import TrainingStep
from hdsr.upscaling.run import device_name

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def made_data(scale: int) -> TrainingData:
    random = np.random.default_rng(0)
    hr = [random.integers(0, 256, (scale * size, scale * 40, 3), dtype=np.uint8) for size in (24, 30, 37)]
    pairs = tuple(
        Pair(f"{i}", np.ascontiguousarray(image[::scale, ::scale]), image) for i, image in enumerate(hr)
    )
    return TrainingData(pairs, np.array([0.2, 0.3, 0.5]), (), "", 0)


def config(scale: int, **changes: object) -> TrainingConfig:
    usual = {"patch_px": 16 * scale, "batch_size": 8, "steps": 50, "draws": 4, "optimizer": "muon"}
    usual |= {"muon_upsampler": True, "unit_range": True, "keep_dilated_means": True, "ema": 0.9}
    usual |= {"border_share": 0.25, "loss": "rmse", "validation": {"images": 0}}
    return TrainingConfig(scale=scale, sets=[{"name": "Made"}], **usual | changes)


@needs_gpu
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.usefixtures("exact")
def test_network_and_fold(scale: int) -> None:
    torch.manual_seed(0)
    network = HDSRNet(scale).eval()
    image = 255 * torch.rand(2, 3, 21, 17)
    with torch.inference_mode():
        expected = network(image)
        for form in (network, fold(network)):
            found = copy.deepcopy(form).cuda()(image.cuda()).cpu()
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


@needs_gpu
def test_images_convolved_with_their_own_kernels() -> None:
    from hdsr.training import per_image

    torch.manual_seed(0)
    layer = DynamicConv2d(64).cuda()
    nn.init.normal_(layer.bias)
    features = torch.randn(3, 64, 13, 21, device="cuda").requires_grad_()
    share = torch.randn(3, 4, device="cuda").softmax(1).requires_grad_()
    sources = [features, share, layer.weight, layer.bias]
    upstream = torch.randn_like(features)
    known = convolve_each(features, *layer.mixed(share))
    found = per_image.convolve_each(layer, features, share).float()
    for a, b in zip(
        [known, *torch.autograd.grad(known, sources, upstream)],
        [found, *torch.autograd.grad(found, sources, upstream)],
        strict=True,
    ):
        assert (a - b).norm() < 0.01 * a.norm()


@needs_gpu
@pytest.mark.parametrize("draws", [1, 4])
@pytest.mark.parametrize("any_phase", [False, True])
def test_patches(draws: int, any_phase: bool) -> None:
    data, settings = made_data(4), config(4, draws=draws, any_phase=any_phase)
    on_cpu, on_gpu = (PatchSource(data, settings, torch.device(name)) for name in ("cpu", "cuda"))
    assert on_gpu.images_device.type == "cuda"
    for step in range(20):
        for expected, found in zip(on_cpu.batch(step), on_gpu.batch(step), strict=True):
            assert torch.equal(found.cpu(), expected)


@needs_gpu
@pytest.mark.parametrize(("scale", "teacher_share"), [(2, 0), (3, 0), (4, 0), (4, 0.8)])
@pytest.mark.usefixtures("exact")
def test_training_steps_in_fp32(
    scale: int, teacher_share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, start = made_data(scale), str(tmp_path / "start.safetensors")
    torch.manual_seed(1)
    save(HDSRNet(scale), start, {})
    weights = {}
    for name in ("cpu", "cuda"):
        monkeypatch.setenv("ACCELERATE_USE_CPU", str(name == "cpu"))
        session.AcceleratorState._reset_state(reset_partial_state=True)
        settings = config(scale, optimizer="adam", muon_upsampler=False)
        if teacher_share:
            settings = settings.model_copy(update={"warm_start": start, "teacher_share": teacher_share})
        run = training.Run(settings, RunFolder(Path(), writes=False), data, session.new_accelerator(settings))
        assert run.step.device.type == name
        losses = []
        for _ in range(8):  # the graph is captured on the way
            run.take_step()
            losses.append(run.step.read_tally().loss)
        weights[name] = losses
    np.testing.assert_allclose(weights["cuda"], weights["cpu"], rtol=2e-3)


@needs_gpu
def test_a_network_on_the_gpu_is_validated_in_its_folded_form() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2).eval()
    scores = [
        training.validate(fold(copy.deepcopy(network).to(name)), made_data(2).pairs, 2)
        for name in ("cpu", "cuda")
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


@needs_gpu
@pytest.mark.parametrize("teacher_share", [0, 0.8])
def test_a_graph_is_the_steps_it_was_captured_from(
    teacher_share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, ends, start = made_data(2), [], str(tmp_path / "start.safetensors")
    torch.manual_seed(1)
    save(HDSRNet(2), start, {})
    for graph in (True, False):
        monkeypatch.setattr(TrainingStep, "_can_be_graph", lambda self, graph=graph: graph)
        settings = config(2, precision="bf16", warm_start=start, teacher_share=teacher_share)
        run = training.Run(settings, RunFolder(Path(), writes=False), data, session.new_accelerator(settings))
        for _ in range(12):
            run.take_step()
        tally = run.step.read_tally()
        assert (tally.counted, tally.skipped) == (12, 0)
        ends.append(tally.loss)
    assert ends[0] == pytest.approx(ends[1], rel=0.02)


@needs_gpu
def test_a_step_without_a_finite_gradient_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = PatchLoss.forward
    monkeypatch.setattr(
        PatchLoss, "forward", lambda self, lr, hr: forward(self, lr, hr) / (lr.sum() * self.works)
    )
    settings = config(2)
    run = training.Run(
        settings, RunFolder(Path(), writes=False), made_data(2), session.new_accelerator(settings)
    )
    loss = run.step.loss
    loss.works = torch.ones((), device="cuda")
    for _ in range(6):
        run.take_step()
    run.step.wait()
    before = [parameter.clone() for parameter in run.step.parameters]
    loss.works.zero_()
    run.take_step()
    tally = run.step.read_tally()
    assert (tally.counted, tally.skipped) == (6, 1)
    assert all(map(torch.equal, before, run.step.parameters))


@needs_gpu
def test_the_published_step_and_ours_are_timed_on_the_gpu_that_training_takes() -> None:
    frame = training_step.ratios(batch_size=2, lr_px=16, turns=2)
    assert set(frame["device"]) == {device_name(torch.device("cuda"))}
