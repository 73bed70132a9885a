"""What the notebooks are told: one frozen schema for each."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from hdsr import paths
from hdsr.errors import HdsrError


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values as they are; ValueError where there are none, or one stands twice."""
    if not values or len(set(values)) < len(values):
        raise ValueError("expected one value or more, each once")
    return values


Names = Annotated[tuple[Annotated[StrictStr, Field(min_length=1)], ...], AfterValidator(distinct)]
Device = Annotated[StrictStr, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")]
Precision = Literal["fp32", "bf16"]
Scales = Annotated[tuple[Literal[2, 3, 4], ...], AfterValidator(distinct)]


class Settings(BaseModel):
    """The parameter that every notebook has. Frozen; unknown names are refused.

    Attributes:
        profile: names the folder under reports/ that a run writes to.

    Raises:
        HdsrError: in one line, for unknown parameters, or values of the wrong type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "quick"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = "; ".join(map(self._described, error.errors()))
            raise HdsrError(f"{type(self).__name__}: {faults}") from None
        if self.profile == "published":
            raise HdsrError("profile 'published' is the committed outcome of a run: no run writes it")

    @classmethod
    def _described(cls, problem: Mapping[str, Any]) -> str:
        """One of pydantic's problems as `parameter scales[0] = 5: Input should be 2, 3 or 4`."""
        name, *place = problem["loc"]
        if problem["type"] == "extra_forbidden":
            return f"unknown parameter {name!r} (known: {', '.join(cls.model_fields)})"
        inside = "".join(f"[{index}]" for index in place)
        message = problem["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
        return f"parameter {name}{inside} = {problem['input']!r}: {message}"

    @property
    def report(self) -> Path:
        """The folder that this profile's rows, images, tables and figures are written to."""
        return paths.report_dir(self.profile)


class DataFolderSettings(Settings):
    """Parameters of the notebooks that look into the data folder.

    Attributes:
        data_root: folder of images and weights; None for the environment variable HDSR_DATA or data/.
    """

    data_root: StrictStr | None = None

    @property
    def root(self) -> Path:
        """The data folder. The quick profile, alike everywhere, never reads HDSR_DATA; the explorer does."""
        if self.profile == "quick" and self.data_root is None:
            return paths.PROJECT / "data"
        return paths.data_root(self.data_root)


class ScaleSettings(DataFolderSettings):
    """Parameters of the notebooks that look at some scales.

    Attributes:
        scales: factors of enlargement.
    """

    scales: Scales = (2, 3, 4)


class BenchmarkSettings(ScaleSettings):
    """Parameters of the notebooks that look at benchmark sets.

    Attributes:
        datasets: names of benchmark sets, or folders of images.
    """

    datasets: Names = ("samples",)

    @property
    def set_names(self) -> tuple[str, ...]:
        """The sets as rows and tables call them: a folder goes by its own name."""
        return tuple(Path(dataset).name for dataset in self.datasets)


class MeasurementSettings(BenchmarkSettings):
    """Parameters of the notebooks that measure methods.

    Attributes:
        methods: names in the registry of methods, in the order of tables and figures; "all" alone for all.
        weights: sources of weights, each of "ours", "authors", "others" or a file.
        device: where networks run, as torch names it.
        precision: the arithmetic of the networks.
    """

    methods: Names = ("bicubic", "hdsrnet")
    weights: Names = ("ours",)
    device: Device = "cpu"
    precision: Precision = "fp32"


class BenchmarkTableSettings(MeasurementSettings):
    """Parameters of the benchmark notebook.

    Attributes:
        sensitivity_scales: scales at which other protocols are tried.
        sensitivity_datasets: sets on which they are; None for all of `datasets`.
    """

    sensitivity_scales: Scales = (4,)
    sensitivity_datasets: Names | None = None


class FigureSettings(MeasurementSettings):
    """Parameters of the figure notebook.

    Attributes:
        panels: methods shown beside HR, as far as they are measured.
    """

    panels: Names = ("bicubic", "srcnn", "lesrcnn", "dcls", "hdsrnet")


class RuntimeSettings(Settings):
    """Parameters of the runtime notebook.

    Attributes:
        hr_sizes: sides of the square HR images, multiples of 4.
        warmup: turns that are not timed.
        runs: turns that are.
        device: where networks run, as torch names it.
        precision: the arithmetic of the networks.
    """

    hr_sizes: Annotated[tuple[Annotated[StrictInt, Field(gt=0)], ...], AfterValidator(distinct)] = (256, 512)
    warmup: Annotated[StrictInt, Field(ge=0)] = 1
    runs: Annotated[StrictInt, Field(ge=2)] = 5
    device: Device = "cpu"
    precision: Precision = "fp32"


class TrainingSettings(ScaleSettings):
    """Parameters of the training notebook.

    Attributes:
        config: what is trained: a name in hdsr/configs, or a file.
        overrides: changes of it, "key=value" each, as `hdsr train --set` takes them.
        turns: timed turns of the step benchmark.
    """

    config: Annotated[StrictStr, Field(min_length=1)] = "smoke"
    overrides: tuple[StrictStr, ...] = ()
    turns: Annotated[StrictInt, Field(ge=2)] = 3


class NetworkSettings(BenchmarkSettings):
    """Parameters of the network notebook.

    Attributes:
        weights: sources of weights, each of "ours", "authors" or a file.
    """

    weights: Names = ("ours",)

    @property
    def measurement(self) -> MeasurementSettings:
        """Settings that score bicubic and HDSRNet on the same sets."""
        shared = self.model_dump(include=set(NetworkSettings.model_fields))
        return MeasurementSettings(**shared, methods=("bicubic", "hdsrnet"))


class ExploreSettings(NetworkSettings):
    """Parameters of the notebook to explore with: what it offers; the first of each is shown at first."""


class ComplexitySettings(Settings):
    """Parameters of the complexity notebook.

    Attributes:
        networks: what is counted: names in `hdsr.measure.counters.NETWORKS`.
        scales: factors of enlargement.
        lr_px: side of the square LR image.
    """

    networks: Names = ("SRCNN", "VDSR", "CARN-M", "LESRCNN", "ACNet", "DCLS", "HDSRNet")
    scales: Scales = (2, 3, 4)
    lr_px: Annotated[StrictInt, Field(ge=8)] = 256


class ScorecardSettings(DataFolderSettings):
    """Parameters of the scorecard notebook.

    Attributes:
        weights: sources of weights that were measured; files among them may come from the paper's recipe.
    """

    weights: Names = ("ours",)


class ProtocolSettings(DataFolderSettings):
    """Parameters of the notebook on protocols.

    Attributes:
        scale: factor of enlargement.
        gray: "<set>/<image>" of the image that is looked at in gray.
        color: the same of the one in color.
        model: a network that sharpens enlarged images.
    """

    scale: Literal[2, 3, 4] = 4
    gray: Annotated[StrictStr, Field(pattern=r".+/.+")] = "samples/astronaut"
    color: Annotated[StrictStr, Field(pattern=r".+/.+")] = "samples/chelsea"
    model: Literal["srcnn", "vdsr"] = "srcnn"


class DynamicsSettings(NetworkSettings):
    """Parameters of the dynamics notebook.

    Attributes:
        training_sets: sets of training images whose mean mix the attention is frozen to.
        temperatures: what the attention's temperature of 40 is replaced by.
        patches: images whose central patch shows the effective receptive field.
    """

    training_sets: Names = ("samples",)
    temperatures: Annotated[tuple[Annotated[float, Field(gt=0)], ...], AfterValidator(distinct)] = (
        20.0,
        10.0,
        5.0,
        1.0,
    )
    patches: Annotated[StrictInt, Field(ge=1)] = 4


class DataSettings(BenchmarkSettings):
    """Parameters of the data notebook.

    Attributes:
        golden_root: folder of LR images written by MATLAB; None for the environment variable HDSR_GOLDEN.
    """

    golden_root: StrictStr | None = None

    @property
    def golden(self) -> Path | None:
        """The folder of reference images, if one is named."""
        named = self.golden_root or os.environ.get("HDSR_GOLDEN")
        return Path(named).expanduser() if named else None

    @property
    def bicubic(self) -> MeasurementSettings:
        """Settings that measure bicubic on the same sets."""
        shared = self.model_dump(exclude={"golden_root"})
        return MeasurementSettings(**shared, methods=("bicubic",))
