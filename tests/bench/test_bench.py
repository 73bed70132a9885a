"""What `make bench` measures, in small; what its rows and pages say; and where it cannot measure."""

import dataclasses
import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hdsr import datasets, metrics, paths
from hdsr.bench import end_to_end, forms, gpu, growth, inference, memory, parts, report, rows, training
from hdsr.checkpoint import load_pretrained
from hdsr.cli import main
from hdsr.errors import HdsrError
from hdsr.evaluation import evaluate
from hdsr.images import write_png
from hdsr.measure import fresh_process
from hdsr.winograd import convolution as winograd
from hdsr.winograd.fused import is_fusable

REQUEST = rows.Request(Path("nowhere"), progress=False)
ROW = rows.Row("time", "folded", 4, "8x8", "float32", "ms", 3, 2.0, 1.5, 2.5, 4.0, "published form")


def no_data(request: rows.Request) -> list[rows.Row]:
    raise HdsrError(f"Set5 is not in {request.root}/benchmarks")


def grown(form: str, factor: float, exponent: float) -> pd.DataFrame:
    """Rows of growth whose values are factor * pixels**exponent."""
    lines = [
        dataclasses.replace(
            ROW, what=what, form=form, size=f"{side}x{side}", median=factor * side ** (2 * exponent)
        )
        for side in (8, 16, 32)
        for what in report.QUANTITIES
    ]
    return pd.DataFrame(map(dataclasses.asdict, lines)).assign(part="growth")


def test_both_forms_enlarge_alike() -> None:
    network, lr = load_pretrained(2), forms.random_image(9, 12)
    published = forms.call_on(network, forms.PUBLISHED, "fp32", lr)()
    direct, folded = (forms.call_on(network, form, "fp32", lr)() for form in (forms.DIRECT, forms.FOLDED))
    assert folded.shape == (18, 24, 3)
    np.testing.assert_allclose(published[0].permute(1, 2, 0).numpy(), folded, rtol=0, atol=0.01)
    np.testing.assert_allclose(direct, folded, rtol=0, atol=0.01)


def test_the_direct_form_does_without_winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(winograd, "convolve", lambda *_, **__: called.append(1) or 1 / 0)
    network, lr = load_pretrained(2), forms.random_image(9, 12)
    forms.call_on(network, forms.DIRECT, "fp32", lr)()
    assert called == []


def test_inference_is_timed_and_compared_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "PRODUCT_SIDE", 512)
    monkeypatch.setattr(inference, "products", partial(inference.products, side=512))
    with rows.in_threads(2):
        found = inference.measure(REQUEST, scales=[2], lr_px=8, turns=3)
    in_one_thread = [(row.what, row.form, row.n) for row in found if row.threads == 1]
    main_forms = ("published form", "folded, without Winograd", "folded")
    assert in_one_thread == [("time", form, 3) for form in main_forms]
    found = [row for row in found if row.threads == 2]
    times = {(row.form, row.dtype): row for row in found if row.what == "time"}
    assert [*times] == [
        ("published form", "float32"),
        ("published form, freed memory kept", "float32"),
        ("folded, without Winograd", "float32"),
        ("folded", "float32"),
        ("folded", "bfloat16"),
        ("ONNX Runtime", "float32"),
    ]
    assert times["published form", "float32"].ratio == 1
    rates = {(row.form, row.dtype): row for row in found if row.what == "rate"}
    operations = 2 * 33_000_000_000 * 64 / 256**2
    for key, time in times.items():
        assert (time.scale, time.size, time.n, time.unit) == (2, "8x8", 3, "ms")
        assert rates[key].median * 1e6 * time.median > operations
        assert 0 < rates[key].ratio < 3
    products = [rates[form, "float32"] for form in inference.PRODUCTS if (form, "float32") in rates]
    fastest = max(products, key=lambda row: row.median)
    assert fastest.ratio == 1
    assert all(row.median > 1 and row.baseline.startswith(f"{fastest.form} of") for row in products)


def test_each_form_is_called_once_under_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(inference, "keep_freed_memory", lambda: done.append("keep"))
    monkeypatch.setattr(inference, "return_freed_memory", done.append)
    for form in forms.MEMORY:
        inference.rehearse(form, lambda form=form: done.append(form), block=7)
    kept = [("keep", form) for form in (forms.PUBLISHED_KEPT, forms.DIRECT, forms.FOLDED)]
    assert done == [7, forms.PUBLISHED, *itertools.chain(*kept)]


@pytest.mark.parametrize("precision", forms.DTYPES)
def test_both_products_are_products(precision: str) -> None:
    torch.manual_seed(0)
    left, right = torch.rand(2, 24, 24, dtype=getattr(torch, forms.DTYPES[precision]))
    torch.manual_seed(0)
    calls = inference.products(precision, side=24)
    assert calls.keys() == set(inference.PRODUCTS[: 1 + is_fusable(forms.CPU, left.dtype)])
    for form, call in calls.items():
        expected = left @ (right if form == inference.PRODUCT else right.T)
        found = call()
        torch.testing.assert_close(found.to_dense() if found.is_mkldnn else found, expected)


def test_rates_count_the_operations_that_a_form_executes() -> None:
    network = load_pretrained(4)
    times = {variant: [1.0, 1.0] for variant in inference.VARIANTS}
    times |= {(form, precision): [1.0, 1.0] for precision in forms.DTYPES for form in inference.PRODUCTS}
    rates = {(row.form, row.dtype): row.median for row in inference.rate_rows(network, 256, times)}
    assert rates["published form", "float32"] == pytest.approx(2 * 122_780, rel=1e-3)
    assert rates["folded", "float32"] < 0.66 * rates["published form", "float32"]
    assert rates["matrix product", "bfloat16"] == pytest.approx(2 * 2048**3 / 1e6)


def test_growth_measures_each_size_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "VARIANTS", ((forms.FOLDED, "fp32"),))
    found = growth.measure(REQUEST, sides=[96], turns=2)
    values = {row.what: row.median for row in found}
    assert [row.what for row in found] == ["time", "peak memory", "working memory"]
    assert values["peak memory"] - values["working memory"] > 0.1
    assert 96 * 96 * 64 * 4 / rows.GIB < values["working memory"] < 0.5


def test_the_published_form_is_not_grown_beyond_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth.fresh_process, "run", lambda *_: (([1.0, 2.0], 0), rows.GIB))
    sizes = {(row.form, row.size) for row in growth.measure(REQUEST)}
    assert ("folded", "1024x1024") in sizes
    assert ("published form", "512x512") in sizes
    assert ("published form", "1024x1024") not in sizes


def test_a_photograph_is_enlarged_by_the_command() -> None:
    found = memory.measure(REQUEST, width_px=64, height_px=48)
    peaks = {row.dtype: row.median for row in found if row.what == "peak memory"}
    assert set(peaks) == {"float32", "bfloat16"}
    assert all(0.1 < peak < 3 for peak in peaks.values())
    assert found[-1].note.startswith("not measured")


def test_one_tensor_of_the_published_form_takes_eleven_gigabytes() -> None:
    assert memory.published_row(2040, 1356).median * rows.GIB == pytest.approx(11.33e9, rel=1e-3)


def test_the_photograph_covers_its_size() -> None:
    photo = memory.photograph(700, 300)
    assert (photo.shape, photo.dtype) == ((300, 700, 3), np.uint8)
    assert photo.std() > 20


def test_a_whole_set_is_scored_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # processes of their own have tests of their own
    monkeypatch.setattr(fresh_process, "run", lambda work, *given: (work(*given), 0))
    for name, _, hr in itertools.islice(datasets.samples(4), 2):
        write_png(tmp_path / "benchmarks" / "Two" / f"{name}.png", hr[:192, :240])
    found = end_to_end.measure(rows.Request(tmp_path, progress=False), sets=["Two"], turns=1)
    plain, ours, bf16, alone, shift = found
    assert (plain.ratio, plain.n, plain.unit) == (1, 1, "s")
    assert alone.ratio == pytest.approx(ours.median / alone.median)
    assert ours.ratio > 0
    assert (ours.dtype, bf16.dtype) == ("float32", "bfloat16")
    rounded, exact = (
        evaluate("hdsrnet", 4, ["Two"], out=tmp_path / f"{precision}.csv", root=tmp_path, precision=precision)
        for precision in ("bf16", "fp32")
    )
    assert shift.median == pytest.approx(rounded["psnr_db"].mean() - exact["psnr_db"].mean(), abs=1e-9)
    assert abs(shift.median) < 0.01


def test_times_of_turns_become_seconds_and_ratios_to_the_plain_loop() -> None:
    times_ms = {end_to_end.PLAIN: [4000.0, 6000.0], "fp32": [2000.0, 2000.0], "bf16": [1000.0, 2000.0]}
    times_ms[end_to_end.ALONE] = [1600.0, 1600.0]
    found = end_to_end.time_rows(["Set5"], times_ms)
    seconds_and_ratios = [(2, 5, 1), (2, 2, 2.5), (2, 1.5, 3.5), (2, 1.6, 1.25)]
    assert [(row.n, row.median, row.ratio) for row in found] == seconds_and_ratios


def test_a_plain_loop_that_disagrees_is_an_error() -> None:
    plain = pd.DataFrame(
        {"dataset": ["S", "S"], "image": ["a", "b"], "psnr_db": [30.0, 31.0], "ssim": [0.8, 0.9]}
    )
    end_to_end.check_equal(plain, plain)
    with pytest.raises(HdsrError, match=r"differ by 0\.01 dB and 0 of SSIM, expected at most 0\.001"):
        end_to_end.check_equal(plain, plain.assign(psnr_db=[30.0, 31.01]))
    with pytest.raises(HdsrError, match="differ"):
        end_to_end.check_equal(plain.head(1), plain)


def test_plain_metrics_are_those_of_the_field() -> None:
    _, _, hr = next(iter(datasets.samples(4)))
    sr = np.roll(hr, 1, axis=0)
    psnr_db, ssim = end_to_end.plain_metrics(sr, hr)
    assert psnr_db == pytest.approx(metrics.psnr_y(sr, hr, 4), abs=1e-9)
    assert ssim == pytest.approx(metrics.ssim_y(sr, hr, 4), abs=1e-6)


def test_training_steps_become_rows() -> None:
    frame = pd.DataFrame(
        {
            "form": ["published form", "ours, Adam"],
            "optimizer": "adam",
            "precision": ["fp32", "bf16"],
            "scale": 4,
            "batch_size": 16,
            "lr_px": 32,
            "n": 5,
            "step_ms": [1400.0, 500.0],
            "step_ms_quartile1": 1.0,
            "step_ms_quartile3": 2.0,
            "ratio": [1.0, 2.8],
            "baseline": "published form",
        }
    )
    first, second = training.step_rows(frame)
    assert (first.ratio, second.ratio, second.median, second.dtype) == (1.0, 2.8, 500.0, "bfloat16")
    assert second.size == "16 of 32x32"


def test_a_part_replaces_its_own_rows_only(tmp_path: Path) -> None:
    out = tmp_path / "bench.csv"
    rows.measure_parts({"a": lambda _: [ROW, ROW], "b": lambda _: [ROW]}, REQUEST, out)
    found = rows.measure_parts({"a": lambda _: [dataclasses.replace(ROW, median=7.0)]}, REQUEST, out)
    assert list(zip(found["part"], found["median"], strict=True)) == [("a", 7.0), ("b", 2.0)]
    assert tuple(found.columns) == rows.COLUMNS
    plain = dataclasses.replace(ROW, median=1 / 3, quartile1=None, quartile3=None, ratio=None)
    before = out.read_text().splitlines()
    rows.measure_parts({"c": lambda _: [plain]}, REQUEST, out)
    *kept, new = out.read_text().splitlines()
    assert kept == before
    assert ",0.33333,,,," in new
    assert found["machine"].str.contains("CPUs").all()


def test_what_cannot_be_measured_says_why_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = rows.measure_parts({"a": no_data, "b": lambda _: [ROW]}, REQUEST, tmp_path / "bench.csv")
    assert found["what"].tolist() == ["not measured", "time"]
    assert rows.row_lines(found) == [
        "a: not measured : Set5 is not in DATA/benchmarks",
        "b: time x4 folded 8x8 float32: 2 ms (n 3), ratio 4.00 to published form",
    ]
    assert "Not measured: Set5 is not in DATA/benchmarks." in report.table(found.head(1), "a", "title").notes

    def another_reason(request: rows.Request) -> list[rows.Row]:
        raise HdsrError("no CUDA device here")

    found = rows.measure_parts({"a": another_reason}, REQUEST, tmp_path / "bench.csv")
    assert found["note"].tolist() == ["no CUDA device here", ""]


def test_one_measurement_has_no_quartiles() -> None:
    assert rows.spread([2.0]) == {"n": 1, "median": 2.0}
    assert rows.spread([1.0, 2.0, 3.0]) == {"n": 3, "median": 2.0, "quartile1": 1.5, "quartile3": 2.5}


def test_only_parts_that_take_a_gpu_are_said_to_be_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some card")
    chosen = {name: lambda _: [ROW] for name in ("gpu", "memory", "training")}
    found = rows.measure_parts(chosen, REQUEST, tmp_path / "bench.csv")
    assert found["device"].tolist() == ["Some card", "cpu", "Some card"]


def test_rows_measured_elsewhere_stay_where_a_part_cannot_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.csv"
    rows.measure_parts({"a": lambda _: [ROW]}, REQUEST, out)
    found = rows.measure_parts({"a": no_data, "b": no_data}, REQUEST, out)
    assert list(zip(found["part"], found["what"], strict=True)) == [("a", "time"), ("b", "not measured")]
    assert (
        "a: not measured: Set5 is not in DATA/benchmarks; the rows that are there stay"
        in capsys.readouterr().err
    )


def test_a_place_that_cannot_hold_rows_is_refused_before_any_work(tmp_path: Path) -> None:
    worked: list[object] = []
    (tmp_path / "foreign.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for out, message in ((tmp_path, "is a folder"), (tmp_path / "foreign.csv", "is not a file of")):
        with pytest.raises(HdsrError, match=message):
            rows.measure_parts({"a": worked.append}, REQUEST, out)
    assert not worked


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(HdsrError, match=r"bench\.csv is not a file of benchmark rows: it lacks part, what"):
        rows.read(path)


def test_parts_are_named_by_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert list(parts.chosen(["memory", "growth"])) == ["growth", "memory"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert parts.chosen([]) == parts.PARTS
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert list(parts.PARTS.keys() - parts.chosen([]).keys()) == ["gpu"]
    with pytest.raises(HdsrError, match="no CUDA device here"):
        parts.PARTS["gpu"](rows.Request(Path()))
    assert main(["bench", "--part", "speed", "--out", str(tmp_path / "b.csv")]) == 2
    assert "unknown part 'speed': expected one of inference, training" in capsys.readouterr().err
    assert main(["bench", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in parts.PARTS)


def test_a_photograph_goes_through_the_command_on_the_device_that_is_named() -> None:
    found = gpu.photograph_by_command("cpu", 64, 48, turns=1)
    assert [(row.what, row.size, row.dtype, row.n) for row in found] == [
        ("time", "64x48", "fp32", 1),
        ("time", "64x48", "bf16", 1),
    ]
    assert all(0 < row.median < 100 and "hdsr upscale --device cpu" in row.note for row in found)


def test_slopes_are_found() -> None:
    whole = pd.concat([grown("folded", 0.5, 1.0), grown("published form", 2.0, 1.25)])
    fitted = report.slopes(whole).set_index(["what", "form"])
    assert fitted.loc[("time", "folded"), "slope"] == pytest.approx(1)
    assert fitted.loc[("working memory", "published form"), "slope"] == pytest.approx(1.25)
    assert np.exp(fitted.loc[("time", "folded"), "intercept"]) == pytest.approx(0.5)
    assert set(fitted["n"]) == {3}


def test_the_drawing_shows_every_form_with_its_slope() -> None:
    drawing = report.growth(pd.concat([grown("folded", 0.5, 1.0), grown("published form", 2.0, 1.25)]))
    for axes in drawing.figure.axes:
        assert axes.get_xscale() == axes.get_yscale() == "log"
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["folded, float32: slope 1.00", "published form, float32: slope 1.25"]
    assert drawing._repr_png_().startswith(b"\x89PNG")


def test_pages_say_where_rows_were_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows.measure_parts({"inference": lambda _: [ROW]}, REQUEST, tmp_path / "bench.csv")
    assert "on a machine like this one" in report.origin(found)[0]
    monkeypatch.setattr(report, "machine", lambda: "a small computer")
    assert "on another machine than this one (a small computer)" in report.origin(found)[0]
    first, *others = report.tables(found)
    assert "2 (1.5 to 2.5) ms | 3 | 4.00 | published form" in repr(first)
    assert all("This part was not measured." in repr(table) for table in others)


def test_other_programs_are_compared_on_each_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "bench.csv"
    for name, ratio in (("one", 0.5), ("another", 0.7), ("one", 0.8)):
        monkeypatch.setattr(rows, "machine", lambda name=name: name)
        here = [dataclasses.replace(ROW, form=form, ratio=ratio) for form in map(str, range(2))]
        found = rows.measure_parts({"peers": lambda _, here=here: here, "a": lambda _: [ROW]}, REQUEST, out)
    assert found.groupby(["part", "machine"])["ratio"].agg(["first", "size"]).to_dict("split")["data"] == [
        [4.0, 1],
        [0.7, 2],
        [0.8, 2],
    ]
    table = report.table(found[found["part"] == "peers"], "peers", "title")
    assert table.printed["machine"].tolist() == ["another"] * 2 + ["one"] * 2
    assert table.brief["ratio"].to_numpy().tolist() == [["0.70", "0.80"]] * 2
    assert "machine" not in report.table(found[found["part"] == "a"], "a", "title").printed


def test_one_sentence_names_the_other_programs() -> None:
    times = [("folded", "float32", 1.0), ("ncnn", "float32", 0.5), ("OpenVINO", "float32", 0.625)]
    times += [("folded", "bfloat16", 1.0), ("OpenVINO", "bfloat16", 1.25)]
    lines = [
        dataclasses.replace(ROW, form=form, dtype=dtype, size="256x256", ratio=ratio)
        for form, dtype, ratio in times
    ]
    rows_of_peers = pd.DataFrame(map(dataclasses.asdict, lines)).assign(part="peers", machine="one machine")
    said = (
        "On one machine, at ×4 and LR 256x256, it is 2.00 times as fast as ncnn, 1.60 times as fast as "
        "OpenVINO in float32; 0.80 times as fast as OpenVINO in bfloat16."
    )
    assert report.beside_peers(rows_of_peers) == said
    elsewhere = rows_of_peers[:2].assign(machine="another")
    assert report.beside_peers(pd.concat([rows_of_peers, elsewhere])) == (
        f"{said}\nOn another, at ×4 and LR 256x256, it is 2.00 times as fast as ncnn in float32."
    )
    assert "not timed" in report.beside_peers(rows_of_peers.head(1))


@pytest.mark.parametrize(("part", "across"), [("inference", "scale"), ("gpu", "size")])
def test_a_long_table_begins_with_its_ratios_side_by_side(part: str, across: str) -> None:
    measured = report.rows()
    table = report.table(measured[measured["part"] == part], part, "title")
    lines = table.printed[(table.printed["ratio"] != "–") & ~table.printed["what"].str.contains("Table VI")]
    assert len(table.brief) < len(lines) / 2
    shown = table.brief.melt([name for name in table.brief.columns if name[0] == ""])
    assert (shown["value"] != "–").sum() == len(lines)
    line = lines.iloc[-1]
    names = [name for _, name in table.brief.columns if name in lines]
    here = table.brief[(table.brief[""][names] == line[names]).all(axis=1)]
    assert here["ratio", line[across]].tolist() == [line["ratio"]]


def test_pages_can_be_made_without_any_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BENCH", tmp_path / "bench.csv")
    nothing = report.rows()
    assert all("not measured" in repr(table) for table in report.tables(nothing))
    assert report.growth(nothing).numbers.empty
