"""What ways of measuring change: one thing at a time, all methods by one protocol, leads, corrections."""

from collections.abc import Callable, Sequence

import pandas as pd

from hdsr import paper, results
from hdsr.measure.protocols import COMMON, NAMED, TITLES, VARIED
from hdsr.report.tables import ABSENT, SCORES, Table, crossed, labelled, pairs, with_variants

_OPEN = "open"
"""In place of a verdict, where one protocol was tried and does not give the cell."""
_SENSITIVITY_COLUMNS = [
    *("dataset", "way", "changed", "model", "variant", "weights", "scale", "n"),
    *("psnr_db", "ssim", "psnr_difference_db", "ssim_difference"),
]


def sensitivity(rows: pd.DataFrame) -> Table:
    """Scores as everywhere here, and how far the mean over a set moves when one thing is changed.

    Of the rows, those by protocols and of one device and precision, the set that has single changes is shown.
    """
    varied = rows[rows["way"].isin(VARIED)]
    if varied.empty:
        caption = "How far scores move when one thing is done otherwise"
        notes = ("Neither bicubic nor HDSRNet was measured on a set that is there.",)
        numbers = pd.DataFrame(columns=_SENSITIVITY_COLUMNS)
        return Table("sensitivity", caption, numbers, pd.DataFrame(columns=["what is done"]), notes)
    same = (rows["dataset"] == varied["dataset"].iloc[0]) & rows["model"].isin(varied["model"])
    numbers = differences(pd.concat([rows[same & (rows["way"] == COMMON)], varied]))
    dataset = numbers["dataset"].iloc[0]
    caption = f"PSNR (dB) / SSIM on {dataset}, and how far they move when one thing is done otherwise"
    return Table(f"sensitivity_{dataset}", caption, numbers, cells(numbers))


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Means by protocol, method, source of weights and scale, and their distance from the reference.

    Columns: dataset, way, changed (in words), model, variant, weights, scale, n, psnr_db, ssim,
    psnr_difference_db, ssim_difference. Sets that are not whole have no means, as everywhere.
    """
    parts = [results.summarize(part).assign(way=name) for name, part in rows.groupby("way")]
    means = with_variants(pd.concat(parts))
    place = ["model", "weights", "scale"]
    reference = means[means["way"] == COMMON].set_index(place)[["psnr_db", "ssim"]]
    moved = (
        means[["psnr_db", "ssim"]].to_numpy() - reference.loc[means[place].apply(tuple, axis=1)].to_numpy()
    )
    words = {COMMON: NAMED[COMMON].words} | {way: protocol.words for way, protocol in VARIED.items()}
    means = means.assign(
        changed=means["way"].map(words), psnr_difference_db=moved[:, 0], ssim_difference=moved[:, 1]
    )
    order = means["way"].map(list(words).index)
    ordered = means.assign(order=order).sort_values(["order", "scale", "model"], kind="stable")
    return ordered[_SENSITIVITY_COLUMNS].reset_index(drop=True)


def cells(numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed form: a line per protocol, the reference first; columns by scale and method."""
    moved = pairs(numbers, "psnr_difference_db", "ssim_difference", sign="+")
    plain = pairs(numbers, "psnr_db", "ssim")
    shown = numbers.assign(cell=moved.mask(numbers["way"] == COMMON, plain))
    return crossed(labelled(shown), "changed", ["scale", "variant"]).rename(
        columns={"changed": "what is done"}
    )


def _by_method(cells: pd.DataFrame, dataset: str) -> Table:
    """Every method that was measured or traced on a set: by one protocol, beside the paper's values."""
    numbers = _measured(cells[cells["dataset"] == dataset])
    gap = {name: numbers[name] - numbers[f"{name}_printed"] for name in ("psnr_db", "ssim")}
    shown = numbers.assign(
        scale="×" + numbers["scale"].astype(str),
        paper=pairs(numbers, "psnr_db_printed", "ssim_printed"),
        measured=pairs(numbers, "psnr_db", "ssim"),
        difference=pairs(numbers.assign(**gap), "psnr_db", "ssim", sign="+", extra=1),
        verdict=numbers["verdict"]
        .astype(str)
        .mask(numbers["verdict"] == "explained", numbers["protocol"])
        .mask(numbers["verdict"] == "not measured", _OPEN),
    )
    columns = ["paper", "measured", "difference", "verdict"]
    printed = shown.pivot(index="method", columns="scale", values=columns).swaplevel(axis=1)
    heads = [(scale, column) for scale in sorted(shown["scale"].unique()) for column in columns]
    printed = printed.reindex(index=shown["method"].unique(), columns=pd.MultiIndex.from_tuples(heads))
    caption = f"PSNR (dB) / SSIM on {dataset}: one protocol, the same images, and what gives the printed cell"
    named = [name for name in TITLES if name in set(shown["verdict"])]
    notes = [
        f"{name}, the protocol that gives the cell: {TITLES[name]}: {NAMED[name].words}." for name in named
    ]
    if _OPEN in set(shown["verdict"]):
        notes.append(f"{_OPEN}: this project's protocol does not give it, and no other was tried.")
    return Table(f"protocols_{dataset}", caption, numbers, printed.fillna(ABSENT).reset_index(), tuple(notes))


def _measured(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells that were judged or traced, and those that were measured by one protocol, which does not do."""
    return cells[(cells["verdict"] != "not measured") | cells["psnr_db"].notna()]


def _way_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of whole sets by named protocol: a line per set, scale, method and weights, columns by score and
    protocol, absent where a protocol was not tried or does not apply; weights trained here are left out."""
    named = rows[rows["way"].isin(NAMED) & (rows["weights"] != "ours")]
    parts = [results.summarize(part).assign(way=way) for way, part in named.groupby("way")]
    means = pd.concat(parts).query("complete")
    place = ["dataset", "scale", "model", "weights"]
    table = means.pivot(index=place, columns="way", values=list(SCORES))
    return table.reindex(rows["dataset"].unique(), level="dataset")


def leads(means: pd.DataFrame) -> Table:
    """How many of the paper's leads of HDSRNet are no larger than what protocols differ by (`_way_means`).

    What protocols differ by, on a set and at a scale, is the median over methods of the highest less the
    lowest mean of the same SR network by the named protocols, of methods that were scored by all of them.
    """
    means = means.dropna()
    spreads = pd.DataFrame({name: means[name].max(axis=1) - means[name].min(axis=1) for name in SCORES})
    by_place = spreads.groupby(["dataset", "scale"])
    differ = by_place.median().assign(methods=by_place.size())
    numbers = pd.DataFrame(
        {"dataset": place[0], "scale": place[1], **_counted_leads(column, differ.loc[place])}
        for place, column in paper.quality().groupby(["dataset", "scale"], sort=False)
        if place in differ.index
    )
    caption = "The paper's leads of HDSRNet over the other methods, and what protocols alone differ by"
    note = "What protocols differ by: highest less lowest mean of one method, the median over methods."
    return Table("protocol_leads", caption, numbers, _lead_cells(numbers), (note,))


def _counted_leads(column: pd.DataFrame, differ: pd.Series) -> dict[str, float]:
    """One column of Tables II to V: the least lead, how many there are, are smaller, and than twice that."""
    printed, line = column.set_index("method"), {"methods": int(differ["methods"])}
    for name in SCORES:
        ahead = printed.loc["HDSRNet", name] - printed[name].drop("HDSRNet")
        ahead = ahead[ahead > 0]
        line |= {f"{name}_spread": differ[name], f"{name}_lead": ahead.min(), f"{name}_leads": len(ahead)}
        line |= {
            f"{name}_{size}": (ahead < n * differ[name]).sum() for n, size in ((1, "smaller"), (2, "twice"))
        }
    return line


def _lead_cells(numbers: pd.DataFrame) -> pd.DataFrame:
    if numbers.empty:
        return numbers
    printed = numbers[["dataset", "scale"]].rename(columns={"dataset": "set"}).astype(str)
    for name, (title, digits) in SCORES.items():
        form = f"{{:.{digits}f}}".format
        printed[f"{title}: protocols differ by"] = numbers[f"{name}_spread"].map(form)
        printed[f"{title}: least lead"] = numbers[f"{name}_lead"].map(form)
        for key, words in (("smaller", "leads smaller"), ("twice", "leads under twice that")):
            of = numbers[f"{name}_{key}"].astype(str) + " of " + numbers[f"{name}_leads"].astype(str)
            printed[f"{title}: {words}"] = of
    return printed


def corrections(means: pd.DataFrame, cells: pd.DataFrame) -> Table:
    """What to subtract from a row that was measured by another protocol, to compare it with this project's.

    `means` are those of `_way_means`, `cells` the judged ones of `hdsr.scorecard.quality.cells`.
    """
    explained, lines = cells[cells["verdict"] == "explained"], []
    for way in [way for way in NAMED if way != COMMON and way in means["psnr_db"]]:
        moved = pd.DataFrame({name: means[name][way] - means[name][COMMON] for name in SCORES}).dropna()
        of_set = moved.groupby(["dataset", "scale"], sort=False).median().reset_index()
        methods = ", ".join(explained.loc[explained["protocol"] == way, "method"].unique())
        lines.append(of_set.assign(protocol=way, rows=methods))
    numbers = pd.concat(lines, ignore_index=True) if lines else pd.DataFrame()
    caption = "To subtract from PSNR (dB) / SSIM of a row that was measured so, before comparing it"
    notes = (f"{name}: {title}: {NAMED[name].words}." for name, title in TITLES.items())
    notes = (*notes, "Medians over the methods that a protocol applies to.")
    return Table("protocol_corrections", caption, numbers, _correction_cells(numbers), notes)


def _correction_cells(numbers: pd.DataFrame) -> pd.DataFrame:
    """A line per protocol, a column per set and scale."""
    if numbers.empty:
        return numbers
    place = numbers["dataset"] + " ×" + numbers["scale"].astype(str)
    shown = numbers.assign(cell=pairs(numbers, *SCORES, sign="+"), place=place)
    return crossed(shown, ["protocol", "rows"], "place").replace({"rows": {"": ABSENT}})


def remembered(rows: pd.DataFrame, cells: pd.DataFrame) -> list[Table]:
    """What the tables on protocols say, then these tables, as far as rows and judged cells fill them."""
    sets = _measured(cells)["dataset"].unique()
    tables = [_by_method(cells, dataset) for dataset in sets]
    means = _way_means(rows) if len(rows) else rows
    tables += [leads(means), corrections(means, cells)] if len(means) else []
    filled = [table for table in tables if len(table.numbers)]
    said = findings([table.numbers for table in filled])
    return [said, *filled] if len(said.numbers) else filled


def findings(numbers: Sequence[pd.DataFrame]) -> Table:
    """What the numbers of `_by_method`, `leads` and `corrections`, as far as they are there, say in short."""
    found = []
    for question, (column, say) in _SAID.items():
        parts = [frame for frame in numbers if column in frame]
        answer = say(pd.concat(parts, ignore_index=True)) if parts else ""
        found += [(question, answer)] if answer else []
    lines = pd.DataFrame(found, columns=["question", "answer"])
    return Table("protocol_findings", "Are the rows of a table comparable?", lines, lines)


def _judged(cells: pd.DataFrame) -> str:
    count = cells["verdict"].value_counts()
    same, explained, wrong, untried, traced = (
        count.get(verdict, 0)
        for verdict in ("reproduced", "explained", "contradicted", "not measured", "traced")
    )
    return (
        f"of {same + explained + wrong + untried} cells {same} by one common protocol, {explained} only by "
        f"another, {wrong} by none"
        + f", {untried} not by it where no other was tried" * bool(untried)
        + f"; {traced} more are means of results that another paper published"
    )


def _explaining(cells: pd.DataFrame) -> str:
    """The protocol that explains most cells of each method, as far as one does."""
    explained = cells[cells["verdict"] == "explained"].groupby("method", sort=False)["protocol"]
    methods: dict[str, list[str]] = {}
    for method, ways in explained:
        methods.setdefault(ways.mode()[0], []).append(method)
    return "; ".join(f"{_short(way)}: {', '.join(names)}" for way, names in methods.items())


def _spreads(leads: pd.DataFrame) -> str:
    psnr_db, ssim = _between(leads["psnr_db_spread"], ".2f"), _between(leads["ssim_spread"], ".4f")
    return f"{psnr_db} dB of PSNR, {ssim} of SSIM, by set and scale"


def _small_leads(leads: pd.DataFrame) -> str:
    return "; ".join(
        f"{words} " + ", ".join(f"in {SCORES[name][0]} {_share(leads, name, size)}" for name in SCORES)
        for size, words in (("smaller", "smaller:"), ("twice", "smaller than twice that:"))
    )


def _share(leads: pd.DataFrame, name: str, size: str) -> str:
    of_set = leads.groupby("dataset", sort=False)[[f"{name}_{size}", f"{name}_leads"]].sum()
    return ", ".join(f"{count} of {all_} on {dataset}" for dataset, count, all_ in of_set.itertuples())


def _to_subtract(corrections: pd.DataFrame) -> str:
    explaining = corrections[corrections["rows"].fillna("") != ""]
    told = []
    for way, lines in explaining.groupby("protocol", sort=False):
        sets = lines.groupby("dataset", sort=False)["psnr_db"]
        told.append(
            f"{_short(way)}: " + ", ".join(f"{_between(part, '+.2f')} on {name}" for name, part in sets)
        )
    return "; ".join(told)


_SAID: dict[str, tuple[str, Callable[[pd.DataFrame], str]]] = {
    "Do published weights give the printed cells?": ("verdict", _judged),
    "Which other protocol explains most cells of a method?": ("verdict", _explaining),
    "How much do protocols alone change a score?": ("ssim_spread", _spreads),
    "How many of HDSRNet's printed leads are smaller than that?": ("ssim_spread", _small_leads),
    "What is to be subtracted from a PSNR by another protocol, in dB?": ("rows", _to_subtract),
}
"""Questions, each with a column by which the numbers that answer it are known, and how they do."""


def _short(way: str) -> str:
    return TITLES[way].partition(":")[0]


def _between(values: pd.Series, form: str) -> str:
    """The lowest and the highest value, or one where they print alike."""
    ends = sorted({values.min(), values.max()})
    return " to ".join(dict.fromkeys(format(value, form).replace("-0.00", "+0.00") for value in ends))
