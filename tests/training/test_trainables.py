"""Every network that a configuration can name trains, validates, resumes and is stored as itself."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_sets import TWO_SETS, write_two_sets

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.methods.registry import load
from hdsr.methods.srcnn import SRCNN
from hdsr.metrics import psnr_y
from hdsr.training import loop as training
from hdsr.training.config import TrainingConfig
from hdsr.training.data import load_training_data
from hdsr.training.states import check_same_run
from hdsr.training.trainables import warm_start

CHANGES = {
    "network": "srcnn",
    "patch_px": 28,
    "batch_size": 4,
    "steps": 40,
    "learning_rate": 1e-3,
    "folded": False,
    "log_every": 10,
    "save_every": 20,
    "validation": {"set": "Big", "images": 2, "every": 20},
}


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    write_two_sets(tmp_path)
    return TrainingConfig(**{**TWO_SETS.model_dump(mode="json"), **CHANGES, "data": str(tmp_path)})


def test_srcnn_learns_and_is_validated_as_it_is_measured_later(
    config: TrainingConfig, tmp_path: Path
) -> None:
    weights = training.train(config, tmp_path / "run", progress=False)
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert log.loss.iloc[-1] < 0.1 * log.loss.iloc[0]
    assert log.psnr_db.iloc[-1] > log.psnr_db.iloc[1] + 5
    about = checkpoint.describe(weights)
    assert about["config"]["network"] == "srcnn"
    method = load("srcnn", 2, weights)
    held_out = load_training_data(config, tmp_path, progress=False).held_out[0]
    scores = [psnr_y(method(pair.lr), pair.hr, 2) for pair in held_out]
    assert about["validation_psnr_db"] == pytest.approx(np.mean(scores), abs=1e-3)


def test_srcnn_starts_from_another_scale_s_weights(tmp_path: Path) -> None:
    torch.manual_seed(3)
    source, target = SRCNN(2), SRCNN(3)
    torch.nn.init.normal_(source.map.weight)
    checkpoint.save(source, tmp_path / "x2.safetensors", {})
    warm_start(target, tmp_path / "x2.safetensors")
    assert all(map(torch.equal, source.state_dict().values(), target.state_dict().values()))


def test_states_from_before_there_were_other_networks_resume() -> None:
    stored = TWO_SETS.model_dump(mode="json", exclude={"network"})
    check_same_run(TWO_SETS, stored, "images", "images")
    other = TWO_SETS.model_copy(update={"network": "srcnn"})
    with pytest.raises(HdsrError, match="network was 'hdsrnet', now 'srcnn'"):
        check_same_run(other, stored, "images", "images")
