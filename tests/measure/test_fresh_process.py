import numpy as np
import pytest

from hdsr.errors import HdsrError
from hdsr.measure import fresh_process

MIB = 2**20


def fill(mebibytes: int) -> int:
    return len(np.ones(mebibytes * MIB, np.uint8))


def fail() -> None:
    raise HdsrError("no such thing")


def die() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_the_peak_is_that_of_the_work_and_not_of_this_process() -> None:
    ballast = np.ones(600 * MIB, np.uint8)
    size, peak = fresh_process.run(fill, 200)
    assert size == 200 * MIB
    assert 200 * MIB < peak < len(ballast)


def test_a_peak_can_be_forgotten() -> None:
    fill(300)
    high = fresh_process.peak_rss_bytes()
    fresh_process.forget_peak()
    assert fresh_process.peak_rss_bytes() < high - 200 * MIB


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(HdsrError, match="no such thing"):
        fresh_process.run(fail)


def test_a_killed_process_is_an_error() -> None:
    with pytest.raises(HdsrError, match="the process was killed"):
        fresh_process.run(die)
