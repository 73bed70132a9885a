"""The networks and sets that are looked into: those that are there."""

from pathlib import Path

import pytest
from small_sets import dynamics_settings

from hdsr.files import sha256
from hdsr.study import networks


def test_what_is_missing_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"scales": [2, 3], "weights": ["authors", "ours"], "datasets": ["Set5", "Own"]}
    settings = dynamics_settings(tmp_path, monkeypatch, **chosen)
    (subject,) = networks.subjects(settings)
    digest = sha256(tmp_path / "weights" / "hdsrnet_x2.safetensors")
    assert subject.about == {"weights": "ours", "weights_sha256": digest, "scale": 2}
    assert subject.title == "HDSRNet x2, ours"
    assert not any(parameter.requires_grad for parameter in subject.network.parameters())
    assert [benchmark.name for benchmark in networks.benchmarks(settings, 2)] == ["Own"]
