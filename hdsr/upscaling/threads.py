"""Torch's threads, shared out among images that are enlarged at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Semaphore

import torch

PIXELS_PER_THREAD = 256**2
"""LR pixels of an image for each of its threads. Small images are faster side by side in a thread each, as
none waits for another; large ones would take too much memory so."""


class SharedThreads:
    """As many threads as torch has been told to use; images take some of them in turn.

    Attributes:
        number: how many there are in all.
    """

    def __init__(self) -> None:
        self.number = torch.get_num_threads()
        self._free = Semaphore(self.number)
        self._turn = Lock()
        self._is_first = True

    def wanted(self, pixels: int, device: str) -> int:
        """How many an image of so many LR pixels takes; all of them on a device that is no CPU."""
        if device != "cpu":
            return self.number
        return min(-(-pixels // PIXELS_PER_THREAD), self.number)

    @contextmanager
    def taken(self, number: int) -> Iterator[None]:
        """Have torch use so many threads in the calling one, as soon as they are free.

        The first caller gets all of them: what is compiled, probed or tuned at a first use happens once.
        """
        with self._turn:  # who waits for many is not overtaken by those who need few
            number, self._is_first = self.number if self._is_first else number, False
            for _ in range(number):
                self._free.acquire()
        try:
            torch.set_num_threads(number)  # of the calling thread
            yield
        finally:
            for _ in range(number):
                self._free.release()


@contextmanager
def shared_threads() -> Iterator[SharedThreads]:
    """Torch's threads to be shared out; afterwards torch uses as many as before."""
    threads = SharedThreads()
    try:
        yield threads
    finally:
        torch.set_num_threads(threads.number)
