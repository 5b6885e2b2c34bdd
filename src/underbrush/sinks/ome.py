"""OME-XML, the metadata of OME-TIFF (schema 2016-06): sizes, channels, pixel sizes, classes and provenance.

Written without UUID and date, so that the same result is the same file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from underbrush.sinks.base import OutputSpec
from underbrush.sinks.calibration import METRES, SECONDS, known_sizes

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
PIXEL_TYPES = {
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "float32": "float",
    "float64": "double",
}
"""dtype -> OME's name; others do not exist there."""

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def ome_xml(spec: OutputSpec) -> bytes:
    """The description of a file with one page for each plane, c fastest, then z, then t; ASCII."""
    t, c, z, y, x = spec.shape
    root = ElementTree.Element(
        "OME",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{NAMESPACE} {NAMESPACE}/ome.xsd",
            "Creator": "Underbrush",
        },
    )
    image = ElementTree.SubElement(root, "Image", {"ID": "Image:0", "Name": spec.kind})
    pixels = ElementTree.SubElement(
        image,
        "Pixels",
        {
            "ID": "Pixels:0",
            "DimensionOrder": "XYCZT",
            "Type": PIXEL_TYPES[spec.dtype.name],
            "BigEndian": "false",
            "SizeX": str(x),
            "SizeY": str(y),
            "SizeC": str(c),
            "SizeZ": str(z),
            "SizeT": str(t),
            **_physical_sizes(spec),
        },
    )
    for number in range(c):
        ElementTree.SubElement(pixels, "Channel", _channel(spec, number))
    ElementTree.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(t * c * z)})
    _annotate(root, image, spec)
    # ASCII with character references is UTF-8 too, and every reader expects that declaration.
    text: bytes = ElementTree.tostring(root, encoding="us-ascii")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + text


def _physical_sizes(spec: OutputSpec) -> dict[str, str]:
    attributes = {}
    sizes = known_sizes(spec.pixel_size)
    for axis in "xyz":
        if axis in sizes:
            value, unit = sizes[axis]
            attributes[f"PhysicalSize{axis.upper()}"] = repr(value)
            # Without a unit OME means micrometres; "reference frame" is its word for an unknown one.
            known = unit if unit in METRES or unit == "pixel" else "reference frame"
            attributes[f"PhysicalSize{axis.upper()}Unit"] = known
    if "t" in sizes and sizes["t"][1] in SECONDS:
        attributes["TimeIncrement"] = repr(sizes["t"][0])
        attributes["TimeIncrementUnit"] = sizes["t"][1]
    return attributes


def _channel(spec: OutputSpec, number: int) -> dict[str, str]:
    attributes = {"ID": f"Channel:0:{number}", "SamplesPerPixel": "1"}
    if number < len(spec.channel_names):
        attributes["Name"] = _text(spec.channel_names[number])
    elif spec.shape[1] == 1:
        attributes["Name"] = spec.kind
    if len(spec.class_colors) == spec.shape[1] and spec.kind == "probabilities":
        red, green, blue = spec.class_colors[number]
        unsigned = red << 24 | green << 16 | blue << 8 | 255
        attributes["Color"] = str(unsigned - (1 << 32) if unsigned >> 31 else unsigned)
    return attributes


def _annotate(root: ElementTree.Element, image: ElementTree.Element, spec: OutputSpec) -> None:
    colors = {str(i + 1): "#{:02x}{:02x}{:02x}".format(*c) for i, c in enumerate(spec.class_colors)}
    names = {str(i + 1): name for i, name in enumerate(spec.class_names)}
    groups = {"classes": names, "class_colors": colors, "provenance": spec.provenance}
    present = {name: values for name, values in groups.items() if values}
    for number in range(len(present)):
        ElementTree.SubElement(image, "AnnotationRef", {"ID": f"Annotation:{number}"})
    if present:
        annotations = ElementTree.SubElement(root, "StructuredAnnotations")
        for number, (name, values) in enumerate(present.items()):
            _map(annotations, number, name, values)


def _map(parent: ElementTree.Element, number: int, name: str, values: Mapping[str, str]) -> None:
    attributes = {"ID": f"Annotation:{number}", "Namespace": f"underbrush/{name}"}
    value = ElementTree.SubElement(ElementTree.SubElement(parent, "MapAnnotation", attributes), "Value")
    for key, text in values.items():
        ElementTree.SubElement(value, "M", {"K": _text(key)}).text = _text(text)


def _text(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
