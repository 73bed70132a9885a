"""The parameters that a profile has for each notebook, checked before any work begins."""

import re
from typing import Any

import yaml

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
    ProtocolSettings,
    RuntimeSettings,
    ScorecardSettings,
    Settings,
    TrainingSettings,
)

PARAMETER_FILES = paths.PARAMETERS

SCHEMAS: dict[str, type[Settings]] = {
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
    "protocols": ProtocolSettings,
}


def schema_of(name: str) -> type[Settings]:
    """The schema of a notebook, "benchmarks" or by its file's name, "02_benchmarks"."""
    plain = re.sub(r"^\d+_", "", name)
    if plain not in SCHEMAS:
        raise HdsrError(f"unknown notebook {name!r}: expected one of {', '.join(SCHEMAS)}")
    return SCHEMAS[plain]


def load_parameters(name: str, profile: str) -> dict[str, Any]:
    """What notebooks/params/<profile>.yaml says for a notebook, validated.

    Raises:
        HdsrError: for a profile without a file, a file that is no mapping, or values that are refused.
    """
    path = PARAMETER_FILES / f"{profile}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in PARAMETER_FILES.glob("*.yaml")))
        raise HdsrError(f"unknown profile {profile!r}: expected one of {known}")
    parameters = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(parameters, dict) or not all(isinstance(part, dict) for part in parameters.values()):
        raise HdsrError(f"{path.name}: expected a mapping of parameters for each notebook")
    for notebook, values in parameters.items():
        schema_of(notebook)(**values)
    return {"profile": profile, **parameters.get(re.sub(r"^\d+_", "", name), {})}
