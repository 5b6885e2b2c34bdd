"""How kernels are compiled, and where compiled code is kept.

Compiled code lies in a folder of the user's own (mode 0700: it is loaded as code), one for each combination
of package, numba, llvmlite and processor, and in it one for the state of each folder of sources;
``UNDERBRUSH_CACHE_DIR`` puts it elsewhere. Where no such folder can be written, a private temporary one
serves until the process ends. What cannot be read in it is compiled again.

Importing this module imports numba; only kernel files do.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib
import logging
import os
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import llvmlite
import llvmlite.binding
import numba
import platformdirs

from underbrush import __version__

KEPT = 8
"""Folders of a kind that are kept, the last used ones: of other versions, machines and environments."""

Progress = Callable[[int, int, str], None]
"""Called with the number of examples that are done, their total, and the name of the next ("" at the end)."""
Steps = Callable[[str, int], None]
"""Called with the name of a kernel that is there now, and the number of all kernels: a finer measure."""

_LOG = logging.getLogger(__name__)
_EXAMPLES: dict[str, Callable[[], object]] = {}
ALL = "all"
"""What the mark is named that all examples are compiled."""
_LOOK_AGAIN = 0.1
"""Seconds between two looks for what another process compiles."""
_elsewhere: Callable[[], bool] | None = None
_all_kernels: set[str] = set()
_steps: Steps | None = None


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that compiles a function: without the GIL, cached on disk, division as in numpy.

    No flag that assumes away NaN or infinity is ever set; a kernel may ask for ``fastmath={"contract"}``
    where its bytes do not depend on it.
    """
    merged: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", **options}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        before = numba.config.CACHE_DIR  # read when a function is decorated, and only then
        numba.config.CACHE_DIR = str(_source_folder(Path(function.__code__.co_filename).parent))
        try:
            compiled = numba.njit(**merged)(function)
        finally:
            numba.config.CACHE_DIR = before
        if merged["cache"] and not numba.config.DISABLE_JIT:
            name = f"{function.__module__}.{function.__qualname__}"
            compiled._cache = cache = _CheckedCache(compiled._cache, name)
            compiled._compiler.compile = cache.let_go_after(compiled._compiler.compile)
            _all_kernels.add(name)
        result: Callable[..., Any] = compiled
        return result

    return decorate


def example(run: Callable[[], object]) -> Callable[[], object]:
    """Register a function that runs kernels on a little data of the types they are used with.

    `warmup` calls it, so that these kernels are compiled before they are needed.
    """
    _EXAMPLES[f"{run.__module__.removeprefix('underbrush.core.')}.{run.__name__.lstrip('_')}"] = run
    return run


def warmup(
    progress: Progress | None = None, steps: Steps | None = None, names: Sequence[str] | None = None
) -> None:
    """Compile all kernels, or load them where that has been done.

    Processes may do this side by side: no kernel is compiled by two, who comes second waits and loads it.
    ``names`` are the examples that are run, in this order; by default all.

    Raises
    ------
    KeyError
        There is no example of such a name.
    """
    for module in pkgutil.walk_packages(
        importlib.import_module("underbrush.core").__path__, "underbrush.core."
    ):
        importlib.import_module(module.name)
    # Last what few first images need: volumes, and the large forests of others.
    order = names or sorted(_EXAMPLES, key=lambda name: "volume" in name or "many" in name)
    examples = [(name, _EXAMPLES[name]) for name in order]
    state = _state()  # now: sources that are changed meanwhile are not those that are compiled
    with _telling(steps):
        for done, (name, run) in enumerate(examples):
            if progress is not None:
                progress(done, len(examples), name)
            run()
            _remember_compiled(_mark_file(name, state))
    if set(order) == set(_EXAMPLES):
        _remember_compiled(_mark_file(ALL, state))
    if progress is not None:
        progress(len(examples), len(examples), "")


@contextmanager
def _telling(steps: Steps | None) -> Iterator[None]:
    global _steps  # noqa: PLW0603  (kernels belong to the process)
    _steps = steps
    try:
        yield
    finally:
        _steps = None


def _note(name: str) -> None:
    """A kernel is compiled or loaded."""
    if _steps is not None:
        _steps(name, len(_all_kernels))


@contextmanager
def compiled_elsewhere(at_work: Callable[[], bool]) -> Iterator[None]:
    """While another process compiles into the same folder: a kernel that is not there yet is waited for.

    Compiling it here as well would hold up all that this process has to answer. As soon as ``at_work()`` is
    False what is missing is compiled here.
    """
    global _elsewhere  # noqa: PLW0603  (kernels belong to the process)
    _elsewhere = at_work
    try:
        yield
    finally:
        _elsewhere = None


def all_compiled(*names: str) -> bool:
    """Whether `warmup` went through with the sources as they are now, so that the next one only loads.

    With names: whether it did so with these examples.
    """
    state = _state()
    try:
        marks = [_mark_file(name, state).read_text(encoding="utf-8") for name in names or (ALL,)]
    except OSError:
        return False
    return all((cache_folder() / folder).is_dir() for mark in marks for folder in mark.splitlines())


def is_kept() -> bool:
    """Whether compiled code is found again by other processes: not in a temporary folder of this one."""
    return cache_folder().name == _folder_name()


def _state() -> str:
    """A hash of all sources that kernels are made of, and of where they lie."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted((Path(__file__).parent / "core").rglob("*.py")):
        digest.update(str(path).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _mark_file(name: str, state: str) -> Path:
    return cache_folder() / f"{name}-{state}.compiled"


def _remember_compiled(mark: Path) -> None:
    folders = "".join(f"{folder.name}\n" for folder in _used_folders if folder.parent == cache_folder())
    try:
        mark.write_text(folders, encoding="utf-8")
        same = cache_folder().glob(f"{mark.name.rpartition('-')[0]}-*.compiled")
        for old in sorted(same, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        _LOG.info("compiled code cannot be kept: %s", error)


_used_folders: set[Path] = set()


@cache
def cache_folder() -> Path:
    """Where compiled code of this package on this machine is kept; made if it is not there."""
    base = Path(os.environ.get("UNDERBRUSH_CACHE_DIR") or platformdirs.user_cache_dir("underbrush"))
    folder = base / _folder_name()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder)
        os.utime(folder)
        _forget_old(base, "kernels-")
    except OSError as error:
        folder = _temporary_folder(str(error))
    return folder


@cache
def _temporary_folder(reason: str) -> Path:
    """A private folder until the process ends, and a warning."""
    folder = Path(tempfile.mkdtemp(prefix="underbrush-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _LOG.warning(
        "compiled code cannot be kept (%s): it is compiled again at each start; "
        "set UNDERBRUSH_CACHE_DIR to a folder of your own that can be written",
        reason,
    )
    return folder


def _folder_name() -> str:
    cpu = llvmlite.binding.get_host_cpu_name()
    able = hashlib.sha256(llvmlite.binding.get_host_cpu_features().flatten().encode()).hexdigest()[:8]
    return f"kernels-{__version__}-{numba.__version__}-{llvmlite.__version__}-{cpu}-{able}"


@cache
def _source_folder(sources: Path) -> Path:
    """Where compiled code of one folder of sources lies.

    numba looks whether the file of a function has changed, but not at the files of those it calls; a change
    in any file of the folder therefore begins a new one.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    folder = cache_folder() / f"{sources.name}-{digest.hexdigest()[:12]}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)
        _used_folders.add(folder)
        _forget_old(cache_folder(), f"{sources.name}-")
    except OSError as error:  # a disk that has filled up since the folder above was made
        return _temporary_folder(os.strerror(error.errno or 0))
    return folder


def _check_private(folder: Path) -> None:
    """Refuse a folder that others could put code into."""
    if hasattr(os, "getuid"):
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to someone else")
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _forget_old(base: Path, prefix: str) -> None:
    folders = sorted(base.glob(f"{prefix}*"), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in folders[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


class _CheckedCache:
    """The cache of one function, with a checksum beside each file; what is damaged is compiled again.

    Who compiles it holds the lock on a file beside, until it is written: other processes wait and load it.
    Callers are locked before what they call, and no kernel calls itself, so nobody waits in a ring.
    """

    def __init__(self, inner: Any, name: str = "") -> None:
        self._inner = inner
        self._name = name
        self._held: BinaryIO | None = None
        self._files = inner._cache_file
        self._load, self._save = self._files._load_data, self._files._save_data
        self._files._load_data, self._files._save_data = self._load_data, self._save_data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load_overload(self, sig: Any, target: Any) -> Any:
        while (elsewhere := _elsewhere) is not None and elsewhere():
            found = self._load_what_is_there(sig, target)
            if found is not None:
                return found
            time.sleep(_LOOK_AGAIN)
        found = self._load_or_flush(sig, target)
        if found is None and self._hold():
            found = self._load_or_flush(sig, target)  # who held it before may have written it
        if found is not None:
            self._let_go()
            _note(self._name)  # not above: who listens may end all this by raising
        return found

    def _load_or_flush(self, sig: Any, target: Any) -> Any:
        """The kernel, or None; what is damaged is gone."""
        try:
            return self._inner.load_overload(sig, target)
        except Exception as error:  # noqa: BLE001 - numba unpickles: a damaged file can raise anything
            _LOG.info("compiled code of %s is damaged (%s): compiling it again", sig, error)
            self._attempt(self._inner.flush)
            return None

    def _load_what_is_there(self, sig: Any, target: Any) -> Any:
        """The kernel, or None: also where its file is being written, or is damaged."""
        try:
            return self._inner.load_overload(sig, target)
        except Exception as error:  # noqa: BLE001 - as above
            _LOG.debug("compiled code of %s cannot be loaded yet (%s)", sig, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            self._attempt(lambda: self._inner.save_overload(sig, data))
        finally:
            self._let_go()
        _note(self._name)

    def let_go_after(self, compile_it: Callable[..., Any]) -> Callable[..., Any]:
        """``compile_it``, after which others need not wait if it fails."""

        def compiled(*args: Any) -> Any:
            try:
                return compile_it(*args)
            except BaseException:
                self._let_go()
                raise

        return compiled

    def _hold(self) -> bool:
        """Wait until no other process compiles it; False where that is not known here, or held already."""
        if self._held is not None:
            return False
        try:
            self._held = Path(self._files._index_path).with_suffix(".lock").open("a+b")
            _lock(self._held.fileno())
        except OSError as error:
            _LOG.info("no lock on %s: %s", self._name, error)
            self._let_go()
            return False
        return True

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def _attempt(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:  # a full disk: the function is compiled and works, it is only not kept
            _LOG.info("compiled code cannot be kept: %s", error)

    def _sum_file(self, name: str) -> Path:
        return Path(self._files._data_path(name) + ".sum")

    def _digest(self, name: str) -> str:
        return hashlib.sha256(Path(self._files._data_path(name)).read_bytes()).hexdigest()

    def _load_data(self, name: str) -> Any:
        # Two processes may write the same function at once: its bytes and its sum are then of different ones.
        if self._sum_file(name).read_text(encoding="ascii") != self._digest(name):
            raise ValueError("the checksum differs")
        return self._load(name)

    def _save_data(self, name: str, data: Any) -> None:
        self._save(name, data)
        self._sum_file(name).write_text(self._digest(name), encoding="ascii")


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        while True:
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except PermissionError:
                time.sleep(0.2)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
