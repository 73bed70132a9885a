"""Training configurations: one YAML file per experiment, frozen once read, unknown keys refused by name."""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hdsr.errors import HdsrError
from hdsr.files import check_regular

DIV2K_IMAGES = 900
PLACES = {"data", "images_on"}
"""Keys of a configuration that say nothing of what is trained, and may change when a run is resumed."""
RATES = ("learning_rate", "muon_learning_rate")
"""Keys that may be lowered when a run is resumed: what to do after it diverged."""
SMALLEST_FOLDED = 5
"""LR pixels on a side of a patch; the folded reconstruction leaves too little of smaller ones."""

PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
Name = Annotated[str, Field(min_length=1)]


def image_numbers(images: str) -> range:
    """The images of DIV2K that "first-last" names, both included.

    Raises:
        HdsrError: unless it is a range within 1-900.
    """
    match = re.fullmatch(r"(\d+)-(\d+)", str(images))
    first, last = map(int, match.groups()) if match else (0, 0)
    if not 1 <= first <= last <= DIV2K_IMAGES:
        raise HdsrError(f"{images!r} is no range of DIV2K's images, such as 1-800, within 1-{DIV2K_IMAGES}")
    return range(first, last + 1)


def checked_range(images: Any) -> Any:
    """A range of DIV2K's images as it was given, or an error."""
    image_numbers(images)
    return images


def checked_held_out(images: Any) -> Any:
    """A number of images or a range of DIV2K's as it was given, or an error."""
    is_count = isinstance(images, int) and not isinstance(images, bool) and images >= 0
    return images if is_count else checked_range(images)


class Settings(BaseModel):
    """Frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def truth_is_no_number(cls, value: Any, field: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[field.field_name].annotation is not bool:
            raise ValueError(f"a number or a name is expected, not {str(value).lower()}")
        return value


class TrainingSet(Settings):
    """One set of images in ROOT/train and how often its patches are drawn."""

    name: Name
    """A folder ROOT/train/<name> with HR/ in it, or DIV2K as it is published: see `hdsr.training.sources`."""
    images: Annotated[str, BeforeValidator(checked_range)] | None = None
    """Which ones of DIV2K, such as 1-900; without it 1-800, its training images."""
    exclude: tuple[str, ...] = ()
    """Names of images to leave out: those of a benchmark, above all."""
    shrunk: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Factors to which bicubic shrinks further copies of the images, sharper than these are."""
    weight: PositiveFloat = 1.0
    """Relative share of the patches; within a set every pixel is as likely as any other."""

    @model_validator(mode="after")
    def range_is_of_div2k(self) -> Self:
        if self.images is not None and self.name != "DIV2K":
            raise ValueError(f"images is for the set DIV2K, not for {self.name}")
        return self


class Validation(Settings):
    """Training images that are held out, on which the best weights are chosen (never a benchmark)."""

    set: Name = "BSD200"
    images: Annotated[int | str, BeforeValidator(checked_held_out)] = 20
    """How many are held out: every n-th of the set, sorted by name. Or which ones of DIV2K, such as 801-900.
    With 0 nothing is validated and the last weights are kept."""
    more: dict[str, PositiveInt] = {}
    """How many images of other sets are held out besides, by the set's name, so that no one kind of picture
    decides: the best weights are those with the best mean of this set's mean and that of all the others."""
    every: PositiveInt = 2000
    """Steps between validations; the last step is always validated."""

    @model_validator(mode="after")
    def range_is_of_div2k(self) -> Self:
        if isinstance(self.images, str) and self.set != "DIV2K":
            raise ValueError(f"a range of images is for the set DIV2K, not for {self.set}")
        if self.set in self.more:
            raise ValueError(f"{self.set} is named twice")
        if self.more and not self.images:
            raise ValueError("more goes with images")
        return self


class Schedule(Settings):
    """Learning rate as a factor of its peak over the run: warm-up, a constant part, decay."""

    kind: Literal["constant", "linear", "halving"] = "linear"
    """linear falls to zero at the last step; halving is a staircase. A run at a constant rate can be
    prolonged, and others can begin from any of its states: see `TrainingConfig.branch_from`."""
    warmup_steps: int = Field(default=0, ge=0)
    decay_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the steps, at the end, over which linear falls; the rate is constant before."""
    halve_every: PositiveInt | None = None
    """Steps between halvings, for the staircase."""

    @model_validator(mode="after")
    def keys_fit_the_kind(self) -> Self:
        if (self.kind == "halving") != (self.halve_every is not None):
            raise ValueError("halve_every goes with kind: halving, and only with it")
        if self.kind != "linear" and self.decay_share != 1:
            raise ValueError("decay_share goes with kind: linear, and only with it")
        return self


class TrainingConfig(Settings):
    """Everything that decides what a training run does; the defaults are the plain choices of the field."""

    network: Literal["hdsrnet", "srcnn"] = "hdsrnet"
    """What is trained; srcnn on images that bicubic has enlarged, by the mean squared error of the luma."""
    scale: Literal[2, 3, 4]
    sets: tuple[TrainingSet, ...] = Field(min_length=1)
    data: str | None = None
    """Data folder; without it the environment variable HDSR_DATA, else data/."""
    validation: Validation = Validation()

    patch_px: PositiveInt
    """Side of the square HR patch, a multiple of the scale."""
    draws: PositiveInt = 1
    """Places that are drawn for a patch; the one with the most detail is taken."""
    any_phase: bool = False
    """Let patches begin at any HR pixel, not at multiples of the scale only, and make the LR of each from HR
    where it lies, by bicubic; published LR is not used."""
    batch_size: PositiveInt = 16
    """Patches per step, over all processes together."""
    steps: PositiveInt
    """The budget; those of a run that it branches from are not counted in."""

    loss: Literal["l1", "mse", "rmse", "psnr"] = "l1"
    """Mean absolute or squared error, or the root of the mean squared error of the patches that a process has
    in a step, or the mean of the logarithm of each patch's mean squared error: what the mean of PSNR over
    images asks for (NAFNet, arXiv 2204.04676). SRCNN has its own, mean squared."""
    optimizer: Literal["adam", "muon"] = "adam"
    """muon: Muon for the 64-to-64 convolutions, Adam for everything else (but see muon_upsampler)."""
    learning_rate: PositiveFloat = 1e-4
    """Peak, for Adam."""
    muon_learning_rate: PositiveFloat = 0.01
    """Peak, for Muon."""
    muon_upsampler: bool = False
    """Muon for the upsampler's convolutions too: 0.07 dB held out after 500 steps at x4 from x2 weights."""
    unit_range: bool = False
    """Start and learn as if images were in 0..1: see `hdsr.training.optimizers`."""
    schedule: Schedule = Schedule()
    clip_value: PositiveFloat | None = None
    """Clip every gradient element to this magnitude."""
    clip_norm: PositiveFloat | None = None
    """Clip the norm of the whole gradient to this."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the averaged weights that are validated and kept; 0 keeps the last ones."""

    warm_start: Name | None = None
    """Weights to start from; of another scale, all but the upsampler is taken."""
    start_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the warm start, of the same scale, in the weights that are validated and kept; what is learnt
    does not depend on it. The mean of both is often better than either (WiSE-FT, arXiv 2109.01903)."""
    teacher_share: float = Field(default=0.0, ge=0, le=1)
    """Share, in what is to be learnt instead of HR, of what the warm start makes of each patch, turned at
    random: see `hdsr.training.teacher`."""
    branch_from: Name | None = None
    """A state of another run of the same network and optimizer to go on from (the file, its pieces' folder,
    or the run's folder for the newest): weights, average, moments, and place in the sequence of patches."""
    head_steps: int = Field(default=0, ge=0)
    """First steps in which only the upsampler learns, after a warm start from another scale."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes features in bfloat16 and keeps weights, reconstruction and loss in float32 (on NVIDIA
    GPUs these two then take TF32)."""
    images_on: Literal["auto", "device", "host"] = "auto"
    """Where decoded images live: on the training device if they take less than half of its free memory."""
    channels_last: bool = True
    folded: bool = True
    """Train through the folded reconstruction, the loss taken on all but the outermost ring of LR pixels."""
    border_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the patches whose outermost ring the folded form takes into the loss, to stand for all."""
    keep_dilated_means: bool = False
    """Leave the means of dilated kernels as they are, zero in fresh ones, so that their blocks stay alive."""
    seed: int = Field(default=0, ge=0, lt=2**64)
    log_every: PositiveInt = 100
    save_every: PositiveInt = 500
    max_skipped: PositiveInt = 20
    """Steps in a row with a non-finite gradient after which the run ends."""

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.patch_px % self.scale:
            raise ValueError(f"patch_px {self.patch_px} is not a multiple of scale {self.scale}")
        if self.head_steps and not self.warm_start:
            raise ValueError("head_steps goes with warm_start")
        for key in ("start_share", "teacher_share"):
            if getattr(self, key) and not self.warm_start:
                raise ValueError(f"{key} goes with warm_start")
        if self.warm_start and self.branch_from:
            raise ValueError("give either warm_start or branch_from")
        if self.border_share and not self.folded:
            raise ValueError(
                "border_share goes with folded: true; whole patches have their border in the loss"
            )
        only_hdsrnet = ("folded", "unit_range", "head_steps", "keep_dilated_means", "teacher_share")
        given = [key for key in only_hdsrnet if getattr(self, key)] + ["muon"] * (self.optimizer == "muon")
        if self.network != "hdsrnet" and given:
            raise ValueError(f"{', '.join(given)}: only for network hdsrnet, not for {self.network}")
        smallest_lr = SMALLEST_FOLDED if self.folded else 1
        if self.network == "srcnn":
            smallest_lr = 4 + math.ceil(17 / self.scale)  # two for bicubic and eight of HR on each side
        if self.patch_px < (smallest := smallest_lr * self.scale):
            raise ValueError(f"patch_px {self.patch_px} is below {smallest}, the least at x{self.scale}")
        names = [training_set.name for training_set in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"a set is named twice in sets: {', '.join(names)}")
        return self


def load_config(path: str | Path, overrides: list[str] | None = None) -> TrainingConfig:
    """Read a training configuration.

    Args:
        path: a YAML file.
        overrides: "key=value" each, the value in YAML; "a.b=value" reaches into a section.

    Raises:
        HdsrError: naming the file and the unknown key or the wrong value.
    """
    if Path(path).exists():
        check_regular(path, "a training configuration")
    try:
        values = _from_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise HdsrError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise HdsrError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise HdsrError(f"{path} must hold keys and values, such as `scale: 2`")
    for override in overrides or []:
        set_key(values, override)
    return validated(values, str(path))


class _Loader(yaml.SafeLoader):
    """YAML in which no key may stand twice: of two values one would be passed over."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} stands twice")
        return super().construct_mapping(node, deep)


def _from_yaml(text: str) -> Any:
    return yaml.load(text, _Loader)


def set_key(values: dict[str, Any], override: str) -> None:
    """Apply one "key=value" to nested `values`."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise HdsrError(f"--set takes key=value, not {override!r}")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise HdsrError(f"--set {override}: {section} has no keys of its own")
    try:
        values[last] = _from_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise HdsrError(f"--set {override}: {text!r} is not a value in YAML") from None


def validated(values: dict[str, Any], source: str) -> TrainingConfig:
    """The configuration, or one line that names the first offending key."""
    try:
        return TrainingConfig(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(TrainingConfig.model_fields)
            raise HdsrError(f"{source}: unknown key {key!r}; known: {known}") from None
        message = first["msg"].replace("a valid tuple", "a list")
        raise HdsrError(f"{source}: {key + ': ' if key else ''}{message}") from None
    except TypeError as error:
        raise HdsrError(f"{source}: {error}") from None
