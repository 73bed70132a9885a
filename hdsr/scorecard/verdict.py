"""A claim of the paper and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

ADVICE = "`hdsr data fetch` brings what is published"


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    EXPLAINED = "explained"
    """A cell that another way of measuring gives."""
    TRACED = "traced"
    """A cell that was not measured, but taken from a publication that is at hand."""
    CONTRADICTED = "contradicted"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Claim:
    """One claim of the paper and what became of it."""

    where: str
    """The table, figure or section."""
    claim: str
    """What the paper says, in our words."""
    published: str
    """The numbers it prints."""
    measured: str
    """The numbers that the verdict rests on; empty where there are none."""
    verdict: Verdict
    reason: str
    """What differs and for what cause, or what is missing."""


def not_measured(where: str, claim: str, reason: str, published: str = "") -> Claim:
    """A claim that nothing at hand can judge."""
    return Claim(where, claim, published, "", Verdict.NOT_MEASURED, reason)
