"""The secret that a browser must know, and the port, both kept for the next start of the same user.

They stay the same so that an open tab, a bookmark or an ssh tunnel still fits after a restart.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import secrets
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from underbrush.config import config_file
from underbrush.errors import OutputError
from underbrush.files import explain, layer, make_folder_for
from underbrush.files.names import hidden_name

FORMAT = 1
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server of this user is known by."""

    token: str
    port: int | None = None
    """The port that was used last; None: none yet."""


def identity_file() -> Path:
    """Where token and port are kept: beside the config file, readable by its owner only."""
    return config_file().with_name("server.json")


def load_identity(path: Path) -> Identity:
    """The identity kept in ``path``; a new one where there is none, it is damaged, or others could read it.

    A token that others may have read is never used again.
    """
    try:
        if _private(path):
            said = json.loads(path.read_text(encoding="utf-8"))
            token, port = said["token"], said["port"]
            if said["format"] == FORMAT and isinstance(token, str) and _TOKEN.fullmatch(token):
                usable = isinstance(port, int) and 0 < port < 65536
                return Identity(token, port if usable else None)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        _LOG.info("the token in %s cannot be used (%s): making a new one", path, error)
    return Identity(secrets.token_urlsafe(32))


def store_identity(identity: Identity, path: Path) -> None:
    """Keep it in ``path``, mode 0600 from the first byte.

    Raises
    ------
    OutputError
        The folder cannot be written: open tabs will not fit after a restart.
    """
    make_folder_for(path)
    text = json.dumps({"format": FORMAT, "token": identity.token, "port": identity.port})
    hidden = hidden_name(path)
    try:
        descriptor = layer().open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            data = memoryview(text.encode())
            while data:
                taken = layer().write(descriptor, data)
                if taken <= 0:
                    raise OSError(errno.EIO, "no byte was taken")
                data = data[taken:]
            layer().fsync(descriptor)
        finally:
            layer().close(descriptor)
        layer().replace(hidden, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # it may never have been made
            layer().remove(hidden)
        raise explain(error, path) from error


def claim_identity(port: int | None) -> Identity:
    """The identity of this user, stored for the next start; ``port`` is one that a person asked for.

    Where it cannot be stored it serves this run only, and a warning says so.
    """
    path = identity_file()
    known = load_identity(path)
    wanted = known if port in {None, 0, known.port} else replace(known, port=port)
    return keep(wanted, path)


def keep(identity: Identity, path: Path) -> Identity:
    """Store the identity unless that is what the file says already; a failure is a warning."""
    if _same(identity, path):
        return identity
    try:
        store_identity(identity, path)
    except OutputError as error:
        _LOG.warning("open tabs will not fit after a restart: %s", str(error).rstrip("."))
    return identity


def _same(identity: Identity, path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if _private(path):
            said = json.loads(path.read_text(encoding="utf-8"))
            return bool(said["token"] == identity.token and said["port"] == identity.port)
    return False


def _private(path: Path) -> bool:
    """Whether only its owner, us, can read the file (where the system has such a notion)."""
    status = path.stat()
    if not hasattr(os, "getuid"):
        return True
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
