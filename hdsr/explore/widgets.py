"""The parts of the page that know the pointer: JavaScript that is sent along and loads nothing else.

Each class names its traits and messages; the file of JavaScript beside it has the same name.
"""

from collections.abc import Callable
from importlib import resources
from typing import Any

import traitlets
from anywidget import AnyWidget


def packaged(name: str) -> str:
    """The text of a file of this package."""
    return (resources.files("hdsr.explore") / name).read_text(encoding="utf-8")


class Comparison(AnyWidget):
    """A picture under another, parted by a divider, and a lens that shows one place of each.

    The pointer or the arrow keys move the divider; the lens follows the pointer, or Shift and arrow keys.

    Attributes:
        pictures: {"name", "png"} each, of one size: before, after, and what only the lens shows.
        description: of the whole, for those who cannot see it.
        divider: where it stands, 0 (left) to 1.
        zoom: of the lens, screen pixels for a pixel.
        file_name: under which the second picture is saved.
    """

    _esm = packaged("comparison.js")
    _css = packaged("explore.css")
    pictures = traitlets.List(traitlets.Dict()).tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    divider = traitlets.Float(0.5).tag(sync=True)
    zoom = traitlets.Float(5.0).tag(sync=True)
    file_name = traitlets.Unicode("enlarged.png").tag(sync=True)


class LayerPicker(AnyWidget):
    """Figure 1, in which a part is picked by a click or with the arrow keys.

    Attributes:
        png: the picture.
        parts: {"name", "label", "left", "top", "width", "height"} each, in shares of the picture.
        value: name of the part that is picked.
    """

    _esm = packaged("layer_picker.js")
    png = traitlets.Bytes().tag(sync=True)
    parts = traitlets.List(traitlets.Dict()).tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)


class FileUpload(AnyWidget):
    """A button, and a place to drop a file on, that sends it in pieces.

    A server of Jupyter closes the connection on a message of more than 10 MiB, hence the pieces. Of a file
    that is too large nothing but name and size are sent.

    Attributes:
        label: on the button.
        limit_bytes: the largest file that is sent.
        piece_bytes: length of a piece.
    """

    _esm = packaged("file_upload.js")
    label = traitlets.Unicode("Upload an image…").tag(sync=True)
    limit_bytes = traitlets.Int(200_000_000).tag(sync=True)
    piece_bytes = traitlets.Int(2**20).tag(sync=True)

    def __init__(
        self, received: Callable[[str, bytes], None], declined: Callable[[str, int], None], **traits: Any
    ) -> None:
        """Make the button.

        Args:
            received: is called with name and content of each file.
            declined: is called with name and size of each file that is too large.
        """
        super().__init__(**traits)
        self.received, self.declined = received, declined
        self.content, self.file = bytearray(), None
        self.on_msg(self.take)

    def take(self, _: object, message: dict[str, Any], pieces: list[bytes]) -> None:
        """Take a piece of a file, {"file", "name", "size", "offset"}; `file` tells files of one name apart.

        One without bytes declares a file too large.
        """
        name, size, offset = (message[key] for key in ("name", "size", "offset"))
        if size > self.limit_bytes:
            self.declined(name, size)
            return
        if offset == 0:
            self.content.clear()
            self.file = message["file"]
        if message["file"] != self.file or offset != len(self.content):
            return  # the rest of a file that another one has interrupted
        self.content += b"".join(pieces)
        if len(self.content) == size:
            content = bytes(self.content)
            self.content.clear()
            self.received(name, content)
