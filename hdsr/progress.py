"""Progress bars."""

from typing import Any

from tqdm.auto import tqdm


def bar(*what: Any, shown: bool | None, **how: Any) -> tqdm:
    """tqdm's bar; `shown` may be None: on a terminal only."""
    return tqdm(*what, disable=None if shown is None else not shown, **how)
