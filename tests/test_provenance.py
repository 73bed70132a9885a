"""What code depends on, read off its imports: in a small made package, and for the real notebooks."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hdsr import files, paths, provenance

FILES = {
    "hdsr/__init__.py": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from hdsr.network import Net
        _HOMES = {"Net": "hdsr.network"}
        """,
    "hdsr/paths.py": 'CONFIGS = "configs"\n',
    "hdsr/files.py": "",
    "hdsr/network.py": "from hdsr import files\nclass Net: ...\n",
    "hdsr/page.py": 'STYLE = "page.css"\nTEMPLATES = "templates"\nNAME = "explore"\n',
    "hdsr/page.css": "",
    "hdsr/templates/deep/page.html": "",
    "hdsr/templates/README.md": "",
    "hdsr/explore/__init__.py": "",
    "hdsr/explore/panel.py": "",
    "hdsr/explore/panel.js": "",
    "hdsr/late.py": "def run():\n    from hdsr.explore import panel\n",
    "hdsr/named.py": 'COMMAND = ["-m", "hdsr.explore.panel"]\n',
    "hdsr/typed.py": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from hdsr import network
        """,
    "hdsr/configured.py": "from hdsr import paths\nprint(paths.CONFIGS, paths.PROJECT)\n",
    "data/configs/a.yaml": "",
    "data/configs/logs/a.csv": "",
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], set[str]]]:
    """The closure of code in a project of FILES, as paths relative to it, without the package itself."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
    folders = {"PROJECT": ".", "CONFIGS": "data/configs", "LOGS": "data/configs/logs"}
    for name, folder in folders.items():
        monkeypatch.setattr(paths, name, tmp_path / folder)
    caches = (provenance._used_by, provenance._files_behind, provenance._offered, provenance._digest)
    for cached in caches:
        cached.cache_clear()
    yield (
        lambda source: (
            {path.relative_to(tmp_path).as_posix() for path in provenance.closure(source)}
            - {"hdsr/__init__.py"}
        )
    )
    for cached in caches:
        cached.cache_clear()


PANEL = {"hdsr/explore/__init__.py", "hdsr/explore/panel.py"}
NETWORK = {"hdsr/network.py", "hdsr/files.py"}


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import numpy\nfrom pathlib import Path", set()),
        ("import hdsr", set()),
        ("from hdsr import files", {"hdsr/files.py"}),
        ("import hdsr.network", NETWORK),
        ("import hdsr.network as n", NETWORK),
        ("from hdsr.network import Net", NETWORK),
        ("from hdsr import Net", NETWORK),
        ("import hdsr\nhdsr.Net(2)", NETWORK),
        ("import hdsr as h\nprint(h.Net(2).scale)", NETWORK),
        ("from hdsr.explore import panel", PANEL),
        ("%matplotlib inline\n!ls\nfrom hdsr.explore.panel import x", PANEL),
        ("from hdsr import late", {"hdsr/late.py", *PANEL}),
        ("from hdsr import named", {"hdsr/named.py", *PANEL}),
        ("from hdsr import typed", {"hdsr/typed.py"}),
        ("from hdsr import page", {"hdsr/page.py", "hdsr/page.css", "hdsr/templates/deep/page.html"}),
        ("from hdsr import paths", {"hdsr/paths.py"}),
        ("from hdsr import configured", {"hdsr/configured.py", "hdsr/paths.py", "data/configs/a.yaml"}),
        ("from hdsr.paths import LOGS", {"hdsr/paths.py", "data/configs/logs/a.csv"}),
    ],
)
def test_what_code_depends_on(made: Callable[[str], set[str]], source: str, files: set[str]) -> None:
    assert made(source) == files


def test_the_code_of_a_row_is_what_its_modules_import(
    made: Callable[[str], set[str]], tmp_path: Path
) -> None:
    def version_when(name: str, text: str) -> str:
        before = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
        provenance._digest.cache_clear()
        found = provenance.code_version(sys.modules["hdsr.network"])
        (tmp_path / name).write_text(before, encoding="utf-8")
        provenance._digest.cache_clear()
        return found

    from hdsr import network

    plain = provenance.code_version(network)
    documented = '"""Words."""\nfrom hdsr import files  # why\n\n\nclass Net:\n    ...\n'
    assert version_when("hdsr/network.py", documented) == plain
    assert version_when("hdsr/files.py", "x = 1\n") != plain
    assert version_when("hdsr/page.py", "x = 1\n") == plain


def test_code_version_of_a_function_alone() -> None:
    assert provenance.code_version(files.sha256) != provenance.code_version(files.atomic_path)
    assert provenance.code_version(files.sha256) != provenance.code_version(files)


def test_nothing_that_runs_is_missed() -> None:
    """Every module of hdsr that importing one of its widest modules loads is in that module's closure."""
    code = """
import sys, hdsr.cli, hdsr.scorecard.scorecard
print(*(module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "hdsr"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {Path(name) for name in done.stdout.split()}
    assert len(loaded) > 10
    assert loaded <= provenance.closure("import hdsr.cli, hdsr.scorecard.scorecard")


def test_a_copy_inside_another_checkout_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "one"], check=True)
    monkeypatch.setattr(paths, "PROJECT", tmp_path.resolve())
    assert re.fullmatch(r"[0-9a-f]{12}", provenance.commit())
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr(paths, "PROJECT", tmp_path.resolve() / "copy")
    assert provenance.commit() is None


def test_it_needs_no_package() -> None:
    """A bare Python reads what the notebooks depend on, before anything is installed."""
    code = (
        "import sys, hdsr.provenance as p; p.closure('import hdsr.scorecard.scorecard'); "
        "print('numpy' in sys.modules)"
    )
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, cwd=paths.PROJECT, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "False\n"
