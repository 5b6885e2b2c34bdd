"""A decoder in a child process: if it crashes, hangs or eats memory, an error is all that is left of it.

The child is this module run as a program. It opens the TIFF file itself, if it is for one, takes requests on
its standard input and answers on its standard output, both as a length and that many bytes. Between the two
go only JSON and raw pixels, nothing that could run code. It is started when the first piece of such an image
is read and ends with the image.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from underbrush.errors import ImageError

START_SECONDS = 60.0
PIECE_SECONDS = 120.0
"""Patience with one strip or tile; the slowest codecs do some MB a second."""
CODECS = {"jpeg": "jpeg8_decode", "jpegxr": "jpegxr_decode"}
"""Names for `ChildDecoder.decode_as` -> function of imagecodecs."""
SPARE_BYTES = 3 << 30
"""Address space of the child beyond what the piece needs; libraries and thread stacks reserve much of it."""


class ChildDecoder:
    """Decodes pieces of the pages like the one at ``ifd`` of a TIFF file, one at a time; thread-safe."""

    def __init__(self, path: Path | None, ifd: int, piece_bytes: int) -> None:
        self._start = {
            "path": "" if path is None else str(path.absolute()),
            "ifd": ifd,
            "bytes": SPARE_BYTES + 8 * piece_bytes,
        }
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    @classmethod
    def of_codecs(cls, piece_bytes: int) -> ChildDecoder:
        """One for pieces that say all about themselves, see `decode_as`; of at most ``piece_bytes``."""
        return cls(None, 0, piece_bytes)

    def decode(self, data: bytes, index: int, tables: bytes | None) -> NDArray[Any]:
        """The pixels (depth, rows, columns, samples) of piece ``index``.

        Raises
        ------
        ImageError
            The decoder refused, crashed, or took too long; the next piece gets a new child.
        """
        return self._decoded(data, {"index": index, "tables": None if tables is None else tables.hex()})

    def decode_as(self, codec: str, data: bytes) -> NDArray[Any]:
        """The pixels (rows, columns[, samples]) by ``codec``, one of `CODECS`; errors as `decode`."""
        return self._decoded(data, {"codec": codec})

    def decode_exr(self, path: Path, part: int, channels: list[str], dtype: np.dtype[Any]) -> NDArray[Any]:
        """The pixels (rows, columns, channels) of a part of an OpenEXR file; errors as `decode`."""
        request = {"exr": str(path.absolute()), "part": part, "channels": channels, "dtype": dtype.str}
        return self._decoded(b"", request)

    def _decoded(self, data: bytes, request: dict[str, Any]) -> NDArray[Any]:
        with self._lock:
            if self._closed:
                raise ImageError("belongs to an image that is closed")
            try:
                if self._child is None:
                    self._child = self._spawn()
                head, body = self._ask(json.dumps(request).encode(), data)
            except (OSError, EOFError, ValueError, struct.error):
                raise ImageError(f"cannot be decoded (the decoder {self._end()})") from None
        answer = json.loads(head)
        if "error" in answer:
            raise ImageError(f"cannot be decoded ({answer['error']})")
        return np.frombuffer(body, np.dtype(answer["dtype"])).reshape(answer["shape"])

    def _spawn(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", "underbrush.sources.childdecoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert child.stdin is not None
        _write(child.stdin, json.dumps(self._start).encode())
        return child

    def _ask(self, *parts: bytes) -> tuple[bytes, bytes]:
        child = self._child
        assert child is not None and child.stdin is not None and child.stdout is not None
        # Killing is the one way to interrupt a decoder that hangs; reading its answer then ends at once.
        watch = threading.Timer(START_SECONDS + PIECE_SECONDS, child.kill)
        watch.start()
        try:
            for part in parts:
                _write(child.stdin, part)
            return _read(child.stdout), _read(child.stdout)
        finally:
            watch.cancel()
            watch.join()

    def _end(self) -> str:
        """Put an end to the child and say how it went."""
        child, self._child = self._child, None
        if child is None:
            return "could not be started"
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            status = child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
        return f"crashed, signal {-status}" if status < 0 else "gave up"

    def close(self) -> None:
        """End the child; may be called twice."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._end()


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(struct.pack("<Q", len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    length = pipe.read(8)
    if len(length) < 8:
        raise EOFError
    count: int = struct.unpack("<Q", length)[0]
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _limit(count: int) -> None:
    """Bound the memory of this process, and let a crash leave no core file behind."""
    try:
        import resource  # noqa: PLC0415 (there is none on Windows, where the limit is the machine's)
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    count = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_AS, (count, count))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(stdin: IO[bytes], stdout: IO[bytes]) -> None:
    start = json.loads(_read(stdin))
    _limit(start["bytes"])
    if not start["path"]:
        _answer_all(None, stdin, stdout)
        return
    import tifffile  # noqa: PLC0415 (only the child needs it here)

    with tifffile.TiffFile(start["path"]) as tif:
        tif.filehandle.seek(start["ifd"])
        _answer_all(tifffile.TiffPage(tif, index=0), stdin, stdout)


def _answer_all(page: Any, stdin: IO[bytes], stdout: IO[bytes]) -> None:
    while True:
        try:
            request, data = json.loads(_read(stdin)), _read(stdin)
        except EOFError:
            return
        head, body = _answer(page, request, data)
        _write(stdout, json.dumps(head).encode())
        _write(stdout, body)


def _answer(page: Any, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        pixels = np.ascontiguousarray(_pixels(page, request, data))
    except Exception as error:  # noqa: BLE001 (the parent raises it; each codec has exceptions of its own)
        return {"error": str(error).strip().rstrip(".")[:120] or type(error).__name__}, b""
    return {"dtype": pixels.dtype.str, "shape": pixels.shape}, pixels.tobytes()


def _pixels(page: Any, request: dict[str, Any], data: bytes) -> NDArray[Any]:
    if "codec" in request:
        import imagecodecs  # noqa: PLC0415 (only the child needs it here)

        found: NDArray[Any] = getattr(imagecodecs, CODECS[request["codec"]])(data)
        return found
    if "exr" in request:
        return _exr_pixels(request)
    jpeg: dict[str, Any] = {}
    if page.compression in {6, 7, 34892, 33007}:
        tables = request["tables"]
        jpeg = {
            "jpegtables": None if tables is None else bytes.fromhex(tables),
            "jpegheader": page.jpegheader,
        }
    piece: NDArray[Any] = page.decode(data, request["index"], **jpeg)[0]
    return piece


def _exr_pixels(request: dict[str, Any]) -> NDArray[Any]:
    import OpenEXR  # noqa: PLC0415 (an extra, and only the child needs it here)

    with OpenEXR.File(request["exr"], separate_channels=True, num_threads=0) as file:
        if len(file.parts) <= request["part"]:
            # The library tells of damage on the terminal only.
            raise ValueError("damaged or cut off")
        held = file.parts[request["part"]].channels
        first = held[request["channels"][0]].pixels
        pixels = np.empty((*first.shape, len(request["channels"])), np.dtype(request["dtype"]))
        for i, name in enumerate(request["channels"]):
            pixels[..., i] = held[name].pixels
    return pixels


def _own_output() -> IO[bytes]:
    """The standard output for our answers alone: libraries that print on it print to nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


if __name__ == "__main__":
    _serve(sys.stdin.buffer, _own_output())
