import itertools
import math
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from hdsr import checkpoint, evaluation, metrics, results
from hdsr.cli import main
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.evaluation import evaluate
from hdsr.images import read_image, write_png
from hdsr.methods.registry import LOADERS, Entry, Method
from hdsr.network import HDSRNet
from hdsr.resize import imresize


def write_images(folder, count=3, height=24, width=26, seed=0):
    """Random PNG images called a, b, c ... in a folder of their own."""
    random = np.random.default_rng(seed)
    for index in range(count):
        name = chr(ord("a") + index % 26) + str(index // 26 or "")
        write_png(folder / f"{name}.png", random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def photos(tmp_path):
    return write_images(tmp_path / "photos")


@pytest.fixture
def repeat(monkeypatch):
    """A method that repeats pixels; the list it returns grows with every image that it enlarges."""
    calls = []

    def loader(request):
        def upscale(lr):
            calls.append(lr.shape)
            return lr.repeat(request.scale, axis=0).repeat(request.scale, axis=1)

        return Method("repeat", "Repeat", str(request.weights), f"hash of {request.weights}", "1", upscale)

    monkeypatch.setitem(LOADERS, "repeat", Entry(loader, ("ours", "authors")))
    return calls


def run(photos, tmp_path, **changes):
    arguments = {"out": tmp_path / "rows.csv", "progress": False, **changes}
    return evaluate(arguments.pop("model", "repeat"), arguments.pop("scale", 2), [str(photos)], **arguments)


def test_rows_of_the_samples_are_the_scores_of_their_images(tmp_path):
    rows = evaluate("bicubic", 4, ["samples"], out=tmp_path / "rows.csv", progress=False)
    assert tuple(rows.columns) == results.COLUMNS
    for row, (name, lr, hr) in zip(rows.itertuples(), load_benchmark("samples", 4), strict=True):
        sr = imresize(lr, 4)
        assert (row.dataset, row.image, row.scale, row.crop_px) == ("samples", name, 4, 4)
        assert (row.psnr_db, row.ssim) == (metrics.psnr_y(sr, hr, 4), metrics.ssim_y(sr, hr, 4))
    pd.testing.assert_frame_equal(results.load(tmp_path / "rows.csv"), rows)
    assert results.summarize(rows)["complete"].all()


def test_bicubic_means_of_a_real_set(tmp_path, real_data_root):
    rows = evaluate("bicubic", 3, ["Set5"], out=tmp_path / "rows.csv", root=real_data_root, progress=False)
    summary = results.summarize(rows).iloc[0]
    assert summary[["n", "expected", "psnr_db"]].tolist() == pytest.approx([5, 5, 30.4047], abs=5e-5)


def test_a_second_call_computes_nothing(photos, tmp_path, repeat):
    first = run(photos, tmp_path)
    written = (tmp_path / "rows.csv").read_bytes()
    pd.testing.assert_frame_equal(run(photos, tmp_path), first)
    assert len(repeat) == 3
    assert (tmp_path / "rows.csv").read_bytes() == written


@pytest.mark.parametrize(
    "changes", [{"weights": "authors"}, {"scale": 3}, {"precision": "bf16"}, {"model": "bicubic"}]
)
def test_other_arguments_get_rows_of_their_own(photos, tmp_path, repeat, changes):
    run(photos, tmp_path)
    assert len(run(photos, tmp_path, **changes)) == 3
    assert len(results.read(tmp_path / "rows.csv")) == 6
    run(photos, tmp_path)
    assert len(repeat) == 3 + (3 if "model" not in changes else 0)


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "another file"},
        {"code_version": "another network"},
        {"protocol": "another crop"},
        {"image_sha256": "another image"},
        {"lr_sha256": "another degradation"},
        {"crop_px": 0},
    ],
)
def test_a_row_of_another_identity_is_never_reused(photos, tmp_path, repeat, change):
    run(photos, tmp_path)
    rows = results.read(tmp_path / "rows.csv")
    results.replace(tmp_path / "rows.csv", [replace(rows[0], psnr_db=99.0, **change), *rows[1:]])
    again = run(photos, tmp_path)
    assert len(repeat) == 4
    assert again["psnr_db"].tolist() == [row.psnr_db for row in rows]
    assert len(results.read(tmp_path / "rows.csv")) == 3


def test_a_changed_image_is_scored_again(photos, tmp_path, repeat):
    before = run(photos, tmp_path)
    write_png(photos / "b.png", 255 - read_image(photos / "b.png"))
    after = run(photos, tmp_path)
    assert len(repeat) == 4
    assert (before["image_sha256"] == after["image_sha256"]).tolist() == [True, False, True]
    assert len(results.read(tmp_path / "rows.csv")) == 3


def test_a_changed_lr_file_is_enlarged_again(tmp_path, repeat):
    folder = tmp_path / "photos"
    write_images(folder / "HR")
    small = write_images(folder / "LR_bicubic" / "X2", height=12, width=13)
    for path in small.iterdir():
        path.rename(small / f"{path.stem}x2.png")
    before = run(folder, tmp_path)
    write_png(small / "bx2.png", 255 - read_image(small / "bx2.png"))
    after = run(folder, tmp_path)
    assert len(repeat) == 4
    assert (before["lr_sha256"] == after["lr_sha256"]).tolist() == [True, False, True]
    assert after["lr_source"].tolist() == ["files"] * 3


def test_rows_say_which_code_made_them_and_are_of_no_use_to_other_code(photos, tmp_path, repeat, monkeypatch):
    rows = run(photos, tmp_path)
    assert set(zip(rows["protocol"], rows["code_version"], strict=True)) == {(evaluation.PROTOCOL, "1")}
    load = LOADERS["repeat"].load
    newer = Entry(lambda request: replace(load(request), code_version="2"), ("ours",))
    monkeypatch.setitem(LOADERS, "repeat", newer)
    run(photos, tmp_path)
    assert len(repeat) == 6
    monkeypatch.setattr(evaluation, "PROTOCOL", "another crop")
    run(photos, tmp_path)
    assert len(repeat) == 9
    assert len(results.read(tmp_path / "rows.csv")) == 3


def test_saved_images_are_those_that_were_scored(photos, tmp_path, repeat):
    rows = run(photos, tmp_path, save_images=tmp_path / "sr")
    saved = tmp_path / "sr" / "repeat" / "photos" / "x2"
    assert sorted(path.name for path in saved.iterdir()) == ["a.png", "b.png", "c.png"]
    scores = [
        metrics.psnr_y(read_image(saved / f"{name}.png"), hr, 2) for name, _, hr in load_benchmark(photos, 2)
    ]
    assert scores == rows["psnr_db"].tolist()


def test_a_saved_image_that_is_gone_or_another_one_is_made_again(photos, tmp_path, repeat):
    run(photos, tmp_path, save_images=tmp_path / "sr")
    saved = tmp_path / "sr" / "repeat" / "photos" / "x2"
    contents = {path: path.read_bytes() for path in saved.iterdir()}
    (saved / "a.png").unlink()
    (saved / "b.png").write_bytes(b"cut short")
    (saved / "c.png").write_bytes((photos / "c.png").read_bytes())
    run(photos, tmp_path, save_images=tmp_path / "sr")
    assert len(repeat) == 6
    assert {path: path.read_bytes() for path in saved.iterdir()} == contents


def test_a_saved_image_of_which_one_pixel_is_another_is_made_again(photos, tmp_path, repeat):
    run(photos, tmp_path, save_images=tmp_path / "sr")
    saved = tmp_path / "sr" / "repeat" / "photos" / "x2" / "b.png"
    content, image = saved.read_bytes(), read_image(saved)
    image[12, 13] ^= 1
    write_png(saved, image)
    run(photos, tmp_path, save_images=tmp_path / "sr")
    assert len(repeat) == 4
    assert saved.read_bytes() == content


def test_a_perfect_image_counts_as_saved(tmp_path, repeat):
    folder = tmp_path / "flat"
    write_png(folder / "flat.png", np.full((24, 24, 3), 7, np.uint8))
    for _ in range(2):
        rows = run(folder, tmp_path, save_images=tmp_path / "sr")
        assert rows["psnr_db"].tolist() == [math.inf]
    assert len(repeat) == 1


def test_an_interrupted_run_goes_on_where_it_was(photos, tmp_path, repeat, monkeypatch):
    add, counter = results.add, itertools.count()

    def interrupted_at_the_third(*arguments):
        if next(counter) == 2:
            raise KeyboardInterrupt
        add(*arguments)

    monkeypatch.setattr(results, "add", interrupted_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(photos, tmp_path)
    assert [row.image for row in results.read(tmp_path / "rows.csv")] == ["a", "b"]
    run(photos, tmp_path)
    assert len(repeat) == 4


def test_small_images_are_enlarged_side_by_side_and_large_ones_alone(tmp_path, monkeypatch):
    """Each with as many threads of torch as it has a share in, which torch has again at the end."""
    sizes = [(200, 200), (60, 60), (600, 600), (60, 60), (60, 60), (300, 300)]
    for number, size in enumerate(sizes):
        write_images(tmp_path / "many" / str(number), 1, *size)
        (tmp_path / "many" / str(number) / "a.png").rename(tmp_path / "many" / f"{number}.png")
        (tmp_path / "many" / str(number)).rmdir()
    at_once, most, shares, lock = 0, 0, [], threading.Lock()

    def upscale(lr):
        nonlocal at_once, most
        with lock:
            at_once += torch.get_num_threads()
            most = max(most, at_once)
            shares.append((lr.shape[0], torch.get_num_threads()))
        time.sleep(0.05)
        with lock:
            at_once -= torch.get_num_threads()
        return lr.repeat(2, axis=0).repeat(2, axis=1)

    method = Method("repeat", "Repeat", "none", "none", "1", upscale)
    monkeypatch.setitem(LOADERS, "repeat", Entry(lambda request: method))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        rows = run(tmp_path / "many", tmp_path)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert rows["image"].tolist() == list("012345")
    assert most == 3
    # 300 x 300 pixels are more than 256 x 256; whichever is read first has all threads
    wanted = {100: 1, 30: 1, 300: 2, 150: 1}
    assert shares[0][1] == 3
    assert all(number == wanted[height] for height, number in shares[1:])
    assert sorted(height for height, _ in shares) == [30, 30, 30, 100, 150, 300]


def test_a_killed_process_loses_at_most_the_images_in_hand(tmp_path):
    photos = write_images(tmp_path / "photos", count=200, height=60, width=60)
    out = tmp_path / "rows.csv"
    command = [sys.executable, "-m", "hdsr", "evaluate", "--model", "bicubic", "--scale", "2"]
    command += ["--dataset", str(photos), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while len(results.read(out)) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    survivors = results.read(out)
    assert 3 <= len(survivors) < 200
    assert main(command[3:]) == 0
    rows = results.read(out)
    assert rows[: len(survivors)] == survivors
    assert [row.image for row in rows] == [name for name, _, _ in load_benchmark(photos, 2)]


def test_an_incomplete_set_has_rows_but_no_mean(tmp_path, repeat):
    hr = write_images(tmp_path / "benchmarks" / "Set5" / "HR", count=1)
    (hr / "a.png").rename(hr / "baby.png")
    rows = evaluate("repeat", 2, ["Set5"], out=tmp_path / "rows.csv", root=tmp_path, progress=False)
    summary = results.summarize(rows).iloc[0]
    assert summary[["n", "expected", "complete"]].tolist() == [1, 5, False]
    assert math.isnan(summary["psnr_db"])


def test_a_folder_that_grew_is_incomplete_until_it_is_measured_anew(photos, tmp_path, repeat):
    run(photos, tmp_path)
    write_images(photos, count=4)
    rows = run(photos, tmp_path)
    assert rows["expected"].tolist() == [4] * 4
    assert len(repeat) == 4


def test_a_set_named_twice_is_counted_once(photos, tmp_path, repeat):
    spelled = [str(photos), f"{photos}/", str(photos.parent / "." / photos.name)]
    rows = evaluate("repeat", 2, spelled, out=tmp_path / "rows.csv", progress=False)
    assert len(rows) == len(repeat) == 3


def test_two_sets_of_one_name_are_refused(photos, tmp_path, repeat):
    other = write_images(tmp_path / "other" / "photos")
    with pytest.raises(HdsrError, match="two sets are named 'photos'"):
        evaluate("repeat", 2, [str(photos), str(other)], out=tmp_path / "rows.csv", progress=False)


def test_a_result_that_is_not_finite_names_its_image_and_leaves_no_row(photos, tmp_path):
    network = HDSRNet(2)
    for layer in (3, 5):
        network.lower.layers[layer].weight.data.mul_(1e30)
    checkpoint.save(network, tmp_path / "huge.safetensors", {})
    with pytest.raises(HdsrError, match=r"^a of photos: .* not made of finite numbers"):
        run(photos, tmp_path, model="hdsrnet", weights=tmp_path / "huge.safetensors")
    assert not results.read(tmp_path / "rows.csv")


def test_a_damaged_image_is_named_and_the_rows_before_it_kept(photos, tmp_path, repeat):
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:300])
    with pytest.raises(HdsrError, match=r"b\.png"):
        run(photos, tmp_path)
    assert [row.image for row in results.read(tmp_path / "rows.csv")] == ["a"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "edsr"}, "unknown model 'edsr'"),
        ({"scale": 5}, "unknown scale 5: expected 2, 3 or 4"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
    ],
)
def test_bad_arguments_leave_no_file(photos, tmp_path, changes, message):
    with pytest.raises(HdsrError, match=message):
        run(photos, tmp_path, **{"model": "bicubic", **changes})
    assert not (tmp_path / "rows.csv").exists()
