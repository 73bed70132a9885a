"""Tables II to V, cell by cell: which way of measuring gives what is printed; and whether HDSRNet leads."""

import math
from dataclasses import dataclass
from functools import cache

import pandas as pd

from hdsr import paper, results
from hdsr.measure.protocols import COMMON, NAMED, TITLES
from hdsr.methods.registry import LOADERS
from hdsr.report.tables import SCORES, pairs, source_label, with_methods
from hdsr.report.thresholds import THRESHOLDS
from hdsr.scorecard.evidence import Evidence
from hdsr.scorecard.printed import NETWORK, place_of, ssim_distance, verdict_of
from hdsr.scorecard.verdict import ADVICE, Claim, Verdict, not_measured

_CELL = ["method", "dataset", "scale"]
_UNVERIFIED = ("DCLS",)
"""Methods whose published weights were matched to layers by their position: rows of them judge nothing until
one of them meets a printed cell."""


ONE_PROTOCOL = "measured by this project's protocol only, which does not give it"


def cells(evidence: Evidence) -> pd.DataFrame:
    """Every printed cell with its verdict.

    Columns: table, dataset, method, scale; psnr_db_printed, ssim_printed; psnr_db, ssim (by this project's
    protocol, absent where not measured); protocol, psnr_db_explained, ssim_explained (of the protocol that
    gives the cell; of those that do, the one that gives most cells of the method; if none does, the nearest);
    verdict; reason.
    """
    printed = paper.quality()
    offers = offered(printed, evidence)
    liked = offers.groupby(["method", "way"])["met"].sum()
    by_cell = {place: part.set_index("way") for place, part in offers.groupby(_CELL)}
    traced, present, lines = _traced_cells(printed), _Present.of(evidence.quality), []
    for line in printed.itertuples():
        place = (line.method, line.dataset, line.scale)
        found = judged(by_cell.get(place, offers.head(0)), liked.get(line.method, pd.Series(dtype=int)))
        if place in traced and found["verdict"] == Verdict.NOT_MEASURED:
            found |= {"verdict": Verdict.TRACED, "reason": "the mean of SelfExSR's published results"}
        if found["verdict"] == Verdict.NOT_MEASURED and not found["reason"]:
            found["reason"] = _missing_reason(place, present)
        lines.append({"table": line.table, **dict(zip(_CELL, place, strict=True)), **found})
    scores = printed[["psnr_db", "ssim"]].add_suffix("_printed").reset_index(drop=True)
    return pd.concat([pd.DataFrame(lines), scores], axis=1)


def offered(printed: pd.DataFrame, evidence: Evidence) -> pd.DataFrame:
    """Means by each protocol beside the printed cell, and whether they meet it."""
    measured = means(evidence.judging(_by_protocol(evidence)))
    both = measured[measured["complete"]].merge(printed, on=_CELL, suffixes=("", "_printed"))
    both["met"] = meets(both)
    verified = both.groupby("method")["met"].transform("any") | ~both["method"].isin(_UNVERIFIED)
    return both[verified]


def _by_protocol(evidence: Evidence) -> pd.DataFrame:
    """All rows by named protocols, with a column `way`; result rows are by the common one."""
    rows = evidence.quality.assign(way=COMMON)
    if evidence.protocols.empty:
        return rows
    others = evidence.protocols["way"].isin([way for way in NAMED if way != COMMON])
    return pd.concat([rows, evidence.protocols[others]], ignore_index=True)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of whole sets, one for each method, set, scale and protocol; authors' weights before others."""
    rows = rows[rows["precision"] == "fp32"]
    parts = [results.summarize(part).assign(way=way) for way, part in rows.groupby("way")]
    found = with_methods(pd.concat(parts) if parts else results.summarize(rows).assign(way=""))
    order = found["weights"].ne("authors")
    found = found.assign(after=order).sort_values("after", kind="stable").drop(columns="after")
    return found.drop_duplicates([*_CELL, "way"])


def meets(both: pd.DataFrame) -> pd.Series:
    """Whether means at printed precision are the printed values, within the thresholds."""
    met = pd.Series(True, both.index)
    for column, (_, digits) in SCORES.items():
        # counted in whole steps of the last printed digit: as fractions, 0.01 may be more than 0.01
        steps = [(both[name] * 10**digits).round() for name in (column, f"{column}_printed")]
        met &= (steps[0] - steps[1]).abs() <= THRESHOLDS[column].value * 10**digits + 1e-6
    return met


def judged(ways: pd.DataFrame, liked: pd.Series) -> dict[str, object]:
    """The verdict on one cell, by its lines of `offered` and the method's cells that each protocol meets."""
    if COMMON not in ways.index:
        scores = ("psnr_db", "ssim", "psnr_db_explained", "ssim_explained")
        return dict.fromkeys(scores, math.nan) | {
            "protocol": "",
            "verdict": Verdict.NOT_MEASURED,
            "reason": "",
        }
    met = ways.index[ways["met"]]
    chosen = COMMON if COMMON in met else max(met, key=liked.get, default=distance(ways).idxmin())
    verdict = Verdict.CONTRADICTED if met.empty else Verdict.EXPLAINED
    reason = "nearest: " * met.empty + TITLES[chosen]
    if met.empty and len(ways) == 1:  # another protocol may give the cell
        verdict, reason = Verdict.NOT_MEASURED, ONE_PROTOCOL
    elif chosen == COMMON and len(met):
        verdict, reason = Verdict.REPRODUCED, "by this project's protocol"
    own, best = ways.loc[COMMON], ways.loc[chosen]
    return {
        **{name: own[name] for name in ("psnr_db", "ssim")},
        "protocol": chosen,
        **{f"{name}_explained": best[name] for name in ("psnr_db", "ssim")},
        "verdict": verdict,
        "reason": reason,
    }


def distance(ways: pd.DataFrame) -> pd.Series:
    """How far each protocol is from the print, in thresholds."""
    return sum(
        (ways[name] - ways[f"{name}_printed"]).abs() / THRESHOLDS[name].value for name in ("psnr_db", "ssim")
    )


def _traced_cells(printed: pd.DataFrame) -> set[tuple[str, str, int]]:
    found = paper.selfexsr().groupby(_CELL, as_index=False)[["psnr_db", "ssim"]].mean()
    both = found.merge(printed, on=_CELL, suffixes=("", "_printed"))
    return set(both.loc[meets(both), _CELL].itertuples(index=False, name=None))


@cache
def _implemented() -> frozenset[str]:
    """Methods that the registry has, as the paper prints them."""
    return frozenset(map(paper.label, LOADERS))


@dataclass(frozen=True)
class _Present:
    """What there is of sets and scores, also of such as can judge nothing."""

    images: dict[str, tuple[int, int]]
    """How many images of a set are here, and how many it has."""
    scores: dict[tuple[str, str, int], str]
    """Means, and whose weights they are of, by method, set and scale."""

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "_Present":
        """What all result rows hold."""
        images = {
            name: (part["image"].nunique(), part["expected"].iloc[-1])
            for name, part in rows.groupby("dataset")
        }
        found = means(rows.assign(way=COMMON))
        texts = found["weights"].map(source_label) + ": " + pairs(found, "psnr_db", "ssim")
        return cls(images, dict(zip(found[_CELL].itertuples(index=False, name=None), texts, strict=True)))


def _missing_reason(place: tuple[str, str, int], present: _Present) -> str:
    """Why there is no mean of a method on a set at a scale that could judge a cell."""
    method, dataset, _ = place
    if method not in _implemented():
        return "no implementation here"
    if dataset not in present.images:
        return f"no rows of {dataset} in this report; {ADVICE}"
    images, expected = present.images[dataset]
    if images < expected:
        return f"{images} of {expected} images of {dataset} are here; {ADVICE}"
    if place not in present.scores:
        return f"no weights of its authors at this scale in this report; {ADVICE}"
    doubt = "matched by position, " if method in _UNVERIFIED else ""
    return f"only with weights that cannot judge it ({doubt}{present.scores[place]})"


def cell_claims(judged_cells: pd.DataFrame) -> list[Claim]:
    """The printed cells as claims."""
    printed = pairs(judged_cells, "psnr_db_printed", "ssim_printed")
    here = pairs(judged_cells, "psnr_db", "ssim", extra=1)
    best = pairs(judged_cells, "psnr_db_explained", "ssim_explained", extra=1)
    return [
        Claim(
            where=f"Table {line.table}",
            claim=f"{line.dataset} ×{line.scale}: PSNR/SSIM of {line.method}",
            published=text,
            measured="" if pd.isna(line.psnr_db) else _with_best(own, other, line.verdict),
            verdict=line.verdict,
            reason=line.reason,
        )
        for line, text, own, other in zip(judged_cells.itertuples(), printed, here, best, strict=True)
    ]


def _with_best(own: str, best: str, verdict: Verdict) -> str:
    """Scores by this project's protocol, and where another one comes nearer what that gives."""
    how = "as explained" if verdict == Verdict.EXPLAINED else "by the nearest protocol"
    return own if own == best else f"{own}; {how} {best}"


def lead_claims(evidence: Evidence) -> list[Claim]:
    """HDSRNet, measured, is ahead of every other method on each set and at each scale."""
    rows = evidence.judging(evidence.quality).assign(way=COMMON)
    measured, present = means(rows).query("complete"), _Present.of(evidence.quality)
    return [
        _lead_claim(column, measured.merge(column[["dataset", "scale"]].drop_duplicates()), present)
        for _, column in paper.quality().groupby(["dataset", "scale"], sort=False)
    ]


def _lead_claim(column: pd.DataFrame, measured: pd.DataFrame, present: "_Present") -> Claim:
    """HDSRNet is ahead of every other method of a column: as measured, else as printed.

    Printed cells whose SSIM is unlikely (see `hdsr.scorecard.printed.ssim_distance`) are left out.
    """
    table, where = place_of(column)
    claim = f"{where}: HDSRNet has the highest PSNR and SSIM"
    scores = measured.set_index("method")[["psnr_db", "ssim"]]
    if NETWORK not in scores.index:
        place = column.iloc[0]
        reason = _missing_reason((NETWORK, place["dataset"], place["scale"]), present)
        return not_measured(table, claim, reason)
    likely = column.set_index("method")[ssim_distance(column).abs() <= THRESHOLDS["unlikely"].value]
    rivals, own = scores.combine_first(likely[["psnr_db", "ssim"]]).drop(NETWORK), scores.loc[NETWORK]
    ahead = rivals.index[(rivals >= own).any(axis=1)].tolist()
    lead = own - rivals.max()
    told = f"{own['psnr_db']:.2f}/{own['ssim']:.4f}, lead {lead['psnr_db']:+.2f}/{lead['ssim']:+.4f}"
    reason = "others as measured, or else as printed"
    return Claim(
        table,
        claim,
        "",
        told,
        verdict_of(not ahead),
        "; ahead: ".join([reason, *[", ".join(ahead)] * bool(ahead)]),
    )
