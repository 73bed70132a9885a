"""What a result was made with: commit and versions."""

import subprocess
from importlib.metadata import version
from platform import python_version

from hdsr.paths import PROJECT

PACKAGES = ("torch", "torchvision", "numpy", "scikit-image", "pillow", "accelerate", "safetensors")


def commit() -> str | None:
    """The commit of the checkout, with "+changes" where files differ from it; None outside a checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "hdsr")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Version of Python and of the packages that results depend on."""
    return {"python": python_version()} | {name: version(name) for name in PACKAGES}
