"""The parameters of the notebooks: one schema for each, checked before any work begins."""

import ast
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from hdsr import paths
from hdsr.errors import HdsrError

PARAMETER_FILES = paths.PARAMETERS
SHELL_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "quick"

    @property
    def report(self) -> Path:
        """The folder that this profile's rows, images, tables and figures are written to."""
        return paths.report_dir(self.profile)


class ScaleSettings(Settings):
    """Parameters of the notebooks that look into the data folder, at some scales.

    Attributes:
        data_root: folder of images and weights; None for the environment variable HDSR_DATA or data/.
        scales: factors of enlargement.
    """

    data_root: StrictStr | None = None
    scales: Scales = (2, 3, 4)

    @property
    def root(self) -> Path:
        """The data folder. The quick profile is alike everywhere, so it never reads HDSR_DATA."""
        if self.profile == "quick" and self.data_root is None:
            return paths.PROJECT / "data"
        return paths.data_root(self.data_root)


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
        methods: names in the registry of methods, in the order of tables and figures.
        weights: sources of weights, each of "ours", "authors" or a file.
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
        sensitivity_scales: scales at which other habits of measuring are tried on the first set.
    """

    sensitivity_scales: Scales = (4,)


class FigureSettings(MeasurementSettings):
    """Parameters of the figure notebook.

    Attributes:
        panels: methods shown beside HR; one that is not measured is replaced by another that is.
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


class ExploreSettings(NetworkSettings):
    """Parameters of the notebook to explore with: what it offers; the first of each is shown at first."""


class ComplexitySettings(Settings):
    """Parameters of the complexity notebook.

    Attributes:
        networks: what is counted: names in `hdsr.complexity.SUBJECTS`.
        scales: factors of enlargement.
        lr_px: side of the square LR image.
    """

    networks: Names = ("SRCNN", "VDSR", "CARN-M", "LESRCNN", "ACNet", "DCLS", "HDSRNet")
    scales: Scales = (2, 3, 4)
    lr_px: Annotated[StrictInt, Field(ge=8)] = 256


class ScorecardSettings(Settings):
    """Parameters of the scorecard notebook.

    Attributes:
        weights: sources of weights that were measured; files among them may come from the paper's recipe.
    """

    weights: Names = ("ours",)


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

    @property
    def measurement(self) -> MeasurementSettings:
        """Settings that score bicubic and HDSRNet on the same sets."""
        shared = self.model_dump(exclude={"training_sets", "temperatures", "patches"})
        return MeasurementSettings(**shared, methods=("bicubic", "hdsrnet"))


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


SCHEMAS: dict[str, type[Settings]] = {
    "index": Settings,
    "data": DataSettings,
    "benchmarks": BenchmarkTableSettings,
    "training": TrainingSettings,
    "figures": FigureSettings,
    "network": NetworkSettings,
    "runtime": RuntimeSettings,
    "complexity": ComplexitySettings,
    "scorecard": ScorecardSettings,
    "explore": ExploreSettings,
    "dynamics": DynamicsSettings,
}


def validate(name: str, mapping: Mapping[str, Any]) -> Settings:
    """The frozen settings of notebook `name` ("benchmarks", or "02_benchmarks") with the values given.

    Raises:
        HdsrError: in one line, for an unknown notebook, unknown parameters, or values of the wrong type.
    """
    schema = schema_of(name)
    known = ", ".join(schema.model_fields)
    unknown = [key for key in mapping if key not in schema.model_fields]
    if unknown:
        raise HdsrError(
            f"notebook {name}: unknown parameter {', '.join(map(repr, unknown))} (known: {known})"
        )
    try:
        settings = schema.model_validate(dict(mapping))
    except ValidationError as error:
        raise HdsrError(f"notebook {name}: {'; '.join(map(describe, error.errors()))}") from None
    if settings.profile == "published":
        raise HdsrError("profile 'published' is the committed outcome of a run: no run writes it")
    return settings


def schema_of(name: str) -> type[Settings]:
    """The schema of a notebook, whose file may be numbered."""
    plain = re.sub(r"^\d+_", "", name)
    if plain not in SCHEMAS:
        raise HdsrError(f"unknown notebook {name!r}: expected one of {', '.join(SCHEMAS)}")
    return SCHEMAS[plain]


def describe(problem: Mapping[str, Any]) -> str:
    """One of pydantic's problems as `parameter scales[0] = 5: Input should be 2, 3 or 4`."""
    name, *place = problem["loc"]
    inside = "".join(f"[{index}]" for index in place)
    message = problem["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    return f"parameter {name}{inside} = {problem['input']!r}: {message}"


def load_parameters(name: str, profile: str) -> dict[str, Any]:
    """What notebooks/params/<profile>.yaml says for a notebook, validated.

    Raises:
        HdsrError: for a profile without a file, a file that is no mapping, or values that are refused.
    """
    path = PARAMETER_FILES / f"{profile}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in PARAMETER_FILES.glob("*.yaml")))
        raise HdsrError(f"unknown profile {profile!r}: expected one of {known}")
    chapters = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(chapters, dict) or not all(isinstance(part, dict) for part in chapters.values()):
        raise HdsrError(f"{path.name}: expected a mapping of parameters for each notebook")
    for chapter, parameters in chapters.items():
        validate(chapter, parameters)
    return {"profile": profile, **chapters.get(re.sub(r"^\d+_", "", name), {})}


def start(name: str, namespace: Mapping[str, Any]) -> Any:
    """Check a notebook's parameters and return them as frozen settings.

    Call it in the cell below the parameters as `settings = notebook.start("benchmarks", globals())`. The
    parameters are the literal assignments of the cells directly above, papermill's injected one included:
    a misspelt name is seen, although papermill only warns about it, and the other variables of a kernel
    that has been in use for a while do no harm.

    Raises:
        HdsrError: in one line, for unknown names, wrong types, or parameters that are no literals.
    """
    if "In" not in namespace:
        raise HdsrError("start() takes globals() of a notebook")
    return validate(name, parameters_in(namespace, schema_of(name)))


def parameters_in(namespace: Mapping[str, Any], schema: type[Settings]) -> dict[str, Any]:
    """The parameters in a kernel: from its history of cells, or all plain variables where it keeps none."""
    history = namespace["In"][1:-1]
    if not history:
        known = schema.model_fields.keys()
        return {key: namespace[key] for key in namespace if key in known or is_plain(key, namespace[key])}
    return latest_parameters(history, schema)


def is_plain(name: str, value: object) -> bool:
    """Whether a variable of a fresh kernel came from a parameters cell: not the kernel's own, no import."""
    return (
        not name.startswith("_")
        and name not in SHELL_NAMES
        and isinstance(value, str | int | float | list | tuple | dict | None)
    )


def latest_parameters(history: list[str], schema: type[Settings]) -> dict[str, Any]:
    """The last unbroken run of cells that assign parameters; a later cell overrides an earlier one."""
    found: dict[str, Any] = {}
    for source in reversed(history):
        assigned = assignments(source)
        is_parameters = bool(assigned) and (
            all(map(is_literal, assigned.values())) or not schema.model_fields.keys().isdisjoint(assigned)
        )
        if not is_parameters and found:
            break
        if is_parameters:
            found = {**{key: literal(key, value) for key, value in assigned.items()}, **found}
    return found


def assignments(source: str) -> dict[str, ast.expr]:
    """Names and values of a cell that consists of nothing but assignments to names; else nothing."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return {}
    pairs = {}
    for statement in statements:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            return {}
        pairs[statement.targets[0].id] = statement.value
    return pairs


def is_literal(value: ast.expr) -> bool:
    """Whether an expression can be evaluated without running code."""
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def literal(name: str, value: ast.expr) -> Any:
    """The value of a literal expression, or HdsrError naming the parameter."""
    if not is_literal(value):
        raise HdsrError(f"parameter {name} = {ast.unparse(value)}: expected a literal value")
    return ast.literal_eval(value)
