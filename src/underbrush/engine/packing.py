"""A project and all its images in one file to hand to somebody, and back: a zip whose parts are as they were.

The zip holds one folder with the project, whose links are relative, and its images under ``images``. Any
program unpacks it, and ilastik opens what comes out.
"""

from __future__ import annotations

import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from underbrush.engine.scheduler import Cancelled
from underbrush.errors import OutputError, ProjectError
from underbrush.files import OutputFile, Replacing, WorkFolder, layer, safe_name
from underbrush.files.names import hidden_name
from underbrush.project.paths import linked
from underbrush.project.resolve import Found, resolve_source
from underbrush.project.schema import Project, Source
from underbrush.project.write import write_project

SUFFIX = ".ilp.zip"
"""What a packed project is known by."""
IMAGES = "images"
_PART = 1 << 20
_ROOM = 1 << 24
"""Bytes that must stay free on the disk."""
Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


def is_pack(path: str) -> bool:
    """Whether a path names a packed project."""
    return path.lower().endswith(SUFFIX)


@dataclass(frozen=True)
class Packing:
    """What a pack will hold."""

    project: Project
    """With links as they are in the pack, below a folder ``/``."""
    files: tuple[tuple[Path, str, int], ...]
    """File, its name below the project's folder, bytes."""
    kept: tuple[str, ...] = ()
    """Sentences about images that stay where they are."""

    @property
    def size(self) -> int:
        """Bytes of all images."""
        return sum(size for _, _, size in self.files)


@dataclass
class _Gatherer:
    """Finds what belongs to a project, and gives each file one name in the pack."""

    project: Project
    names: dict[Path, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)

    def source(self, source: Source | None) -> Source | None:
        """The source with a link into the pack, or as it is where it cannot come along."""
        if source is None or source.kind == "embedded" or not source.stored:
            return source
        found = resolve_source(source, self.project)
        if not found.files:
            where = "lies on the net" if found.url else "is missing"
            self.kept.append(f"{source.name or source.stored} {where} and is not in the pack.")
            return source
        stored = os.pathsep.join(self._piece(file, found) for file in found.files)
        kind, files, inner = linked(stored)
        kind = "stack" if source.kind == "stack" else kind
        return replace(source, kind=kind, stored=stored, files=files, inner=inner)

    def _piece(self, file: Path, found: Found) -> str:
        inner = f"/{found.inner}" if found.inner else ""
        return f"{self._name(file)}{inner}{f'#{found.options}' if found.options else ''}"

    def _name(self, file: Path) -> str:
        real = file.resolve()
        if real not in self.names:
            # Colons and semicolons part the files of a stack, and some systems forbid them.
            plain = safe_name(file.name).replace(";", "_").replace(":", "_")
            name, number = f"{IMAGES}/{plain}", 2
            while name.lower() in self.taken:
                name, number = f"{IMAGES}/{number}/{plain}", number + 1
            self.taken.add(name.lower())
            self.names[real] = name
        return self.names[real]

    def files(self) -> Iterator[tuple[Path, str, int]]:
        """All files with their names and sizes; what is a folder, as Zarr is, with all in it."""
        for path, name in self.names.items():
            if not path.is_dir():
                yield path, name, path.stat().st_size
                continue
            for folder, _, inside in os.walk(path):
                for one in sorted(inside):
                    file = Path(folder, one)
                    yield file, f"{name}/{file.relative_to(path).as_posix()}", file.stat().st_size


def packing_of(project: Project) -> Packing:
    """What a pack of the project will hold; looks at the disk.

    Raises
    ------
    ProjectError
        A file cannot be looked at.
    """
    gatherer = _Gatherer(project)
    lanes = tuple(
        replace(lane, raw=gatherer.source(lane.raw) or lane.raw, mask=gatherer.source(lane.mask))
        for lane in project.lanes
    )
    try:
        files = tuple(gatherer.files())
    except OSError as error:
        raise ProjectError(
            f"an image cannot be read ({error})", where=project.path or "", remedy="check the disk"
        ) from error
    return Packing(replace(project, lanes=lanes), files, tuple(gatherer.kept))


def pack(
    packing: Packing,
    target: Path,
    progress: Progress = lambda done, total: None,
    cancel: threading.Event | None = None,
) -> Path:
    """Write a pack as the new file ``target``; gives its path, which ends with ``.ilp.zip``.

    Memory is bounded whatever the images; nothing stays where it fails or is cancelled.

    Raises
    ------
    OutputError
        There is a file of this name, the disk is full or cannot be written.
    ProjectError
        An image cannot be read.
    Cancelled
        ``cancel`` was set.
    """
    path = target.expanduser().absolute()
    if not is_pack(path.name):
        path = path.with_name(path.name.removesuffix(".zip").removesuffix(".ilp") + SUFFIX)
    if os.path.lexists(path):
        raise OutputError("there is a file of this name", where=path, remedy="choose another name")
    _check_room(path.parent, packing.size)
    top = path.name[: -len(SUFFIX)]
    counter = _Counter(packing.size, progress, cancel)
    # Not as an unfinished {top}.ilp: who saves one of this name meanwhile would take it for a dead writer's.
    scratch = hidden_name(path.with_name(f"{path.name}.ilp"))
    try:
        write_project(_linked_for(packing.project, scratch.parent), scratch)
        with Replacing(path) as output, zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
            _add(archive, scratch, f"{top}/{top}.ilp", _Counter(0, lambda done, total: None, cancel))
            for file, name, _ in packing.files:
                _add(archive, file, f"{top}/{name}", counter)
    finally:
        if scratch.exists():
            layer().remove(scratch)
    return path


def _linked_for(project: Project, folder: Path) -> Project:
    """The project with links that, written into ``folder``, are relative to it as they are in the pack."""
    folder = folder.resolve()
    home = project.path.resolve().parent if project.path is not None else folder

    def there(source: Source | None) -> Source | None:
        if source is None or source.kind == "embedded" or not source.stored.startswith(f"{IMAGES}/"):
            return source
        pieces = [os.path.relpath(folder / piece, home) for piece in source.stored.split(os.pathsep)]
        return replace(source, stored=os.pathsep.join(Path(piece).as_posix() for piece in pieces))

    if home == folder:
        return project
    return replace(
        project,
        lanes=tuple(replace(x, raw=there(x.raw) or x.raw, mask=there(x.mask)) for x in project.lanes),
    )


@dataclass
class _Counter:
    """Bytes that are done, told as they come; raises `Cancelled`."""

    total: int
    progress: Progress
    cancel: threading.Event | None
    done: int = 0

    def add(self, count: int) -> None:
        self.done += count
        self.progress(self.done, self.total)
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled


def _add(archive: zipfile.ZipFile, file: Path, name: str, counter: _Counter) -> None:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as inside:
        try:
            source = file.open("rb", buffering=0)
        except OSError as error:
            raise ProjectError(
                f"an image cannot be read ({error.strerror or error})", where=file, remedy="check the disk"
            ) from error
        with source:
            while part := source.read(_PART):
                inside.write(part)
                counter.add(len(part))


def unpack(
    path: Path,
    folder: Path,
    progress: Progress = lambda done, total: None,
    cancel: threading.Event | None = None,
) -> Path:
    """Unpack a packed project into a new folder below ``folder``; gives the path of its .ilp.

    Raises
    ------
    ProjectError
        It is no packed project, or damaged; nothing stays.
    OutputError
        The disk is full or cannot be written.
    Cancelled
        ``cancel`` was set.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            size = sum(one.file_size for one in members)
            _check_room(folder, size)
            top = PurePosixPath(members[0].filename).parts[0]
            work = WorkFolder(_free(folder, top))
            try:
                counter = _Counter(size, progress, cancel)
                for one in members:
                    _extract(archive, one, work, counter)
                work.commit()
            except BaseException:
                work.remove()
                raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ProjectError(
            f"it is no packed project, or damaged ({error})", where=path, remedy="have it sent again"
        ) from error
    except OSError as error:
        raise ProjectError(f"it cannot be read ({error})", where=path, remedy="check the disk") from error
    return work.path / f"{top}.ilp"


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The files of a pack, the project among them; refuses names that lead elsewhere."""
    files = [one for one in archive.infolist() if not one.is_dir()]
    tops = {PurePosixPath(one.filename).parts[:1] for one in files}
    for one in files:
        parts = PurePosixPath(one.filename).parts
        bad = ".." in parts or one.filename.startswith("/") or any(c in one.filename for c in ":\\\0")
        if bad or (one.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            raise ProjectError(
                f"it holds {one.filename[:80]!r}, which would lead elsewhere",
                where=path,
                remedy="do not trust who sent it",
            )
    top = next(iter(tops))[0] if len(tops) == 1 and next(iter(tops)) else ""
    if not top or f"{top}/{top}.ilp" not in {one.filename for one in files}:
        raise ProjectError(
            "it is no packed project", where=path, remedy=f"choose a file that ends with {SUFFIX}"
        )
    return files


def _extract(archive: zipfile.ZipFile, one: zipfile.ZipInfo, work: WorkFolder, counter: _Counter) -> None:
    target = work.place.joinpath(*PurePosixPath(one.filename).parts[1:])
    layer().make_folders(target.parent)
    file = OutputFile.create(target, shown=work.path)
    try:
        with archive.open(one) as inside:
            while part := inside.read(_PART):
                file.write(part)
                counter.add(len(part))
        file.fsync()
    finally:
        file.close()


def _free(folder: Path, top: str) -> Path:
    number = 1
    while True:
        path = folder / (top if number == 1 else f"{top} {number}")
        if not os.path.lexists(path):
            return path
        number += 1


def _check_room(folder: Path, size: int) -> None:
    """Refuse what would fill the disk.

    Raises
    ------
    OutputError
        There is no such folder, or no room.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(
            "there is no such folder", where=folder, remedy="choose one that is there"
        ) from error
    if size + _ROOM > free:
        raise OutputError(
            f"it needs {size / 1e9:.1f} GB and {free / 1e9:.1f} GB are free",
            where=folder,
            remedy="choose another disk, or make room",
        )
