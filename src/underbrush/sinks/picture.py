"""png, jpg and bmp: one plane, for slides and quick looks, held in memory until it is complete."""

from __future__ import annotations

import io
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.geometry import AXES, Box
from underbrush.errors import OutputError
from underbrush.files import Replacing
from underbrush.sinks.base import OutputSpec, Sink
from underbrush.sinks.blocks import check_block
from underbrush.sinks.calibration import METRES, known_sizes
from underbrush.sinks.colors import has_palette, palette
from underbrush.sinks.spool import incomplete

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 1 << 30
"""Larger pictures are refused: they would not fit in memory, and few programs open them."""
JPG_SIDE = 65535
"""The format's limit of width and height."""
JPG_QUALITY = 95
VALUES = {"segmentation", "labels", "objects"}
"""Results whose values are numbers of classes or objects, which must not change by one."""
_WRONG = {"segmentation": "a wrong segmentation", "labels": "wrong labels", "objects": "wrong objects"}


def check(spec: OutputSpec, format: str) -> None:
    """Refuse what is not one plane of a type that the format has."""
    t, c, z, y, x = spec.shape
    for name, size in (("time points", t), ("slices", z)):
        if size != 1:
            raise _refusal(spec, f"{format} holds one plane, the result has {size} {name}")
    depths = {"png": ("uint8", "uint16")}.get(format, ("uint8",))
    if spec.dtype.name not in depths:
        reason = f"{format} holds {' or '.join(depths)}, the result is {spec.dtype}"
        raise _refusal(spec, reason, convert=spec.dtype.kind == "f")
    colours = {"png": (1, 3, 4)}.get(format, (1, 3))
    if c not in colours:
        raise _refusal(spec, f"{format} holds {_listed(colours)} channels, the result has {c}")
    if c > 1 and spec.dtype != np.uint8:
        raise _refusal(spec, f"{format} holds colours of 8 bits, the result is {c} channels of {spec.dtype}")
    if format == "jpg" and spec.kind in VALUES:
        raise OutputError(
            f"jpg changes pixel values a little, which makes {_WRONG[spec.kind]}",
            where=spec.path,
            remedy="write png or tiff instead",
        )
    if format == "jpg" and max(y, x) > JPG_SIDE:
        raise _refusal(spec, f"jpg holds {JPG_SIDE} pixels a side, the result is {y} x {x}")
    if math.prod(spec.shape) * spec.dtype.itemsize > MOST_BYTES:
        raise _refusal(spec, f"a picture of {y} x {x} pixels is too large for {format}")


def _refusal(spec: OutputSpec, reason: str, *, convert: bool = False) -> OutputError:
    rescale = ", or convert the values (--dtype uint8 --rescale 0:1,0:255)" if convert else ""
    return OutputError(reason, where=spec.path, remedy=f"write tiff or hdf5 instead{rescale}")


def _listed(numbers: tuple[int, ...]) -> str:
    *first, last = (str(n) for n in numbers)
    return f"{', '.join(first)} or {last}"


def open_sink(spec: OutputSpec, format: str) -> Sink:
    """A sink for ``png``, ``jpg`` or ``bmp``."""
    return PictureSink(spec, format)


class PictureSink(Sink):
    """Grey, RGB or RGBA; a segmentation in png and bmp has its classes' colours as palette, values 1 to N."""

    def __init__(self, spec: OutputSpec, format: str) -> None:
        self.spec = spec
        self._format = format
        _, c, _, y, x = spec.shape
        self._replacing = Replacing(spec.path)
        self._pixels = np.zeros((y, x, c), spec.dtype)
        self._left = self._pixels.size
        self._lock = threading.Lock()

    def write(self, box: Box, block: NDArray[Any]) -> None:
        """See `Sink.write`."""
        check_block(self.spec, box, block)
        c, y, x = (box.slices[AXES.index(a)] for a in "cyx")
        self._pixels[y, x, c] = np.moveaxis(block[0, :, 0], 0, -1)
        with self._lock:
            self._left -= block.size

    def commit(self) -> None:
        """See `Sink.commit`."""
        if self._left:
            raise incomplete(self.spec.path, f"{self._left} pixels")
        self._replacing.file.write(encoded_picture(self.spec, self._pixels, self._format))
        self._replacing.commit()

    def abort(self) -> None:
        """See `Sink.abort`."""
        self._replacing.abort()


def encoded_picture(spec: OutputSpec, pixels: NDArray[Any], format: str) -> bytes:
    """A file of ``pixels`` (y, x, c) that `check` let pass, with the names and colours of ``spec``."""
    # Encoded in memory: Pillow would write past our file layer, straight to the descriptor.
    encoded = io.BytesIO()
    picture = _picture(spec, pixels)
    if format == "png":
        picture.save(encoded, "PNG", **_png_options(spec))
    elif format == "jpg":
        picture.save(encoded, "JPEG", quality=JPG_QUALITY, subsampling=0)
    else:
        picture.save(encoded, "BMP")
    return encoded.getvalue()


def _picture(spec: OutputSpec, pixels: NDArray[Any]) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - not needed before

    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if has_palette(spec):
        indexed = Image.frombytes("P", picture.size, picture.tobytes())
        indexed.putpalette(palette(spec.class_colors).tobytes())
        return indexed
    return picture


def _png_options(spec: OutputSpec) -> dict[str, Any]:
    from PIL import PngImagePlugin  # noqa: PLC0415 - not needed before

    texts = PngImagePlugin.PngInfo()
    texts.add_text("Software", "Underbrush")
    for name, values in (("Classes", spec.class_names), ("Channels", spec.channel_names)):
        if values:
            texts.add_itxt(name, "\n".join(values))
    for key, value in spec.provenance.items():
        texts.add_itxt(_keyword(key), value)
    options: dict[str, Any] = {"pnginfo": texts}
    sizes = {a: value * METRES[u] for a, (value, u) in known_sizes(spec.pixel_size).items() if u in METRES}
    if "x" in sizes and "y" in sizes and all(2**-31 < size <= 1 for size in sizes.values()):
        # Pillow turns dots per inch into whole pixels per metre, of 32 bits.
        options["dpi"] = (0.0254 / sizes["x"], 0.0254 / sizes["y"])
    return options


def _keyword(key: str) -> str:
    """The name of a text in a png: 1 to 79 characters of Latin-1."""
    return key.encode("latin-1", "replace").decode("latin-1").strip()[:79] or "Comment"
