"""Table VII: what is printed beside what is counted, and where the printed numbers come from."""

import pandas as pd
import pytest

from hdsr.measure import counters
from hdsr.measure.counters import ACTIVATIONS, ATEN, HAND, PYTORCH, SEEN, TORCH
from hdsr.report import cost_tables as tables

COUNTED = tuple(counters.DRAWN)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return counters.count_networks(COUNTED, (2, 3, 4), 256)


@pytest.mark.parametrize("network", COUNTED)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_the_counters_see_adds_up_to_what_they_say(rows: pd.DataFrame, network: str, scale: int) -> None:
    lines = tables.reconciliation(rows, network, scale).numbers.set_index("item")
    assert lines.loc["difference", list(SEEN)].tolist() == [0, 0, 0, 0]
    assert lines.loc["sum of the lines", TORCH] > 10**10


def test_a_counter_that_saw_something_else_is_noticed(rows: pd.DataFrame) -> None:
    wrong = rows.assign(macs=rows["macs"] + 5 * (rows["counter"] == ATEN))
    lines = tables.reconciliation(wrong, "HDSRNet", 4).numbers.set_index("item")
    assert lines.loc["difference"].to_dict() == {HAND: 0, TORCH: 0, ATEN: 5, PYTORCH: 0}


def test_unseen_items_are_dashes_and_items_of_nothing_are_left_out(rows: pd.DataFrame) -> None:
    printed = tables.reconciliation(rows, "ACNet", 4).printed.set_index("item")
    assert "matrix products" not in printed.index
    assert printed.loc[ACTIVATIONS].tolist() == ["–", "–", "–", "541.065"]
    assert printed.loc["difference"].tolist() == ["0.000"] * 4


def test_table_vii_has_published_and_counted(rows: pd.DataFrame) -> None:
    lines = tables.complexity(rows).numbers.set_index(["method", "scale"])
    line = lines.loc["HDSRNet", 4]
    assert line[["parameters_k", "flops_g", "parameters"]].tolist() == [1819, 110.99, 1_966_208]
    assert line[["macs", TORCH, PYTORCH]].tolist() == [122_845_157_952, 122_835_130_944, 110_972_900_772]
    assert pd.isna(lines.loc[("HDSRNet", 2), "flops_g"])
    shown = tables.complexity(rows).printed.query(
        "`('', 'network')` == 'HDSRNet' and `('', 'scale')` == '×4'"
    )
    assert shown.iloc[0].tolist()[2:6] == ["1,819K", "1,966,208", "110.99", "122.85"]


def test_a_long_table_vii_begins_with_what_the_paper_prints(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tables.complexity(rows).brief is None
    monkeypatch.setattr(tables, "MANY_LINES", 3)
    brief = tables.complexity(rows).brief
    assert ("HDSRNet", "×4") in brief[[("", "network"), ("", "scale")]].itertuples(index=False, name=None)
    assert set(brief[("", "scale")]) == {"×4"}


def test_layers_end_with_their_sum() -> None:
    table = tables.layers("HDSRNet", 4, 256)
    assert table.printed.iloc[-1].tolist()[2:4] == ["1,966,208", "122,845,157,952"]
    assert len(table.printed) == len(table.numbers) + 1


def test_origins_of_the_printed_numbers() -> None:
    found = {(item.method, item.quantity): item for item in tables.origins()}
    assert [(item.scale, item.equal) for item in found.values()] == [
        (4, True),
        (4, True),
        (2, True),
        (2, False),
        (2, True),
        (4, True),
    ]
    assert found["HDSRNet", "parameters"].nearest == pytest.approx(1818.520)
    assert "24 constants" in found["HDSRNet", "parameters"].convention
    assert found["HDSRNet", "flops"].nearest == pytest.approx(110.9939, abs=1e-4)
    assert "not computed kernels" in found["HDSRNet", "flops"].convention
    assert found["ACNet", "flops"].true == pytest.approx(395.0002, abs=1e-4)
    assert "counted once" in found["ACNet", "flops"].convention
    assert found["DCLS", "flops"].nearest == pytest.approx(498.1847, abs=1e-4)
    assert found["DCLS", "flops"].convention == found["HDSRNet", "flops"].convention


def test_the_plainest_convention_goes_before_a_nearer_one() -> None:
    assert tables.plainest({"plain": 1.004, "near": 1.001}, 1.0, 0.005) == ("plain", True)
    assert tables.plainest({"far": 2.0, "near": 1.1, "below": 0.5}, 1.0, 0.005) == ("near", False)


def test_each_printed_number_stands_beside_the_true_one_and_the_nearest() -> None:
    printed = tables.origins_table(tables.origins()).printed
    hdsrnet, acnet = (printed[printed["network"] == name].iloc[-1] for name in ("HDSRNet", "ACNet"))
    by_layers = "convolution layers, not computed kernels, with biases, activations and pooling"
    assert hdsrnet.tolist() == ["HDSRNet", "flops (G)", "110.99", "122.85", "110.99", "×4", by_layers, "yes"]
    assert acnet.drop("which counts").tolist() == [
        "ACNet",
        "flops (G)",
        "132.82",
        "395.00",
        "132.92",
        "×2",
        "no",
    ]


def test_only_a_network_with_a_mean_shift_has_its_constants() -> None:
    more = [
        tables._stored_values(name, 4, True) - tables._stored_values(name, 4, False)
        for name in ("HDSRNet", "DCLS")
    ]
    assert more == [24, 0]


def test_only_networks_with_a_hand_count_are_reconciled() -> None:
    lines = [("VDSR", 4, TORCH), ("HDSRNet", 2, HAND), ("HDSRNet", 2, TORCH)]
    counts = pd.DataFrame(lines, columns=["network", "scale", "counter"])
    assert tables.counted_by_hand(counts) == [("HDSRNet", 2)]
