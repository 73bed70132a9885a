"""Reports on the command line: execute notebooks, render them as web pages, publish a complete run.

The Makefile calls this as `python -m hdsr.suite`, once for each notebook and page: what a command needs is
imported when it runs.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hdsr import cli, paths
from hdsr.errors import HdsrError
from hdsr.suite import execute

PUBLISHED = ("rows", "tables", "figures", "html", "index.html")
LEFT_OUT = (".*", "*.pdf")
"""Not published: marks, locks, and figures for print, which a run makes again from the rows."""
PUBLISHED_LIMIT_MB = 22
"""What is published is committed, so every clone carries it."""

Name = Annotated[str, typer.Argument(help="A notebook, such as 02_benchmarks.")]
Profile = Annotated[str, typer.Option(help="Which of notebooks/params/ to use.")]

app = typer.Typer(
    help="Execute the notebooks and render them as web pages.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def run(name: Name, profile: Profile = "quick") -> None:
    """Execute one notebook with the parameters of a profile."""
    execute.run(name, profile)


@app.command()
def render(name: Name, profile: Profile = "quick") -> None:
    """Write the page of an executed notebook."""
    from hdsr.suite import pages

    pages.render(name, profile, execute.notebook_names())


@app.command()
def graph() -> None:
    """Draw the packages of hdsr and what they import into docs/house.svg."""
    from hdsr.suite import house

    print(house.draw())


@app.command()
def index(profile: Profile = "quick") -> None:
    """Write the overview of a profile in which all notebooks have been executed."""
    from hdsr.suite import index as first_page

    announce(first_page.write_index(profile, execute.notebook_names()))


@app.command()
def report(profile: Profile = "quick") -> None:
    """Write the pages of what has been executed, and the overview, without executing anything."""
    from hdsr.suite import index as first_page
    from hdsr.suite import pages

    names = [name for name in execute.notebook_names() if execute.executed_path(name, profile).is_file()]
    for name in names:
        pages.render(name, profile, names)
    announce(first_page.write_index(profile, names))


def announce(page: Path) -> None:
    """Say what to open in a browser."""
    print(f"Open {execute.shown(page)}")


@app.command()
def refresh(names: Annotated[list[str] | None, typer.Argument(help="All if none is named.")] = None) -> None:
    """Execute notebooks in place to renew the outputs stored in them; reports go to a temporary folder."""
    from hdsr.suite import regression

    with tempfile.TemporaryDirectory(prefix="hdsr-reports-") as reports:
        regression.refresh(names or execute.notebook_names(), Path(reports))


@app.command()
def verdicts(profile: Profile = "quick") -> None:
    """Print the verdict on every claim of the paper that the scorecard of a profile has reached."""
    from hdsr.scorecard import scorecard

    print("\n".join(scorecard.verdict_lines(scorecard.read_verdicts(paths.report_dir(profile)))))


@app.command()
def publish(profile: Profile = "quick") -> None:
    """Copy a complete run to reports/published/, in place of what was there."""
    lacking = unfinished(profile)
    if lacking:
        raise HdsrError(
            f"profile {profile!r} is not complete, run `make reproduce` first: {', '.join(lacking)}"
        )
    copy_report(paths.report_dir(profile), paths.PUBLISHED)


@app.command("readmes")
def renew_readmes() -> None:
    """Renew the tables in the READMEs from reports/published/ and the weights that ship."""
    from hdsr.suite import readmes

    readmes.renew()


def unfinished(profile: str) -> list[str]:
    """What a complete run has and this one lacks: files that are missing, or older than their source."""
    from hdsr.suite import pages

    names, folder = execute.notebook_names(), paths.report_dir(profile)
    index = pages.index_path(profile)
    chain = [(execute.executed_path(name, profile), pages.page_path(name, profile), index) for name in names]
    needed = [path for paths_of_one in chain for path in paths_of_one] + [folder / part for part in PUBLISHED]
    missing = [path for path in dict.fromkeys(needed) if not path.exists()]
    if missing:
        return [f"no {path.relative_to(folder)}" for path in missing]
    ages = {path: path.stat().st_mtime for path in needed}
    stale = [page for document, page, _ in chain if ages[page] < ages[document] or ages[index] < ages[page]]
    return [f"{page.relative_to(folder)} is not up to date" for page in stale]


def copy_report(report: Path, published: Path) -> None:
    """Replace a published report by another, by two renamings once all has been copied.

    The paper's own pictures, which a run shows where the user has them, are left out. README.md is added.

    Raises:
        HdsrError: if the copy is larger than PUBLISHED_LIMIT_MB; the published report is then as it was.
    """
    from hdsr.suite import index as first_page
    from hdsr.suite import pages

    with tempfile.TemporaryDirectory(prefix=".published.partial-", dir=published.parent) as folder:
        copy = Path(folder) / published.name
        copy.mkdir()
        for part in PUBLISHED:
            if (report / part).is_dir():
                shutil.copytree(report / part, copy / part, ignore=shutil.ignore_patterns(*LEFT_OUT))
            else:
                shutil.copy2(report / part, copy / part)
        for page in (copy / "html").glob("*.html"):
            page.write_text(pages.without_paper_pictures(page.read_text("utf-8")), encoding="utf-8")
        (copy / "README.md").write_text(first_page.readme(copy), encoding="utf-8")
        check_size(copy)
        if published.exists():
            published.replace(Path(folder) / "before")
        copy.replace(published)


def check_size(folder: Path) -> None:
    """Raise HdsrError, naming the largest files, if a report is larger than PUBLISHED_LIMIT_MB."""
    megabytes = {path: path.stat().st_size / 1e6 for path in folder.rglob("*") if path.is_file()}
    total = sum(megabytes.values())
    if total > PUBLISHED_LIMIT_MB:
        largest = sorted(megabytes, key=megabytes.__getitem__, reverse=True)[:3]
        named = ", ".join(f"{path.relative_to(folder)} ({megabytes[path]:.1f})" for path in largest)
        limit = f"expected at most {PUBLISHED_LIMIT_MB}"
        raise HdsrError(f"the report has {total:.1f} MB, {limit}; its largest files: {named}")


def main() -> int:
    """Run a command and return its exit code; an error is one line on stderr, as of the command `hdsr`."""
    return cli.run_program(app, "python -m hdsr.suite")
