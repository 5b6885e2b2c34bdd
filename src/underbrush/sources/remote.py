"""Where chunked images lie: a folder, a zip file, or a server. Small files are read here, chunks elsewhere.

A server that is gone is an error in seconds: every request is tried again a few times and then given up,
and what never answers runs into a limit of time.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from underbrush.errors import ImageError
from underbrush.sources.bytesfile import unreadable
from underbrush.sources.claims import DECODED_LIMIT, readable_bytes

METADATA_LIMIT = 64 << 20
"""Most bytes of one file of metadata."""
METADATA_SECONDS = 20.0
READ_SECONDS = 60.0
SLOWEST = 200_000
"""Bytes a second; a server that is slower is taken for dead."""
_RETRIES = {"max_retries": 6, "initial_delay": "100ms", "max_delay": "1s"}
_CACHE_BYTES = 64 << 20


def new_context() -> Any:
    """What the arrays of one image share in tensorstore: decoded chunks, threads, how often it is tried."""
    import tensorstore as ts  # noqa: PLC0415 (takes most of a second, and is needed for these formats only)

    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": _CACHE_BYTES},
            "data_copy_concurrency": {"limit": max(2, min(8, os.cpu_count() or 2))},
            "file_io_concurrency": {"limit": 8},
            "http_request_concurrency": {"limit": 16},
            "s3_request_concurrency": {"limit": 16},
            "gcs_request_concurrency": {"limit": 16},
            "http_request_retries": _RETRIES,
            "s3_request_retries": _RETRIES,
            "gcs_request_retries": _RETRIES,
        }
    )


class Backend(ABC):
    """Something that holds files by their keys, parts joined by ``/``."""

    remote = False

    @abstractmethod
    def read(self, keys: list[str], location: str) -> list[bytes | None]:
        """The content of each key, None where there is no such file.

        Raises
        ------
        ImageError
            It cannot be read, or is larger than `METADATA_LIMIT`.
        """

    @abstractmethod
    def spec(self, key: str) -> dict[str, Any]:
        """What tensorstore calls the place ``key``."""

    def children(self, key: str) -> list[str] | None:
        """Names of the folders in the folder ``key``, sorted; None where nobody can tell."""
        return None

    def count(self, key: str, most: int) -> int | None:
        """How many files with a name that does not begin with a dot lie below ``key``, metadata not counted.

        None where nobody can tell, or they are more than ``most``.
        """
        return None


_METADATA = {"zarr.json", "attributes.json"}


@dataclass(frozen=True)
class Folder(Backend):
    """The file system; keys are absolute paths."""

    def read(self, keys: list[str], location: str) -> list[bytes | None]:
        """See `Backend.read`."""
        return [self._read(Path(key), location) for key in keys]

    @staticmethod
    def _read(path: Path, location: str) -> bytes | None:
        try:
            with path.open("rb") as file:
                data = file.read(METADATA_LIMIT + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise unreadable(error, location) from None
        _check_size(len(data), path.name, location)
        return data

    def spec(self, key: str) -> dict[str, Any]:
        """See `Backend.spec`."""
        return {"driver": "file", "path": key.rstrip("/") + "/"}

    def children(self, key: str) -> list[str] | None:
        """See `Backend.children`."""
        try:
            return sorted(p.name for p in Path(key).iterdir() if p.is_dir() and not p.name.startswith("."))
        except OSError:
            return []

    def count(self, key: str, most: int) -> int | None:
        """See `Backend.count`."""
        found = 0
        for _, _, names in os.walk(key):
            found += sum(not name.startswith(".") and name not in _METADATA for name in names)
            if found > most:
                return None
        return found


@dataclass(frozen=True)
class Zipped(Backend):
    """A zip file; keys are names of its members."""

    path: Path
    names: frozenset[str]

    @classmethod
    def opened(cls, path: Path, location: str) -> Zipped:
        """The zip file at ``path``.

        Raises
        ------
        ImageError
            It is cut off or damaged.
        """
        try:
            with zipfile.ZipFile(path) as file:
                members = file.infolist()
        except OSError as error:
            raise unreadable(error, location) from None
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise _bad_zip(error, location) from None
        largest = max((member.file_size for member in members), default=0)
        if largest > DECODED_LIMIT:
            raise ImageError(
                f"it holds a file of {readable_bytes(largest)}, which is too large to unpack",
                where=location,
                remedy="unpack it and open the folder",
            )
        return cls(path, frozenset(member.filename for member in members))

    @property
    def top(self) -> str:
        """The one folder that holds everything, as some programs pack it; else empty."""
        tops = {name.partition("/")[0] for name in self.names}
        only = tops.pop() if len(tops) == 1 else ""
        return only if f"{only}/" in self.names or any(n.startswith(f"{only}/") for n in self.names) else ""

    def read(self, keys: list[str], location: str) -> list[bytes | None]:
        """See `Backend.read`."""
        found: list[bytes | None] = []
        try:
            with zipfile.ZipFile(self.path) as file:
                for key in keys:
                    if key not in self.names:
                        found.append(None)
                        continue
                    _check_size(file.getinfo(key).file_size, key, location)
                    found.append(file.read(key))
        except OSError as error:
            raise unreadable(error, location) from None
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise _bad_zip(error, location) from None
        return found

    def spec(self, key: str) -> dict[str, Any]:
        """See `Backend.spec`."""
        place = key.strip("/") + "/" if key.strip("/") else ""
        return {"driver": "zip", "base": {"driver": "file", "path": str(self.path)}, "path": place}

    def children(self, key: str) -> list[str] | None:
        """See `Backend.children`."""
        prefix = key.strip("/") + "/" if key.strip("/") else ""
        below = (name[len(prefix) :] for name in self.names if name.startswith(prefix))
        return sorted({name.partition("/")[0] for name in below if "/" in name})

    def count(self, key: str, most: int) -> int | None:
        """See `Backend.count`."""
        prefix = key.strip("/") + "/" if key.strip("/") else ""
        last = (name.rpartition("/")[2] for name in self.names if name.startswith(prefix))
        found = sum(bool(name) and not name.startswith(".") and name not in _METADATA for name in last)
        return found if found <= most else None


@dataclass(frozen=True)
class Server(Backend):
    """A web server, or a bucket of S3 or Google."""

    base: dict[str, Any]
    """tensorstore's words for it, without a path."""
    context: Any = field(compare=False, repr=False)
    remote = True

    def read(self, keys: list[str], location: str) -> list[bytes | None]:
        """See `Backend.read`; what may not be read counts as not there, for some servers say so of such."""
        import tensorstore as ts  # noqa: PLC0415

        try:
            store = ts.KvStore.open(self.base, context=self.context).result(timeout=METADATA_SECONDS)
            waiting = [store.read(key) for key in keys]
        except Exception as error:
            raise server_problem(error, location) from error
        found: list[bytes | None] = []
        denied: Exception | None = None
        for key, future in zip(keys, waiting, strict=True):
            try:
                got = future.result(timeout=METADATA_SECONDS)
            except Exception as error:
                if not _is_denied(error):
                    raise server_problem(error, location) from error
                denied = error
                found.append(None)
                continue
            value = bytes(got.value) if got.state == "value" else None
            _check_size(len(value or b""), key, location)
            found.append(value)
        if denied is not None and not any(found):
            raise server_problem(denied, location) from denied
        return found

    def spec(self, key: str) -> dict[str, Any]:
        """See `Backend.spec`."""
        return {**self.base, "path": key.strip("/") + "/" if key.strip("/") else ""}


@dataclass(frozen=True)
class Place:
    """A folder of a backend."""

    backend: Backend
    key: str
    location: str
    """As the user wrote it, for errors."""
    context: Any = field(compare=False, repr=False)

    def joined(self, inner: str) -> Place:
        """The folder ``inner`` below."""
        key = f"{self.key.rstrip('/')}/{inner}" if self.key else inner
        return Place(self.backend, key.rstrip("/"), self.location, self.context) if inner else self

    @property
    def parent(self) -> Place | None:
        """The folder that holds this one, None at the top."""
        head, _, name = self.key.rpartition("/")
        return Place(self.backend, head, self.location, self.context) if name and (head or name) else None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.key.rpartition("/")[2]

    @property
    def spec(self) -> dict[str, Any]:
        """What tensorstore calls it."""
        return self.backend.spec(self.key)

    def read_json(self, *names: str) -> list[dict[str, Any] | None]:
        """The JSON objects in these files, None where there is no such file.

        Raises
        ------
        ImageError
            One is no JSON object.
        """
        keys = [f"{self.key}/{name}" if self.key else name for name in names]
        found = self.backend.read(keys, self.location)
        return [self._parsed(data, name) for data, name in zip(found, names, strict=True)]

    def _parsed(self, data: bytes | None, name: str) -> dict[str, Any] | None:
        if data is None:
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            if name == "info":  # a common name
                return None
            raise ImageError(
                f"its file {name} is damaged: it holds no JSON object",
                where=self.location,
                remedy="copy the image again",
            )
        return value


def local_place(path: Path, inner: str, location: str) -> Place:
    """The folder ``inner`` of the folder or zip file at ``path``."""
    context = new_context()
    if path.is_dir():
        return Place(Folder(), str(path.absolute()), location, context).joined(inner)
    backend = Zipped.opened(path, location)
    names = backend.names
    top = "" if {"zarr.json", ".zgroup", ".zarray", ".zattrs"} & names else backend.top
    return Place(backend, top, location, context).joined(inner)


def remote_place(url: str, location: str) -> Place:
    """The folder at ``url``: http, https, s3, gs or gcs.

    Raises
    ------
    ImageError
        The address names no server or bucket, or the server does not answer.
    """
    parts = urlsplit(url)
    context = new_context()
    key = unquote(parts.path).strip("/")
    if not parts.hostname:
        raise ImageError(
            "the address names no server or bucket", where=location, remedy="write https://server/path"
        )
    if parts.scheme in {"http", "https"}:
        query = f"?{parts.query}" if parts.query else ""
        base = {"driver": "http", "base_url": f"{parts.scheme}://{parts.netloc}/{query}"}
        return Place(Server(base, context), key, location, context)
    if parts.scheme == "s3":
        return Place(_s3(parts.netloc, key, location, context), key, location, context)
    if _google_credentials():
        return Place(Server({"driver": "gcs", "bucket": parts.netloc}, context), key, location, context)
    # The driver of tensorstore would first look for a Google machine around us; the web address needs nobody.
    base = {"driver": "http", "base_url": "https://storage.googleapis.com/"}
    return Place(Server(base, context), f"{parts.netloc}/{key}", location, context)


def _s3(bucket: str, key: str, location: str, context: Any) -> Server:
    """Without credentials first, as most public images need none; then with those of the user."""
    base: dict[str, Any] = {"driver": "s3", "bucket": bucket}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint:
        base["endpoint"] = endpoint.rstrip("/")
    if endpoint or region:
        base["aws_region"] = region or "us-east-1"
    anonymous = Server({**base, "aws_credentials": {"type": "anonymous"}}, context)
    if not _amazon_credentials():
        return anonymous
    probes = [f"{key}/{name}".lstrip("/") for name in ("zarr.json", ".zattrs", ".zarray", "info")]
    try:
        if any(anonymous.read(probes, location)):
            return anonymous
    except ImageError:
        pass  # the other way says what is wrong
    return Server({**base, "aws_credentials": {"type": "default"}}, context)


def _amazon_credentials() -> bool:
    named = any(
        os.environ.get(n) for n in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
    )
    return named or (Path.home() / ".aws" / "credentials").is_file()


def _google_credentials() -> bool:
    stored = Path.home() / ".config" / "gcloud" / "application_default_credentials.json"
    return bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")) or stored.is_file()


def reason(error: BaseException) -> str:
    """What tensorstore says, in a few words without its stack of contexts."""
    text = " ".join(str(error).partition(" [")[0].split()).rstrip(".;")
    code, colon, rest = text.partition(": ")
    if colon and code.isupper():
        text = rest
    # The place is said already; what is wrong with it comes last.
    text = re.sub(r'Error (?:opening|reading) [^"]*"[^"]*"[^:"]*: ', "", text)
    return f"{text:.160}" or type(error).__name__


def _is_denied(error: BaseException) -> bool:
    return str(error).startswith(("PERMISSION_DENIED", "UNAUTHENTICATED"))


def is_missing(error: BaseException) -> bool:
    """Whether tensorstore says that something is not there."""
    return str(error).startswith("NOT_FOUND")


def is_server_problem(error: BaseException) -> bool:
    """Whether it is the network that failed, and not the image."""
    begins = ("ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNKNOWN", "INTERNAL")
    return (
        isinstance(error, TimeoutError)
        or _is_denied(error)
        or str(error).startswith(begins)
        or "CURL error" in str(error)
    )


def server_problem(error: BaseException, location: str) -> ImageError:
    """The sentence about a server that does not give what was asked."""
    if isinstance(error, TimeoutError):
        return ImageError(
            "the server does not answer in time", where=location, remedy="try again, or copy the image here"
        )
    if _is_denied(error):
        return ImageError(
            "the server refuses to give it: it needs other rights",
            where=location,
            remedy="check the address, or set the credentials of AWS or Google as their tools take them",
        )
    return ImageError(
        f"the server cannot be read ({reason(error)})",
        where=location,
        remedy="check the address and the network and try again",
    )


def _check_size(count: int, name: str, location: str) -> None:
    if count > METADATA_LIMIT:
        raise ImageError(
            f"its file {name} is larger than {METADATA_LIMIT >> 20} MiB, which no metadata are",
            where=location,
            remedy="export the image again",
        )


def _bad_zip(error: Exception, location: str) -> ImageError:
    said = " ".join(str(error).split()).rstrip(".")
    return ImageError(
        f"the zip file is cut off or damaged ({said:.120})", where=location, remedy="copy it again"
    )
