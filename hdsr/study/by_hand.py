"""Single images, measured step by step: what a notebook needs to show how protocols differ."""

import pandas as pd
import torch

from hdsr import resize
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.fetch.weights import find_weights
from hdsr.images import read_picture
from hdsr.measure.protocols import NAMED, TITLES, luma, rounded
from hdsr.measure.sensitivity import ScoredImage, applies
from hdsr.methods import luma as of_luma
from hdsr.methods import registry, vdsr
from hdsr.methods.luma import LumaRunner, Plane
from hdsr.report.figures_2_to_7 import benchmark_image
from hdsr.report.tables import Table, crossed, pairs
from hdsr.settings import ProtocolSettings
from hdsr.upscaling.run import Image

_READERS = {"srcnn": registry.read_srcnn, "vdsr": vdsr.load}
"""Networks that sharpen the enlarged luma."""


def available(settings: ProtocolSettings) -> ProtocolSettings:
    """The settings with their defaults in place of a set or a network that is not there; says so."""
    lacking = []
    for key in ("gray", "color"):
        try:
            load_benchmark(getattr(settings, key).rpartition("/")[0], settings.scale, settings.root)
        except HdsrError as error:
            lacking.append((key, error))
    try:
        network_alone(settings)
    except HdsrError as error:
        lacking.append(("model", error))
    stand_ins = {key: type(settings).model_fields[key].default for key, _ in lacking}
    for key, error in lacking:
        print(f"{stand_ins[key]} stands in for {getattr(settings, key)}: {error}")
    return settings.model_copy(update=stand_ins)


def hr_image(settings: ProtocolSettings, place: str) -> Image:
    """The true image "<set>/<image>", uint8: RGB, or (height, width) if its file has one channel.

    Raises:
        HdsrError: if the set is not there or lacks the image.
    """
    dataset, _, wanted = place.rpartition("/")
    path, _, hr = benchmark_image(dataset, wanted, settings.scale, settings.root)
    return hr if read_picture(path).pixels.shape[2] > 2 else hr[..., 0]


def gray_image(settings: ProtocolSettings) -> Image:
    """The gray image of the settings, (height, width); of one in color, what a gray copy of it would be."""
    hr = hr_image(settings, settings.gray)
    return hr if hr.ndim == 2 else rounded(hr.mean(axis=2)).astype(hr.dtype)


def network_alone(settings: ProtocolSettings) -> LumaRunner:
    """The network of the settings as a call on the luma of an image that has been enlarged already."""
    weights = registry.chosen_weights(settings.model, None, settings.scale, settings.root)
    files = find_weights(settings.scale, weights, settings.root, settings.model)
    network = _READERS[settings.model](*files, settings.scale)
    return of_luma.luma_runner(network, 1, torch.device("cpu"), "fp32", "enlarged")


def enlarged_lumas(hr: Image, scale: int) -> tuple[Plane, Plane]:
    """The luma of bicubic, kept in floats, and of RGB rounded to uint8: what a network may be given."""
    lr = resize.imresize(hr, 1 / scale)
    return resize.imresize_float(luma(lr), scale), luma(resize.imresize(lr, scale))


def by_every_protocol(settings: ProtocolSettings, hr: Image) -> Table:
    """PSNR and SSIM of bicubic and of the network on one image, by every named protocol."""
    lines = []
    for model in ("bicubic", settings.model):
        method = registry.load(model, settings.scale, root=settings.root)
        image = ScoredImage(method, settings.scale, resize.imresize(hr, 1 / settings.scale), hr, None)
        for name, protocol in NAMED.items():
            if applies(protocol, method):
                psnr_db, ssim = image.scores(protocol)
                lines.append((method.label, name, psnr_db, ssim))
    numbers = pd.DataFrame(lines, columns=["method", "protocol", "psnr_db", "ssim"])
    printed = crossed(numbers.assign(cell=pairs(numbers, "psnr_db", "ssim")), "protocol", "method")
    printed.insert(1, "whose", printed["protocol"].map(TITLES))
    printed["what is done"] = [NAMED[name].words for name in printed["protocol"]]
    return Table("by_every_protocol", "PSNR (dB) / SSIM of one image", numbers, printed)
