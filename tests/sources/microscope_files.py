"""Files of microscope makers, put together byte by byte from the published descriptions of their formats.

None of them comes from a microscope: what a real one writes beside is not in them.
"""

from __future__ import annotations

import os
import struct
from importlib.util import find_spec
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest


def _needs(library):
    """Where a submission is judged nothing is missing."""
    missing = find_spec(library) is None and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"{library} is not installed")


needs_lif, needs_nd2, needs_exr = _needs("liffile"), _needs("nd2"), _needs("OpenEXR")

# ---------------------------------------------------------------- Zeiss CZI

CZI_TYPES = {
    ("|u1", 1): 0, ("<u2", 1): 1, ("<f4", 1): 2, ("|u1", 3): 3, ("<u2", 3): 4, ("|u1", 4): 9,
}  # fmt: skip


def _segment(name, content, size=0):
    content = content.ljust(size, b"\0")
    pad = -len(content) % 32
    return struct.pack("<16sqq", name, len(content) + pad, len(content)) + content + b"\0" * pad


def czi_entry(position, places, pixel_type, compression, stored, part=0):
    """An entry of the directory; ``places``: letter -> (start, size)."""
    head = struct.pack("<2siqiiBB4si", b"DV", pixel_type, position, part, compression, 0, 0, b"", len(places))
    for letter, (start, size) in places.items():
        head += struct.pack("<4siifi", letter.encode(), start, size, 0.0, stored.get(letter, size))
    return head


def czi_bytes(tiles, xml="", part=0, directory=True):
    """A CZI file of ``tiles``: dicts with ``pixels`` (y, x[, samples], red first), ``at`` (letter ->
    start, X and Y too) and perhaps ``packed`` (number of the way,
    bytes) or ``size`` (rows, columns that it stands for).
    """
    head = 32 + 512
    body = b""
    entries = []
    for tile in tiles:
        pixels = tile["pixels"]
        samples = pixels.shape[2] if pixels.ndim == 3 else 1
        stored = pixels
        if samples == 3:
            stored = pixels[..., ::-1]
        elif samples == 4:
            stored = pixels[..., [2, 1, 0, 3]]
        compression, data = tile.get("packed", (0, stored.tobytes()))
        at = dict(tile["at"])
        rows, columns = tile.get("size", pixels.shape[:2])
        spans = {"X": (at.pop("X", 0), columns), "Y": (at.pop("Y", 0), rows)}
        spans |= {letter: (start, 1) for letter, start in at.items()}
        shape = {"X": pixels.shape[1], "Y": pixels.shape[0]}
        kind = tile.get("type", CZI_TYPES[pixels.dtype.str, samples])
        position = head + len(body)
        entry = czi_entry(position, spans, kind, compression, shape)
        own = b"<METADATA/>"
        content = (struct.pack("<iiq", len(own), 0, len(data)) + entry).ljust(256, b"\0") + own + data
        body += _segment(b"ZISRAWSUBBLOCK", content)
        entries.append(entry)
    places = [0, 0]
    if directory:
        places[0] = head + len(body)
        listed = struct.pack("<i", len(entries)).ljust(128, b"\0") + b"".join(entries)
        body += _segment(b"ZISRAWDIRECTORY", listed)
    if xml:
        places[1] = head + len(body)
        text = xml.encode()
        body += _segment(b"ZISRAWMETADATA", struct.pack("<ii", len(text), 0).ljust(256, b"\0") + text)
    header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"a" * 16, b"a" * 16, part, *places, 0, 0)
    return _segment(b"ZISRAWFILE", header, 512) + body


def czi_xml(sizes=None, channels=(), scenes=(), step=None):
    """Metadata: ``sizes`` in metres by X, Y, Z; names of channels and scenes; seconds between frames."""
    items = "".join(f'<Distance Id="{a}"><Value>{n}</Value></Distance>' for a, n in (sizes or {}).items())
    named = "".join(f'<Channel Id="Channel:{i}" Name={quoteattr(c)}/>' for i, c in enumerate(channels))
    listed = "".join(f'<Scene Index="{i}" Name={quoteattr(s)}/>' for i, s in enumerate(scenes))
    time = f"<T><Positions><Interval><Increment>{step}</Increment></Interval></Positions></T>" if step else ""
    return (
        '<?xml version="1.0"?><ImageDocument><Metadata>'
        f"<Information><Image><Dimensions><Channels>{named}</Channels><S><Scenes>{listed}</Scenes></S>{time}"
        f"</Dimensions></Image></Information><Scaling><Items>{items}</Items></Scaling></Metadata></ImageDocument>"
    )


# ---------------------------------------------------------------- Leica LIF

LIF_AXES = {"x": 1, "y": 2, "z": 3, "t": 4, "wavelength": 5, "tile": 10}


def lif_image(name, array, axes, sizes=None, tags=None, names=None, padding=0):
    """An image for `lif_bytes`: ``array`` with ``axes`` as in the file (``c`` for channels,
    others of `LIF_AXES`), ``sizes`` axis -> (size of a pixel, unit), ``padding`` bytes behind each row.
    """
    steps, step = {}, array.dtype.itemsize
    for axis, n in zip(reversed(axes), reversed(array.shape), strict=True):
        steps[axis] = step
        step *= n
        if axis == "x":
            step += padding
    row = array.dtype.itemsize * array.shape[axes.index("x")] * (array.shape[-1] if axes[-1] == "c" else 1)
    data = b"".join(
        line.tobytes() + b"\xee" * padding for line in array.reshape(-1, row // array.dtype.itemsize)
    )
    count = array.shape[axes.index("c")] if "c" in axes else 1
    dimensions = ""
    for axis, n in zip(axes, array.shape, strict=True):
        if axis == "c":
            continue
        size, unit = (sizes or {}).get(axis, (0, ""))
        dimensions += (
            f'<DimensionDescription DimID="{LIF_AXES[axis]}" NumberOfElements="{n}" Origin="0"'
            f' Length="{size * (n - 1)}" Unit="{unit}" BitInc="0" BytesInc="{steps[axis]}"/>'
        )
    channels = ""
    for i in range(count):
        channels += (
            f'<ChannelDescription DataType="{int(array.dtype.kind == "f")}"'
            f' ChannelTag="{(tags or [0] * count)[i]}"'
            f' Resolution="{8 * array.dtype.itemsize}" NameOfMeasuredQuantity="" Min="0" Max="1" Unit=""'
            f' LUTName={quoteattr((names or [""] * count)[i])} IsLUTInverted="0"'
            f' BytesInc="{i * steps.get("c", 0)}" BitInc="0"/>'
        )
    element = (
        f"<Element Name={quoteattr(name)}><Data><Image><ImageDescription><Channels>{channels}</Channels>"
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{len(data)}" MemoryBlockID="Mem{name}"/></Element>'
    )
    return element, f"Mem{name}", data


def lif_bytes(images, name="experiment"):
    """A LIF file of version 2."""
    children = "".join(element for element, _, _ in images)
    xml = (
        f'<LMSDataContainerHeader Version="2"><Element Name="{name}"><Children>{children}</Children>'
        "</Element></LMSDataContainerHeader>"
    )
    out = struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le")
    for _, block, data in images:
        named = block.encode("utf-16-le")
        out += struct.pack("<IIBQBI", 0x70, len(named) + 14, 0x2A, len(data), 0x2A, len(block)) + named + data
    return out


# ---------------------------------------------------------------- Nikon ND2

_ND2_MAGIC = 0x0ABECEDA


def _chunk(name, data):
    reserved = max(len(name), 4072) if name.startswith(b"ImageDataSeq") else len(name)
    return struct.pack("<IIQ", _ND2_MAGIC, reserved, len(data)) + name.ljust(reserved, b"\0") + data


def _variant(value, name="no_name"):
    """A value as the XML of Nikon's files."""
    if isinstance(value, dict):
        inner = "".join(_variant(v, k) for k, v in value.items())
        return f'<{name} runtype="CLxListVariant">{inner}</{name}>'
    if isinstance(value, list):
        return (
            _variant(dict.fromkeys(()), name)
            if not value
            else (f'<{name} runtype="CLxListVariant">' + "".join(_variant(v) for v in value) + f"</{name}>")
        )
    kind = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}[type(value)]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'<{name} runtype="{kind}" value={quoteattr(text)}/>'


def nd2_loop(kind, count, inner=None, names=()):
    """A loop of the acquisition: ``T``, ``Z`` or ``P``, with another inside."""
    parameters = {"uiCount": count}
    if kind == "T":
        parameters |= {"dStart": 0.0, "dPeriod": 2500.0, "dDuration": 0.0}
    elif kind == "Z":
        parameters |= {"dZLow": 0.0, "dZHigh": 2.0 * (count - 1), "dZStep": 2.0}
    else:
        points = [
            {"dPosX": float(i), "dPosY": 0.0, "dPosName": names[i] if names else ""} for i in range(count)
        ]
        parameters = {"Points": points, "bUseZ": False}
    loop = {"eType": {"T": 1, "P": 2, "Z": 4}[kind], "uLoopPars": parameters}
    if inner:
        loop["ppNextLevelEx"] = [inner]
    return loop


def nd2_bytes(frames, loop=None, channels=("A",), components=1, calibration=0.325, padding=0, lossless=False):
    """An ND2 file of version 3. ``frames``: arrays (y, x, channels * components) in the order in which they
    were taken, None for those that never were.
    """
    import zlib

    first = next(f for f in frames if f is not None)
    rows, columns, count = first.shape
    bits = 8 * first.dtype.itemsize
    attributes = {
        "uiBpcInMemory": bits, "uiBpcSignificant": bits, "uiComp": count,
        "uiHeight": rows, "uiWidth": columns, "uiSequenceCount": len(frames),
        "uiWidthBytes": columns * count * first.dtype.itemsize + padding,
        "eCompression": 0 if lossless else 2,
    }  # fmt: skip
    planes = {
        f"Plane{i}": {
            "sDescription": name,
            "uiCompCount": components,
            "pFluorescentProbe": {"m_sName": "dye"},
        }
        for i, name in enumerate(channels)
    }
    picture = {
        "bCalibrated": calibration > 0, "dCalibration": calibration,
        "sPicturePlanes": {"uiCount": len(channels), "sPlaneNew": planes},
    }  # fmt: skip
    chunks = [
        (b"ImageAttributesLV!", _variant({"SLxImageAttributes": attributes}, "variant").encode()),
        (b"ImageMetadataSeqLV|0!", _variant({"SLxPictureMetadata": picture}, "variant").encode()),
    ]
    if loop:
        chunks.append((b"ImageMetadataLV!", _variant({"SLxExperiment": loop}, "variant").encode()))
    for i, frame in enumerate(frames):
        if frame is None:
            continue
        lines = b"".join(line.tobytes() + b"\xee" * padding for line in frame)
        data = b"\0" * 8 + (zlib.compress(lines) if lossless else lines)
        chunks.append((f"ImageDataSeq|{i}!".encode(), data))
    out = (
        struct.pack("<IIQ", _ND2_MAGIC, 32, 64)
        + b"ND2 FILE SIGNATURE CHUNK NAME01!"
        + b"Ver3.0".ljust(64, b"\0")
    )
    listed = b""
    for name, data in chunks:
        listed += name + struct.pack("<QQ", len(out), len(data))
        out += _chunk(name, data)
    at = len(out)
    listed += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at)
    return out + _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", listed)


def distinct(shape, dtype="uint16", seed=3):
    """Values that tell each place from its neighbours."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 250, shape).astype(dtype)
