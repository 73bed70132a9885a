"""`make faults`: thousands of damaged, odd and hostile inputs and killed processes, seeded, counted by kind.

A trial holds if what comes out is right, or is refused in one line that names the file. Everything else is a
violation: another exception, other pixels, rows or tensors than the right ones, a file left behind, memory
beyond a limit, or no end after three minutes.
"""

import argparse
import os
import signal
import sys
import tempfile
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import kinds
import numpy as np
import trainings  # noqa: F401  puts its kinds on the list
from tqdm import tqdm

LONGEST_TRIAL_S = 180
SHOWN = 10
"""Violations of a kind that are told in full."""

Trial = Callable[[], str]
"""Answers "right" or "refused"; whatever it raises is a violation."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise TimeoutError in what takes longer than a trial may."""

    def end(*_: object) -> None:
        raise TimeoutError(f"no end after {LONGEST_TRIAL_S} s")

    signal.signal(signal.SIGALRM, end)
    signal.alarm(LONGEST_TRIAL_S)
    try:
        yield
    finally:
        signal.alarm(0)


def run_kind(kind: kinds.Kind, seed: int, share: float) -> tuple[Counter, list[str]]:
    """How the trials of a kind ended, and what was wrong in those that did not hold."""
    random = np.random.default_rng([seed, zlib.crc32(kind.__name__.encode())])
    outcomes, violations = Counter(), []
    with tempfile.TemporaryDirectory(prefix="hdsr-faults-") as folder:
        for name, trial in tqdm(kind(random, Path(folder), share), kind.__name__, disable=None, leave=False):
            try:
                with time_limit():
                    outcomes[trial()] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                outcomes["violations"] += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(where.filename).name}:{where.lineno}"
                violations.append(f"{name}: {type(error).__name__}: {error} ({place})")
    return outcomes, violations


def main() -> int:
    """Run the kinds asked for, print a table of them, and fail if there was a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(kinds.KINDS)}; all if none is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of trials")
    chosen = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    print("| kind | trials | right | refused by name | violations |\n| --- | ---: | ---: | ---: | ---: |")
    total, told = Counter(), []
    for name in chosen.kinds or kinds.KINDS:
        outcomes, violations = run_kind(kinds.KINDS[name], chosen.seed, chosen.share)
        print(line(name.replace("_", " "), outcomes), flush=True)
        total += outcomes
        told += [f"{name}: {violation}" for violation in violations[:SHOWN]]
    print(line("in all", total))
    print("\n".join(told), file=sys.stderr)
    return 1 if total["violations"] else 0


def line(name: str, outcomes: Counter) -> str:
    """A line of the table."""
    counts = (sum(outcomes.values()), *(outcomes[key] for key in ("right", "refused", "violations")))
    return f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |"


if __name__ == "__main__":
    sys.exit(main())
