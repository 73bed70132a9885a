"""The networks and sets that are looked into: those that are there."""

from pathlib import Path

import pytest
from small_sets import dynamics_settings

from hdsr.files import sha256
from hdsr.study import networks


def test_what_is_missing_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"scales": [2, 3], "weights": ["authors", "ours"], "datasets": ["Set5", "Own"]}
    settings = dynamics_settings(tmp_path, monkeypatch, **chosen)
    (trained,) = networks.trained_networks(settings)
    digest = sha256(tmp_path / "weights" / "hdsrnet_x2.safetensors")
    assert trained.about == {"weights": "ours", "weights_sha256": digest, "scale": 2}
    assert trained.title == "HDSRNet x2, ours"
    assert not any(parameter.requires_grad for parameter in trained.network.parameters())
    assert [benchmark.name for benchmark in networks.benchmarks(settings, 2)] == ["Own"]
    none = settings.model_copy(update={"datasets": ("Set5",)})
    assert [benchmark.name for benchmark in networks.benchmarks(none, 2)] == ["samples"]
    authors_x2, set5, authors_x3, ours_x3 = networks.missing(settings)
    assert "hdsrnet for x2 are not at DATA/weights" in authors_x2
    assert "Set5" in set5
    assert "hdsrnet for x3 are not at DATA/weights" in authors_x3
    assert "hdsrnet_x3.safetensors" in ours_x3
