import math
import multiprocessing
import os
from dataclasses import replace
from importlib.metadata import version

import pandas as pd
import pytest
from filelock import FileLock

from hdsr import results
from hdsr.errors import HdsrError

ROW = results.Row(
    model="hdsrnet",
    dataset="Set5",
    scale=4,
    image="baby",
    psnr_db=33.123456789012345,
    ssim=0.9,
    weights="ours",
    weights_sha256="w",
    image_sha256="i",
    lr_sha256="l",
    lr_source="imresize",
    crop_px=4,
    precision="fp32",
    device="cpu",
    protocol="p",
    code_version="c",
    seconds=0.25,
    expected=2,
)


def test_columns_begin_as_the_contract_says():
    assert results.COLUMNS[:6] == ("model", "dataset", "scale", "image", "psnr_db", "ssim")


def test_rows_come_back_to_the_last_digit(tmp_path):
    rows = [ROW, replace(ROW, image='a "quoted", name', psnr_db=math.inf)]
    for row in rows:
        results.add(tmp_path / "new" / "rows.csv", row)
    assert results.read(tmp_path / "new" / "rows.csv") == rows
    assert pd.read_csv(tmp_path / "new" / "rows.csv")["psnr_db"].tolist() == [33.123456789012345, math.inf]


def test_no_file_holds_no_rows(tmp_path):
    assert results.read(tmp_path / "rows.csv") == []
    assert list(results.load(tmp_path / "rows.csv").columns) == list(results.COLUMNS)


def test_every_cut_of_the_last_line_costs_only_that_row(tmp_path):
    path = tmp_path / "rows.csv"
    for name in ("baby", "bird"):
        results.add(path, replace(ROW, image=name))
    whole = path.read_bytes()
    first_end = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for length in range(first_end, len(whole)):
        path.write_bytes(whole[:length])
        assert [row.image for row in results.read(path)] == ["baby"]
        results.add(path, replace(ROW, image="bird"))
        assert path.read_bytes() == whole


def test_a_cut_header_is_written_again(tmp_path):
    path = tmp_path / "rows.csv"
    header = ",".join(results.COLUMNS)
    for length in (0, 7, len(header)):
        path.write_text(header[:length])
        results.add(path, ROW)
        assert results.read(path) == [ROW]


def test_a_damaged_line_is_dropped(tmp_path):
    path = tmp_path / "rows.csv"
    for name in ("baby", "bird", "head"):
        results.add(path, replace(ROW, image=name))
    text = path.read_text().replace("bird,33.12", "bird,33.x")
    path.write_text(text)
    assert [row.image for row in results.read(path)] == ["baby", "head"]
    results.add(path, replace(ROW, image="bird"))
    assert [row.image for row in results.read(path)] == ["baby", "head", "bird"]


@pytest.mark.parametrize(
    "change", [{"weights_sha256": "x"}, {"image_sha256": "x"}, {"lr_sha256": "x"}, {"lr_source": "files"}]
)
def test_another_identity_takes_the_place_of_the_old(tmp_path, change):
    for row in (ROW, replace(ROW, image="bird"), replace(ROW, psnr_db=1.0, **change)):
        results.add(tmp_path / "rows.csv", row)
    assert results.read(tmp_path / "rows.csv") == [
        replace(ROW, image="bird"),
        replace(ROW, psnr_db=1.0, **change),
    ]


def test_several_rows_are_added_at_once(tmp_path, monkeypatch):
    path, written = tmp_path / "rows.csv", []
    monkeypatch.setattr(results, "replace", lambda *a, whole=results.replace: written.append(a) or whole(*a))
    for psnr_db in (1.0, 2.0):
        rows = [replace(ROW, image=name, psnr_db=psnr_db) for name in ("baby", "bird", "head")]
        results.add(path, replace(ROW, image="woman"), *rows)
        assert results.read(path)[-3:] == rows
    assert len(results.read(path)) == 4
    assert len(written) == 2


@pytest.mark.parametrize(
    "change",
    [{"weights": "authors"}, {"scale": 2}, {"precision": "bf16"}, {"device": "cuda"}, {"dataset": "Set14"}],
)
def test_other_places_stay_apart(tmp_path, change):
    for row in (ROW, replace(ROW, **change)):
        results.add(tmp_path / "rows.csv", row)
    assert len(results.read(tmp_path / "rows.csv")) == 2


def test_identity_is_all_but_what_was_measured():
    assert replace(ROW, psnr_db=0.0, ssim=0.0, seconds=9.0, expected=5).identity == ROW.identity
    for name in results.COLUMNS:
        if name not in ("psnr_db", "ssim", "seconds", "expected"):
            assert replace(ROW, **{name: "other"}).identity != ROW.identity


def test_prevailing_rows_are_of_one_precision_and_device():
    rows = results.frame([ROW, replace(ROW, image="b"), replace(ROW, precision="bf16")])
    assert results.prevailing(rows)["precision"].tolist() == 2 * [ROW.precision]
    later = pd.concat([rows, results.frame([replace(ROW, precision="bf16", image="b")])])
    assert results.prevailing(later)["precision"].tolist() == ["bf16", "bf16"]
    assert results.prevailing(rows[:0]).empty


def test_rows_carry_the_versions_that_made_them():
    assert (ROW.torch, ROW.numpy) == (version("torch"), version("numpy"))
    assert replace(ROW, torch="2.0").identity != ROW.identity


def test_known_rows_are_reused_where_all_is_the_same(tmp_path):
    identity = {"code": "0123", "threads": 2, **results.made_with()}
    computed = pd.DataFrame({"ms": [1.5, 2.5]})
    path, columns = tmp_path / "rows.csv", ["ms", *identity]
    rows = results.reused(results.read_table(path, columns), identity, lambda: computed)
    results.write_table(rows, path)
    known = results.read_table(path, columns, ["code"])
    pd.testing.assert_frame_equal(results.reused(known, identity, None), rows, check_dtype=False)
    for change in ({"code": "0124"}, {"threads": 3}, {"torch": "0"}, {"device": "cpu"}):
        anew = results.reused(known, identity | change, lambda: computed + 1)
        assert anew["ms"].tolist() == [2.5, 3.5]
        assert anew[list(change)].iloc[0].to_dict() == change


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n", "notes of a person", "model,dataset\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(HdsrError, match="is not a file of result rows"):
        results.add(path, ROW)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text(path.read_text().replace("baby", "bird")),
        lambda path: path.write_text(path.read_text() + "torn, by a kill"),
        lambda path: results.replace(path, [replace(ROW, image="bird")]),
        lambda path: path.unlink(),
    ],
    ids=["edited", "torn", "replaced", "removed"],
)
def test_what_others_did_to_the_file_meanwhile_is_noticed(tmp_path, change):
    path = tmp_path / "rows.csv"
    results.add(path, ROW)
    change(path)
    results.add(path, replace(ROW, image="bird", psnr_db=20.0))
    rows = results.read(path)
    assert [row.psnr_db for row in rows if row.image == "bird"] == [20.0]
    assert results.parse(path)[1]


def test_adding_a_row_does_not_read_the_others_again(tmp_path, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        results,
        "row_of",
        lambda record, kind, row_of=results.row_of: parsed.append(record) or row_of(record, kind),
    )
    for index in range(50):
        results.add(tmp_path / "rows.csv", replace(ROW, image=str(index)))
    assert len(parsed) == 0
    results.add(tmp_path / "rows.csv", replace(ROW, image="7", psnr_db=1.0))
    assert len(parsed) == 50
    assert len(results.read(tmp_path / "rows.csv")) == 50


def test_a_pipe_is_no_file_of_rows(tmp_path):
    os.mkfifo(tmp_path / "rows.csv")
    with pytest.raises(HdsrError, match="is a pipe, socket or device, expected a file of result rows"):
        results.add(tmp_path / "rows.csv", ROW)


def add_many(path, model):
    for index in range(40):
        results.add(path, replace(ROW, model=model, image=str(index)))
        results.add(path, replace(ROW, model="shared", image=str(index)))


def test_a_file_of_the_longest_name_has_a_lock(tmp_path):
    path = tmp_path / f"{'n' * 251}.csv"
    results.add(path, ROW)
    assert results.read(path) == [ROW]


@pytest.mark.parametrize("name", ["rows.csv", "link.csv"])
def test_a_lock_that_is_never_free_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr(results, "LOCK_TIMEOUT_S", 0.01)
    (tmp_path / "link.csv").symlink_to("rows.csv")
    with FileLock(tmp_path / ".rows.csv.lock"), pytest.raises(OSError, match=r"rows\.csv\.lock"):
        results.add(tmp_path / name, ROW)


def test_two_processes_may_write_one_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "rows.csv"
    writers = [context.Process(target=add_many, args=(path, name)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = results.read(path)
    assert len(rows) == len({row.place for row in rows}) == 3 * 40
    assert results.parse(path)[1]


def test_means_are_taken_over_whole_sets_only():
    rows = [
        replace(ROW, psnr_db=30.0, ssim=0.8),
        replace(ROW, image="bird", psnr_db=31.0, ssim=0.9),
        replace(ROW, weights="authors", psnr_db=40.0),
        replace(ROW, weights="user", psnr_db=math.inf),
        replace(ROW, weights="user", image="bird", psnr_db=30.0),
    ]
    summary = results.summarize(results.frame(rows)).set_index("weights")
    assert summary.loc["ours", ["n", "expected", "complete", "psnr_db", "ssim"]].tolist() == pytest.approx(
        [2, 2, True, 30.5, 0.85]
    )
    assert summary.loc["authors", ["n", "expected", "complete"]].tolist() == [1, 2, False]
    assert summary.loc["authors", ["psnr_db", "ssim"]].isna().all()
    assert summary.loc["user", "psnr_db"] == math.inf


def test_a_set_that_grew_is_as_large_as_its_last_row_says():
    rows = results.frame([ROW, replace(ROW, image="bird", expected=3)])
    assert results.summarize(rows)[["n", "expected", "complete"]].to_numpy().tolist() == [[2, 3, False]]


def test_no_rows_have_an_empty_summary():
    assert results.summarize(results.frame([])).empty
