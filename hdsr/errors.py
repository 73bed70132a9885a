"""The one exception that stands for bad input: its message is one line, fit to be shown as it is."""


class HdsrError(ValueError):
    """Input that cannot be used. The message names the offending value and what was expected."""
