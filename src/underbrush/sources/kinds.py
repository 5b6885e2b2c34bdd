"""What a file is, by its first bytes and not by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

from underbrush.errors import ImageError
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.remote import Place

HEAD = 4096

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HDF5 = b"\x89HDF\r\n\x1a\n"
NPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"

_RASTER = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"#?RADIANCE\n", "Radiance HDR"),
    (b"#?RGBE\n", "Radiance HDR"),
)
_OTHERS = (
    (b"ZISRAWFILE", "CZI"),
    (b"\xda\xce\xbe\x0a", "ND2"),
    (b"v/1\x01", "OpenEXR"),
)
_NOT_READ = (
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an OLE file (Olympus OIB, Zeiss ZVI or an Office document)"),
    (b"NRRD", "an NRRD file"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"7z\xbc\xaf", "packed with 7-zip"),
    (b"\xfd7zXZ", "packed with xz"),
    (b"Rar!", "packed with RAR"),
)
_SUFFIXES = {
    "TIFF": {
        ".tif",
        ".tiff",
        ".btf",
        ".tf2",
        ".tf8",
        ".lsm",
        ".svs",
        ".ndpi",
        ".scn",
        ".qptiff",
        ".stk",
        ".ome",
    },
    "HDF5": {".h5", ".hdf5", ".hdf", ".ilp", ".ims", ".nc", ".mat", ".h4"},
    "PNG": {".png"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "PNM": {".pnm", ".pgm", ".ppm"},
    "PBM": {".pbm"},
    "WebP": {".webp"},
    "Sun raster": {".ras", ".sun"},
    "Radiance HDR": {".hdr"},
    "CZI": {".czi"},
    "LIF": {".lif", ".lof"},
    "ND2": {".nd2"},
    "OpenEXR": {".exr"},
    "npy": {".npy"},
    "npz": {".npz"},
    "Zarr": {".zarr", ".ozx"},
    "N5": {".n5"},
    "Precomputed": {".precomputed"},
}
"""Kind -> usual suffixes. A suffix of another kind is worth a remark, an unknown one is not."""

IMAGE_SUFFIXES = frozenset[str]().union(*_SUFFIXES.values()) - {".ilp", ".hdr"}
"""Usual suffixes of images that are read, lower case with the dot. A .hdr in a folder of images is mostly the
header of something else (Analyze, ENVI)."""


def kind_of(path: Path, location: str) -> str:
    """The kind of file, one of the keys above.

    Raises
    ------
    ImageError
        A folder, an empty or unreadable file, or nothing that is read here; the sentence says what it is.
    """
    if path.is_dir():
        return _folder(path, location)
    if path.exists() and not path.is_file():
        raise ImageError("this is no regular file", where=location, remedy="name an image file")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
            kind = _by_head(head) or ("HDF5" if _has_user_block(file, path.stat().st_size) else "")
            if kind == "npz" and path.suffix.lower() != ".npz" and _holds_zarr(path):
                kind = "Zarr"
    except OSError as error:
        raise unreadable(error, location) from None
    if not kind:
        raise _unknown(head, location)
    return kind


def _by_head(head: bytes) -> str:
    if head.startswith(TIFF):
        return "TIFF"
    if head.startswith(HDF5):
        return "HDF5"
    if head.startswith(NPY):
        return "npy"
    if head.startswith(ZIP):
        return "npz"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PBM" if head[1:2] in b"14" else "PNM"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head[:4] == b"\x70\0\0\0" and head[8:9] == b"\x2a":
        return "LIF"
    return next((kind for magic, kind in (*_OTHERS, *_RASTER) if head.startswith(magic)), "")


def _has_user_block(file: BinaryIO, size: int) -> bool:
    """HDF5 may begin at byte 512, 1024, 2048, ..., as MATLAB's files do."""
    at = 512
    while at < min(size, 1 << 26):
        file.seek(at)
        if file.read(len(HDF5)) == HDF5:
            return True
        at *= 2
    return False


def suffix_problem(kind: str, path: Path) -> str:
    """A sentence if the file's name speaks of another known kind than its content, else empty."""
    suffix = path.suffix.lower()
    named = next((other for other, suffixes in _SUFFIXES.items() if suffix in suffixes), kind)
    return (
        ""
        if named == kind
        else f"The name ends in {path.suffix} but the content is {kind}; it is read as {kind}."
    )


_ZARR_FILES = {"zarr.json", ".zarray", ".zgroup", ".zattrs"}
METADATA_FILES = frozenset({*_ZARR_FILES, ".zmetadata", "attributes.json"})
"""Names of files that say what the folder that they lie in is."""
_PARENTS = 8


def _holds_zarr(path: Path) -> bool:
    """Whether a zip file holds a Zarr store; one that is damaged holds none."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.rpartition("/")[2] in _ZARR_FILES for name in file.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return path.name.lower().endswith((".zarr.zip", ".ozx"))


def _folder(path: Path, location: str) -> str:
    """The kind of a folder, by the files in it, or, where it has none that tell, by the folders around it."""
    try:
        for folder in [path, *path.absolute().parents][:_PARENTS]:
            kind = _kind_of_folder(folder)
            if kind and (kind != "Precomputed" or folder == path):
                return kind
            if folder.suffix.lower() in {".zarr", ".n5"}:
                return "Zarr" if folder.suffix.lower() == ".zarr" else "N5"
    except OSError as error:
        raise unreadable(error, location) from None
    raise ImageError(
        "this is a folder, not an image",
        where=location,
        remedy="name a file in it, or several as a stack with a pattern in quotes, as in '*.tif'",
    )


def _kind_of_folder(folder: Path) -> str:
    held = {name for name in (*_ZARR_FILES, "attributes.json", "info") if (folder / name).is_file()}
    if held & _ZARR_FILES:
        return "Zarr"
    if "attributes.json" in held:
        return "N5"
    if "info" in held:
        with (folder / "info").open("rb") as file:
            if b'"scales"' in file.read(1 << 20):
                return "Precomputed"
    return ""


def kind_of_place(place: Place) -> str:
    """The kind of a folder on a server.

    Raises
    ------
    ImageError
        It is none that is read, or the server does not answer.
    """
    found = place.read_json("zarr.json", ".zarray", ".zgroup", ".zattrs", "attributes.json", "info")
    if any(one is not None for one in found[:4]):
        return "Zarr"
    if found[4] is not None:
        return "N5"
    if found[5] is not None and "scales" in found[5]:
        return "Precomputed"
    if ".n5" in place.key:
        return "N5"
    raise ImageError(
        "there is no Zarr, N5 or precomputed image at this address; other images are not read over the net",
        where=place.location,
        remedy="check the address, or download the file and open it",
    )


def _unknown(head: bytes, location: str) -> ImageError:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return ImageError("the file is empty (0 bytes)", where=location, remedy="copy or export it again")
    if head.startswith(b"version https://git-lfs"):
        return ImageError(
            "this is a pointer of Git LFS, not the image itself", where=location, remedy="run git lfs pull"
        )
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return ImageError(
            "this is a web page, not an image", where=location, remedy="download the image itself again"
        )
    for magic, name in _NOT_READ:
        if head.startswith(magic):
            return ImageError(
                f"this is {name}, which this version does not read",
                where=location,
                remedy="export the image as TIFF",
            )
    if not any(head):
        what = "the file holds zeros only, as after a broken copy"
    elif b"\0" not in head and all(byte > 8 for byte in head[:200]):
        what = "this is text, not an image"
    else:
        what = f"the file begins with {head[:8].hex(' ')}, which is no image format that is known"
    return ImageError(what, where=location, remedy="name a TIFF, HDF5, png, jpg, bmp, gif, pnm or npy file")
