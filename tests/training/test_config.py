"""Training configurations refuse what they do not know."""

import os
from pathlib import Path

import pytest

from hdsr.errors import HdsrError
from hdsr.training.config import TrainingConfig, load_config

CONFIGS = sorted((Path(__file__).parents[2] / "hdsr" / "configs").glob("*.yaml"))
MINIMAL = "scale: 2\nsets: [{name: T91}]\npatch_px: 16\nsteps: 10\n"


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    config = load_config(path)
    assert path.stem == "smoke" or path.stem.endswith(f"_x{config.scale}")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_paper_s_recipe(scale: int) -> None:
    config = load_config(CONFIGS[0].with_name(f"paper_x{scale}.yaml"))
    assert [(item.name, item.images) for item in config.sets] == [("DIV2K", "1-900")]
    assert (config.steps, config.batch_size, config.patch_px) == (1_200_000, 64, 126 if scale == 3 else 128)
    assert (config.optimizer, config.learning_rate, config.clip_value) == ("adam", 1e-4, 10)
    assert (config.schedule.kind, config.schedule.halve_every) == ("halving", 300_000)
    assert (config.precision, config.warm_start, config.clip_norm, config.folded) == (
        "fp32",
        None,
        None,
        False,
    )


def test_overrides_reach_into_sections(minimal: Path) -> None:
    config = load_config(
        minimal, ["steps=20", "validation.every=5", "optimizer=muon", "learning_rate=1.0e-3"]
    )
    assert (config.steps, config.validation.every, config.optimizer) == (20, 5, "muon")
    assert config.learning_rate == 1e-3


def test_frozen(minimal: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config(minimal).scale = 3


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("batch_size=99999999999999999999", "batch_size: Input should be less than 2147483648"),
        ("stepz=3", "unknown key 'stepz'; known: network, scale, sets"),
        ("validation.evry=3", r"unknown key 'validation\.evry'"),
        ("steps=many", "steps: .* valid integer"),
        ("scale=5", "scale: .* 2, 3 or 4"),
        ("patch_px=15", "patch_px 15 is not a multiple of scale 2"),
        ("patch_px=4", "patch_px 4 is below 10, the least at x2"),
        ("minutes=3", "unknown key 'minutes'"),
        ("steps=null", "steps: .* valid integer"),
        ("seed=18446744073709551616", "seed: .* less than"),
        ("precision=fp16", "precision: .* 'fp32' or 'bf16'"),
        ("schedule={kind: constant, decay_share: 0.5}", "decay_share goes with kind: linear"),
        ("validation={set: T91, more: {T91: 3}}", "T91 is named twice"),
        ("validation={images: 0, more: {T91: 3}}", "more goes with images"),
        ("sets=[{name: DIV2K, images: 0-900}]", r"sets\.0\.images: .*'0-900' is no range .* within 1-900"),
        ("sets=[{name: DIV2K, images: 900-1}]", "'900-1' is no range"),
        ("sets=[{name: DIV2K, images: 5}]", "5 is no range"),
        ("sets=[{name: T91, images: 1-5}]", "images is for the set DIV2K, not for T91"),
        ("sets=[{name: T91}, {name: T91}]", "a set is named twice in sets: T91, T91"),
        ("validation.images=801-901", "validation.images: .*'801-901' is no range"),
        ("validation.images=-1", "-1 is no range"),
        ("validation.images=801-900", "a range of images is for the set DIV2K, not for BSD200"),
        ("head_steps=3", "head_steps goes with warm_start"),
        ("start_share=0.5", "start_share goes with warm_start"),
        ("teacher_share=0.5", "teacher_share goes with warm_start"),
        ("network=vdsr", "network: .* 'hdsrnet' or 'srcnn'"),
        ("network=srcnn", "folded: only for network hdsrnet, not for srcnn"),
        ("schedule.kind=halving", "halve_every goes with kind: halving"),
        ("steps.more=3", "steps has no keys of its own"),
        ("steps", "takes key=value, not 'steps'"),
        ("steps=[1", r"'\[1' is not a value in YAML"),
        ("learning_rate=.inf", "learning_rate: .* finite number"),
        ("learning_rate=1" + 400 * "0", "learning_rate: .* valid number"),
        ("seed=1" + 5000 * "0", "is not a value in YAML"),
    ],
)
def test_one_line_names_what_is_wrong(minimal: Path, override: str, complaint: str) -> None:
    with pytest.raises(HdsrError, match=complaint) as raised:
        load_config(minimal, [override])
    assert "\n" not in str(raised.value)


def test_patches_of_srcnn_leave_something_between_their_borders(minimal: Path) -> None:
    srcnn = ["network=srcnn", "folded=false"]
    with pytest.raises(HdsrError, match="patch_px 24 is below 26, the least at x2"):
        load_config(minimal, [*srcnn, "patch_px=24"])
    assert load_config(minimal, [*srcnn, "patch_px=26"]).patch_px == 26


@pytest.mark.parametrize(
    "more",
    [
        ["unit_range=true"],
        ["keep_dilated_means=true"],
        ["optimizer=muon"],
        ["head_steps=3", "warm_start=a"],
        ["teacher_share=0.5", "warm_start=a"],
    ],
)
def test_what_only_hdsrnet_has_is_refused_for_srcnn(minimal: Path, more: list[str]) -> None:
    with pytest.raises(HdsrError, match="only for network hdsrnet, not for srcnn"):
        load_config(minimal, ["network=srcnn", "folded=false", "patch_px=26", *more])


def test_a_run_has_one_beginning(minimal: Path) -> None:
    with pytest.raises(HdsrError, match="give either warm_start or branch_from"):
        load_config(minimal, ["warm_start=a", "branch_from=b"])


def test_whole_patches_need_no_share_of_borders(minimal: Path) -> None:
    with pytest.raises(HdsrError, match="border_share goes with folded: true"):
        load_config(minimal, ["folded=false", "border_share=0.5"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps: 1\nseed: 2\nsteps: 3\n", "a.yaml is not YAML: the key 'steps' stands twice"),
        ("validation: {images: 1, images: 2}\n", "a.yaml is not YAML: the key 'images' stands twice"),
        ("steps: yes\n", "a.yaml: steps: .*a number or a name is expected, not true"),
        ("learning_rate: on\n", "a.yaml: learning_rate: .*a number or a name is expected, not true"),
        ("warm_start: ''\n", "a.yaml: warm_start: String should have at least 1 character"),
        ("sets: {a: 1}\n", "a.yaml: sets: Input should be a list"),
    ],
)
def test_what_yaml_would_pass_over_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    keys = {line.partition(":")[0] for line in text.splitlines()}
    others = [line for line in MINIMAL.splitlines() if line.partition(":")[0] not in keys]
    (tmp_path / "a.yaml").write_text("\n".join([text, *others]))
    with pytest.raises(HdsrError, match=complaint):
        load_config(tmp_path / "a.yaml")


def test_a_pipe_is_no_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(HdsrError, match=r"a\.yaml is a pipe, socket or device"):
        load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "content", ["", "[" * 3000, "steps: 1" + 5000 * "0", "- a\n- b\n", "scale: [", "\x00", "3: 4\n"]
)
def test_files_that_are_no_configuration(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(HdsrError, match=r"bad\.yaml") as raised:
        load_config(path)
    assert "\n" not in str(raised.value)
    with pytest.raises(HdsrError, match=r"absent\.yaml: No such file"):
        load_config(tmp_path / "absent.yaml")


def test_config_survives_its_own_yaml(minimal: Path) -> None:
    config = load_config(minimal)
    assert TrainingConfig(**config.model_dump(mode="json")) == config
