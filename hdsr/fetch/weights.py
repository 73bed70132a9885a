"""Which files hold the weights of a method, and whether they are those that are known by their names."""

from pathlib import Path

from hdsr.errors import HdsrError, meant
from hdsr.fetch import manifest
from hdsr.paths import OWN_WEIGHTS, data_root

PUBLISHED = ("authors", "others")
"""Sources of weights that a data folder may hold: the paper's authors, and others who trained its network."""


def weights_files(
    scale: int, weights: str | Path = "ours", root: str | Path | None = None, model: str = "hdsrnet"
) -> tuple[Path, ...]:
    """Where the weights named "ours", "authors", "others" or by a file's path lie for a scale (2, 3 or 4).

    Published ones have the names that the manifest gives them; <model>_<weights>_x<scale>.pth if it does not
    have them. Of a method that takes several files, the one named is the first; the others lie beside it.
    """
    if weights == "ours":
        return (OWN_WEIGHTS / f"{model}_x{scale}.safetensors",)
    if weights in PUBLISHED:
        entries = manifest.weights_of(model, scale, str(weights))
        names = [entry.file for entry in entries] or [f"{model}_{weights}_x{scale}.pth"]
        return tuple(data_root(root) / "weights" / name for name in names)
    further = manifest.weights_of(model, scale)[1:]
    return (Path(weights), *(Path(weights).with_name(entry.file) for entry in further))


def weights_path(scale: int, weights: str | Path = "ours", root: str | Path | None = None) -> Path:
    """Where HDSRNet's weights lie; see `weights_files`."""
    return weights_files(scale, weights, root)[0]


def find_weights(
    scale: int, weights: str | Path = "ours", root: str | Path | None = None, model: str = "hdsrnet"
) -> tuple[Path, ...]:
    """The files of these weights; HdsrError that says how to get them where one is not there."""
    paths = weights_files(scale, weights, root, model)
    for path in paths:
        if path.is_file():
            check_known(path, data_root(root))
            continue
        if weights not in PUBLISHED:
            raise HdsrError(f"no weights at {path}{meant(weights, ('ours', *PUBLISHED))}")
        how = _advice(scale, weights, model)
        raise HdsrError(f"the published weights of {model} for x{scale} are not at {path}; {how}")
    return paths


def check_known(path: Path, root: Path) -> None:
    """Raise HdsrError if a file lies where weights that ship or are published belong, and is not the one.

    Args:
        path: of a file that is there.
        root: the data folder.
    """
    folder, known = path.parent.resolve(), {}
    if folder == (root / "weights").resolve():
        known |= {entry.file: entry.checksum for entry in manifest.weights()}
    if folder == OWN_WEIGHTS.resolve():
        known |= manifest.shipped(OWN_WEIGHTS)
    fault = known[path.name].fault(path) if path.name in known else None
    if fault:
        raise HdsrError(
            f"{path} is not what is known by that name: {fault}; fetch it again (`hdsr data fetch`, or git), "
            f"or keep weights of your own under another name or in another folder"
        )


def _advice(scale: int, weights: str, model: str) -> str:
    """How to get published weights that are not there."""
    if manifest.weights_of(model, scale, weights):
        return (
            f"`hdsr data fetch {manifest.weights_of(model, scale, weights)[0].model}` brings what is missing"
        )
    scales = {scale for entry in manifest.weights_of(model, None, weights) for scale in entry.scales}
    if scales:
        return f"they are published for {', '.join(f'x{scale}' for scale in sorted(scales))} only"
    return "they have no lasting address, so put the file there yourself"


def list_shipped(path: Path) -> None:
    """Put a file on the list of weights that ship, if it lies in their folder."""
    if path.resolve().parent == OWN_WEIGHTS.resolve():
        manifest.list_shipped(path.resolve())
