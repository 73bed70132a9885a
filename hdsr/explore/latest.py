"""Work that changes on the page ask for, on a thread of its own: the latest change wins."""

import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from torch.overrides import TorchFunctionMode

Task = TypeVar("Task")


class Superseded(Exception):
    """A newer task has come while this one was worked on."""


class Latest(Generic[Task]):
    """Does the newest of the tasks that it is given; one that is followed by another is dropped.

    Attributes:
        task: the newest.
        lock: held while a result is shown; hold it to change what a task is made from.
    """

    def __init__(self, work: Callable[[Task], None], busy: Callable[[bool], None], done: Task) -> None:
        """Be idle.

        Args:
            work: does a task, calls `check` on the way, and shows its result while it holds `lock`.
            busy: is told True when a task has come, and False when none is left; `lock` is held.
            done: what has been done already.
        """
        self._work, self._busy = work, busy
        self.task = self._begun = done
        self.lock = threading.RLock()
        self._idle = threading.Condition(self.lock)
        self._thread: threading.Thread | None = None

    def do(self, task: Task) -> None:
        """Do this task, an object of its own, and no longer any other. Returns at once."""
        with self.lock:
            self.task = task
            self._busy(True)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hdsr explorer")
                self._thread.start()

    def check(self) -> None:
        """Raise Superseded if there is something newer to be done, or the program ends."""
        if self.task is not self._begun or not threading.main_thread().is_alive():
            raise Superseded

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to be done; whether that is so."""
        with self._idle:
            return self._idle.wait_for(lambda: self._thread is None, timeout_s)

    def _run(self) -> None:
        while self._begin():
            try:
                with _Interruptible(self.check):
                    self._work(self._begun)
            except Superseded:
                pass
            except Exception:
                traceback.print_exc()

    def _begin(self) -> bool:
        """Take the newest task; False, and the end of the thread, if it is done or the program ends."""
        with self._idle:
            if self._begun is not self.task and threading.main_thread().is_alive():
                self._begun = self.task
                return True
            self._thread = None
            self._busy(False)
            self._idle.notify_all()
            return False


class _Interruptible(TorchFunctionMode):
    """Calls `check` before every operation of torch, on this thread only, so that it can end any network."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self.check = check

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.check()
        return function(*args, **(kwargs or {}))
