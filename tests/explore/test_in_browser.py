"""The explore notebook as a person uses it: JupyterLab in a browser, by pointer, finger and keyboard."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from skimage import data

from hdsr.images import read_image, write_png
from hdsr.paths import NOTEBOOKS, PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "only-here"
START_TIMEOUT_S, STOP_TIMEOUT_S = 60, 30
LARGEST_MESSAGE_BYTES = 10 * 2**20
"""Of what a page may send to a server of Jupyter in one message."""
SLOW_MS = 120_000
"""The longest that a kernel may take to start, or to enlarge a small image on a busy machine."""
NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
ALL_CELLS_ON_THE_PAGE = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open JupyterLab in")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of the notebook in a JupyterLab of its own, whose settings are nobody's."""
    shutil.copy2(NOTEBOOKS / "09_explore.ipynb", tmp_path / "explore.ipynb")
    settings = tmp_path / "config" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(json.dumps(NO_NEWS))
    (settings / "default_setting_overrides.json").write_text(json.dumps(ALL_CELLS_ON_THE_PAGE))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            server_command(tmp_path, port), env=environment(tmp_path), stdout=log, stderr=log
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server)
            yield f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?token={TOKEN}"
        finally:
            stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server, which ends its kernels first; at once if that takes too long."""
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def server_command(folder: Path, port: int) -> list[str]:
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": TOKEN,
    }
    return [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]


def environment(folder: Path) -> dict[str, str]:
    names = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    own = {f"JUPYTER_{name}": str(folder / place) for name, place in names.items()}
    own |= {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "user"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "user"),
    }
    search = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **own, "HDSR_REPORTS": str(folder / "reports"), "PYTHONPATH": search}


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < START_TIMEOUT_S and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start within {START_TIMEOUT_S} s")


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page; what goes wrong in its scripts, or is asked of other machines, fails the test."""
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1480, "height": 1100}, has_touch=True)
        page.set_default_timeout(SLOW_MS)
        expect.set_options(timeout=SLOW_MS)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("request", lambda request: complaints.extend(elsewhere(request.url)))
        yield page
        browser.close()
    assert complaints == []


def elsewhere(address: str) -> list[str]:
    return [] if re.match(r"(blob:)?https?://127\.0\.0\.1[:/]|data:", address) else [f"asked for {address}"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files to upload: a photograph, one cut short, one larger than a message, one too large, a text."""
    found = {name: tmp_path / f"{name}.png" for name in ("small", "broken", "large", "huge", "text")}
    write_png(found["small"], data.astronaut()[60:180, 160:280])
    found["broken"].write_bytes(found["small"].read_bytes()[:4000])
    found["text"].write_text("not an image")
    with found["huge"].open("wb") as stream:
        stream.truncate(201_000_000)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2100, 3), np.uint8)
    write_png(found["large"], np.maximum(noise, 64))
    assert found["large"].stat().st_size > LARGEST_MESSAGE_BYTES
    return found


def status(page: Page, words: str) -> None:
    """Wait until the line above the pictures says so."""
    expect(page.locator(".hdsr-status")).to_contain_text(re.compile(words))


def source(picture: Locator) -> str:
    return picture.get_attribute("src") or ""


def test_a_person_explores(lab: str, page: Page, files: dict[str, Path], tmp_path: Path) -> None:
    page.goto(lab)
    run_all_cells(page)
    page.screenshot(path=tmp_path / "1_run.png")
    move_the_divider(page)
    page.screenshot(path=tmp_path / "2_lens.png")
    zoom_and_save(page, tmp_path)
    page.screenshot(path=tmp_path / "2_zoomed.png")
    change_the_temperature(page)
    page.screenshot(path=tmp_path / "3_temperature.png")
    move_the_temperature_fast(page, tmp_path)
    reset_the_temperature(page)
    pick_a_layer(page)
    page.screenshot(path=tmp_path / "4_layer.png")
    upload(page, files)
    page.screenshot(path=tmp_path / "5_upload.png")
    page.keyboard.press("Control+b")  # no file browser beside the notebook
    page.set_viewport_size({"width": 390, "height": 1100})
    page.locator(".hdsr-stage").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "6_narrow.png")
    explorer = page.locator(".hdsr-explorer")
    assert explorer.evaluate("explorer => explorer.scrollWidth <= explorer.clientWidth")
    expect(page.locator('[data-mime-type="application/vnd.jupyter.error"]')).to_have_count(0)


def run_all_cells(page: Page) -> None:
    expect(page.get_by_role("button", name=re.compile(r"\| Idle$"))).to_be_visible()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    status(page, "astronaut.* pixels, weights trained here")
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    count = prompts.count()
    expect(prompts.last).to_have_text(f"[{count}]:")
    expect(page.locator('[data-mime-type="application/vnd.jupyter.error"]')).to_have_count(0)
    page.locator(".hdsr-stage").scroll_into_view_if_needed()


def move_the_divider(page: Page) -> None:
    divider, before = page.get_by_role("slider", name="Divider between"), page.locator(".hdsr-before")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    middle = before.evaluate("picture => getComputedStyle(picture).clipPath")
    stage = page.locator(".hdsr-stage").bounding_box()
    assert stage is not None
    height = stage["y"] + 0.4 * stage["height"]
    page.mouse.move(stage["x"] + 0.5 * stage["width"], height)
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.25 * stage["width"], height, steps=4)
    page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "25")
    assert before.evaluate("picture => getComputedStyle(picture).clipPath") != middle
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "31")
    page.mouse.move(stage["x"] + 0.6 * stage["width"], height)
    panes = page.locator(".hdsr-lens .hdsr-pane")
    expect(panes).to_have_text(["Bicubic", "HDSRNet", "True image"])
    here = panes.first.evaluate("pane => pane.style.backgroundPosition")
    page.mouse.move(stage["x"] + 0.7 * stage["width"], height)
    assert panes.first.evaluate("pane => pane.style.backgroundPosition") != here
    page.mouse.move(0, 0)
    expect(page.locator(".hdsr-lens")).to_be_hidden()
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".hdsr-lens")).to_be_visible()
    expect(divider).to_have_attribute("aria-valuenow", "31")
    page.keyboard.press("Escape")
    expect(page.locator(".hdsr-lens")).to_be_hidden()
    page.touchscreen.tap(stage["x"] + 0.75 * stage["width"], stage["y"] + 0.5 * stage["height"])
    expect(page.locator(".hdsr-lens")).to_be_visible()


def zoom_and_save(page: Page, folder: Path) -> None:
    after, percent = page.locator(".hdsr-after"), page.locator(".hdsr-tools output")
    whole = percent.inner_text()
    page.get_by_role("button", name="Zoom in").click()
    expect(percent).not_to_have_text(whole)
    stage = page.locator(".hdsr-stage").bounding_box()
    assert stage is not None
    before = after.evaluate("picture => picture.style.transform")
    page.mouse.move(stage["x"] + 0.8 * stage["width"], stage["y"] + 0.7 * stage["height"])
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.7 * stage["width"], stage["y"] + 0.6 * stage["height"], steps=3)
    page.mouse.up()
    assert after.evaluate("picture => picture.style.transform") != before
    with page.expect_download() as started:
        page.get_by_role("link", name="Save the enlarged image").click()
    assert started.value.suggested_filename == "astronaut_x4.png"
    started.value.save_as(folder / "saved.png")
    assert read_image(folder / "saved.png").shape == (512, 512, 3)
    page.get_by_role("button", name="Show the whole image").click()
    expect(percent).to_have_text(whole)


def move_the_temperature_fast(page: Page, folder: Path) -> None:
    """Thirty arrow keys: what is shown meanwhile is gray, and what is shown at last is of the last key."""
    page.locator(".hdsr-controls .noUi-handle").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".hdsr-explorer.hdsr-stale")).to_have_count(1)
    expect(page.locator(".hdsr-status.hdsr-busy")).to_be_visible()
    page.screenshot(path=folder / "3_busy.png")
    expect(page.locator(".hdsr-stale")).to_have_count(0)
    chosen = page.locator(".hdsr-controls .widget-readout").inner_text()
    expect(page.locator(".hdsr-name.hdsr-right")).to_have_text(f"HDSRNet at {chosen}")
    expect(page.locator(".hdsr-scores tbody tr").last).to_contain_text(f"temperature {chosen}")


def change_the_temperature(page: Page) -> None:
    rows = page.locator(".hdsr-scores tbody tr")
    expect(rows).to_have_count(2)
    before = source(page.locator(".hdsr-after"))
    track = page.locator(".hdsr-controls .noUi-target").bounding_box()
    assert track is not None
    page.mouse.click(track["x"] + 0.25 * track["width"], track["y"] + track["height"] / 2)
    expect(rows).to_have_count(3)
    expect(page.locator(".hdsr-name.hdsr-right")).to_contain_text("HDSRNet at ")
    expect(page.locator(".hdsr-after")).not_to_have_attribute("src", before)
    expect(page.locator(".hdsr-mixes > div")).to_have_count(5)


def reset_the_temperature(page: Page) -> None:
    page.get_by_role("button", name="as trained").click()
    status(page, r"astronaut.*\d s\.")
    expect(page.locator(".hdsr-scores tbody tr")).to_have_count(2)


def pick_a_layer(page: Page) -> None:
    sheet = page.get_by_alt_text("Feature maps of")
    before = source(sheet)
    page.get_by_role("radio", name="product of both branches").click()
    expect(sheet).to_have_attribute("alt", re.compile("Feature maps of product of both branches"))
    assert source(sheet) != before
    page.keyboard.press("ArrowRight")
    expect(sheet).to_have_attribute("alt", re.compile("Feature maps of CB: sub-pixel"))
    expect(page.get_by_role("combobox", name="Layer")).to_have_value(re.compile("CB: sub-pixel"))


def upload(page: Page, files: dict[str, Path]) -> None:
    choose = page.locator(".hdsr-upload input")
    after = page.locator(".hdsr-after")
    before = source(after)
    choose.set_input_files(files["broken"])
    status(page, "broken.png is a damaged image.* Shown: ")
    choose.set_input_files(files["text"])
    status(page, "text.png is not an image of a known format.* Shown: ")
    choose.set_input_files(files["huge"])
    status(page, "huge.png has 201 MB, more than the 200 MB that are read here")
    assert source(after) == before
    choose.set_input_files(files["small"])
    status(page, "small.png: 120 x 120 → 480 x 480")
    expect(after).not_to_have_attribute("src", before)
    expect(page.get_by_text("nothing can be scored")).to_be_visible()
    page.get_by_role("button", name="true: shrink it first").click()
    status(page, "small.png: 30 x 30 → 120 x 120")
    expect(page.locator(".hdsr-scores tbody tr")).to_have_count(2)
    expect(page.get_by_alt_text("Error map")).to_be_visible()
    choose.set_input_files(files["large"])
    status(page, "large.png has 2100 x 2000 pixels; only the middle")
