"""What ways of measuring change: single changes, all methods by one protocol, leads, corrections."""

from collections.abc import Iterator

import pandas as pd

from hdsr import paper, results
from hdsr.measure.protocols import COMMON, NAMED, TITLES, VARIED
from hdsr.measure.sensitivity import MODELS
from hdsr.report.tables import ABSENT, Table, pairs, with_variants

SENSITIVITY_COLUMNS = [
    *("dataset", "way", "changed", "model", "variant", "weights", "scale", "n"),
    *("psnr_db", "ssim", "psnr_difference_db", "ssim_difference"),
]


def sensitivity(rows: pd.DataFrame) -> Table:
    """Scores as everywhere here, and how far the mean over a set moves when one thing is changed.

    Args:
        rows: what `hdsr.measure.sensitivity.measure` returns, of one device and precision; those of the set
            that has single changes are shown.
    """
    varied = rows[rows["way"].isin(VARIED)]
    same = (rows["dataset"] == varied["dataset"].iloc[0]) & rows["model"].isin(MODELS)
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
    return ordered[SENSITIVITY_COLUMNS].reset_index(drop=True)


def cells(numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed form: a line per protocol, the reference first; columns by scale and method."""
    moved = pairs(numbers, "psnr_difference_db", "ssim_difference", sign="+")
    plain = pairs(numbers, "psnr_db", "ssim")
    shown = numbers.assign(cell=moved.mask(numbers["way"] == COMMON, plain))
    shown["scale"] = "×" + shown["scale"].astype(str)
    printed = shown.pivot(index="changed", columns=["scale", "variant"], values="cell").fillna(ABSENT)
    heads = list(shown[["scale", "variant"]].drop_duplicates().itertuples(index=False, name=None))
    printed = printed.loc[numbers["changed"].unique(), heads].rename_axis(columns=[None, None])
    return printed.reset_index().rename(columns={"changed": "what is done"})


def by_method(cells: pd.DataFrame, dataset: str) -> Table:
    """Every method that was measured or traced on a set: by one protocol, beside the paper's values.

    Args:
        cells: what `hdsr.scorecard.quality.cells` returns.
        dataset: the set.
    """
    numbers = cells[(cells["dataset"] == dataset) & (cells["verdict"] != "not measured")]
    gap = {name: numbers[name] - numbers[f"{name}_printed"] for name in ("psnr_db", "ssim")}
    shown = numbers.assign(
        scale="×" + numbers["scale"].astype(str),
        paper=pairs(numbers, "psnr_db_printed", "ssim_printed"),
        measured=pairs(numbers, "psnr_db", "ssim"),
        difference=pairs(numbers.assign(**gap), "psnr_db", "ssim", sign="+", extra=1),
        verdict=numbers["verdict"].astype(str).mask(numbers["verdict"] == "explained", numbers["protocol"]),
    )
    columns = ["paper", "measured", "difference", "verdict"]
    printed = shown.pivot(index="method", columns="scale", values=columns).swaplevel(axis=1)
    heads = [(scale, column) for scale in sorted(shown["scale"].unique()) for column in columns]
    printed = printed.reindex(index=shown["method"].unique(), columns=pd.MultiIndex.from_tuples(heads))
    caption = f"PSNR (dB) / SSIM on {dataset}: one protocol, the same images, and what gives the printed cell"
    notes = (f"{name}: {title}." for name, title in TITLES.items() if name in set(numbers["protocol"]))
    return Table(f"protocols_{dataset}", caption, numbers, printed.fillna(ABSENT).reset_index(), tuple(notes))


def remembered(rows: pd.DataFrame, cells: pd.DataFrame) -> Iterator[Table]:
    """The three tables on protocols, as far as rows and cells fill them.

    Args:
        rows: what `hdsr.measure.sensitivity.measure` returns.
        cells: what `hdsr.scorecard.quality.cells` returns.
    """
    judged = cells[cells["verdict"] != "not measured"]
    for dataset in judged["dataset"].unique():
        yield by_method(cells, dataset)
    if len(rows):
        if set(rows["dataset"]) & set(cells["dataset"]):
            yield leads(rows)
        yield corrections(rows, cells)


def way_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of whole sets by named protocol: a line per method, weights, set and scale, columns by score and
    protocol; only methods that every protocol applies to."""
    named = rows[rows["way"].isin(NAMED)]
    parts = [results.summarize(part).assign(way=way) for way, part in named.groupby("way")]
    means = pd.concat(parts).query("complete and weights != 'ours'")
    table = means.pivot(
        index=["model", "weights", "dataset", "scale"], columns="way", values=["psnr_db", "ssim"]
    )
    return table.dropna(axis=1, how="all").dropna()


def leads(rows: pd.DataFrame) -> Table:
    """How many of the paper's leads of HDSRNet are no larger than what protocols differ by.

    What protocols differ by, on a set and at a scale, is the median over methods of the highest less the
    lowest mean of the same SR network by the named protocols.

    Args:
        rows: what `hdsr.measure.sensitivity.measure` returns.
    """
    means = way_means(rows)
    spreads = {name: means[name].max(axis=1) - means[name].min(axis=1) for name in ("psnr_db", "ssim")}
    of_set = pd.DataFrame(spreads).groupby(["dataset", "scale"]).agg(["median", "size"])
    lines = []
    for (dataset, scale), column in paper.quality().groupby(["dataset", "scale"], sort=False):
        if (dataset, scale) not in of_set.index:
            continue
        printed, spread = column.set_index("method"), of_set.loc[(dataset, scale)]
        line = {"dataset": dataset, "scale": scale, "methods": int(spread["psnr_db", "size"])}
        for name in spreads:
            ahead = printed.loc["HDSRNet", name] - printed[name].drop("HDSRNet")
            ahead, differ = ahead[ahead > 0], spread[name, "median"]
            line |= {f"{name}_spread": differ, f"{name}_lead": ahead.min(), f"{name}_leads": len(ahead)}
            line |= {f"{name}_smaller": (ahead < differ).sum(), f"{name}_twice": (ahead < 2 * differ).sum()}
        lines.append(line)
    numbers = pd.DataFrame(lines)
    printed = numbers[["dataset", "scale"]].rename(columns={"dataset": "set"}).astype(str)
    for name, title, digits in (("psnr_db", "PSNR", 2), ("ssim", "SSIM", 4)):
        form = f"{{:.{digits}f}}".format
        printed[f"{title}: protocols differ by"] = numbers[f"{name}_spread"].map(form)
        printed[f"{title}: least lead"] = numbers[f"{name}_lead"].map(form)
        for key, words in (("smaller", "leads smaller"), ("twice", "leads under twice that")):
            of = numbers[f"{name}_{key}"].astype(str) + " of " + numbers[f"{name}_leads"].astype(str)
            printed[f"{title}: {words}"] = of
    caption = "The paper's leads of HDSRNet over the other methods, and what protocols alone differ by"
    note = "What protocols differ by: highest less lowest mean of one method, the median over methods."
    return Table("protocol_leads", caption, numbers, printed, (note,))


def corrections(rows: pd.DataFrame, cells: pd.DataFrame) -> Table:
    """What to subtract from a row that was measured by another protocol, to compare it with this project's.

    Args:
        rows: what `hdsr.measure.sensitivity.measure` returns.
        cells: what `hdsr.scorecard.quality.cells` returns.
    """
    means = way_means(rows)
    explained = cells[cells["verdict"] == "explained"]
    lines = []
    for way in [way for way in NAMED if way != COMMON and way in means["psnr_db"]]:
        methods = ", ".join(explained.loc[explained["protocol"] == way, "method"].unique())
        moved = pd.DataFrame({name: means[name][way] - means[name][COMMON] for name in ("psnr_db", "ssim")})
        of_set = moved.groupby(["dataset", "scale"]).median().reset_index()
        lines.append(of_set.assign(protocol=way, rows=methods))
    numbers = pd.concat(lines, ignore_index=True)
    place = numbers["dataset"] + " ×" + numbers["scale"].astype(str)
    shown = numbers.assign(cell=pairs(numbers, "psnr_db", "ssim", sign="+"), place=place)
    printed = shown.pivot(index=["protocol", "rows"], columns="place", values="cell")[place.unique()]
    printed = printed.loc[numbers["protocol"].unique()].rename_axis(columns=None).reset_index()
    caption = "To subtract from PSNR (dB) / SSIM of a row that was measured so, before comparing it"
    notes = tuple(f"{name}: {title}: {NAMED[name].words}." for name, title in TITLES.items())
    printed["rows"] = printed["rows"].replace("", ABSENT)
    return Table("protocol_corrections", caption, numbers, printed, (*notes, "Medians over methods."))
