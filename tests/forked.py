"""Commands in processes forked off one that has imported what training needs: seconds less for each."""

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["accelerate", "hdsr.cli", "hdsr.training.loop"])


def start(*words: str, **environment: str) -> BaseProcess:
    """Start `hdsr` with these words, and more in its environment; nothing of what it prints is shown."""
    process = _CONTEXT.Process(target=_main, args=(words, environment))
    process.start()
    return process


def _main(words: tuple[str, ...], environment: dict[str, str]) -> None:
    from hdsr import cli

    os.environ |= environment
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(cli.main(list(words)))


def ended(process: BaseProcess) -> int | None:
    """Wait for a process, and return its exit code, negative for the signal that ended it."""
    process.join()
    return process.exitcode
