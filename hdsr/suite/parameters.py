"""The parameters of a notebook, from a profile or from its own cells, checked before any work begins."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.settings import (
    BenchmarkTableSettings,
    ComplexitySettings,
    DataSettings,
    DynamicsSettings,
    ExploreSettings,
    FigureSettings,
    NetworkSettings,
    RuntimeSettings,
    ScorecardSettings,
    Settings,
    TrainingSettings,
)

PARAMETER_FILES = paths.PARAMETERS
SHELL_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}

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

    Call it in the cell below the parameters as `settings = parameters.start("benchmarks", globals())`. The
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
