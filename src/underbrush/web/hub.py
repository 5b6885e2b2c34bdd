"""The open projects of one server: each opened once, all closed, and by that saved, at the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from underbrush.errors import ProjectError, UnderbrushError
from underbrush.files import safe_name
from underbrush.web.browse import Roots
from underbrush.web.light_imports import uncollected
from underbrush.web.recent import SHOWN, Recent, RecentList, project_id, state_folder

if TYPE_CHECKING:
    from underbrush.engine.session import Session

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server was started with."""

    threads: int
    memory: int
    """Bytes that the process may take."""
    roots: Roots
    confined: bool = False
    """The roots were given: also projects that were opened before are shown only below them."""
    new_projects: Path = field(default_factory=lambda: Path.home() / "Underbrush")
    """Where projects made from images go."""
    state: Path = field(default_factory=state_folder)


@dataclass(frozen=True, slots=True)
class Preparing:
    """How far the compiling of kernels is."""

    sentence: str
    """Empty when there is nothing to say: all was there, or all is done."""
    done: int
    total: int

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self.done < self.total


Listener = Callable[[Preparing], None]

_loading = threading.Lock()


def load_engine() -> None:
    """Import what computes: slow, and by one thread at a time.

    Two threads that enter numba's ring of imports at different places would each see half of it.
    """
    with _loading, uncollected():
        import underbrush.engine.new_project  # noqa: PLC0415
        import underbrush.engine.sample_project  # noqa: PLC0415
        import underbrush.engine.session  # noqa: F401, PLC0415


def _explained(opened: Callable[[], Session], path: Path) -> Session:
    """What ``opened`` gives; a defect of ours is a sentence too, and in the log."""
    try:
        return opened()
    except UnderbrushError:
        raise
    except Exception as error:
        _LOG.exception("a project could not be opened")
        problem = f"it could not be opened, by a defect in Underbrush ({type(error).__name__}: {error})"
        raise ProjectError(problem, where=path, remedy="report it with the log file") from error


class Hub:
    """Projects by id. What may take long is called in threads; may be used from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.recent_list = RecentList(settings.state)
        self.landing: str | None = None
        """The project that the printed address leads to."""
        self._roots = settings.roots
        self._lock = threading.Lock()
        self._opening: dict[str, Future[Session]] = {}
        self._paths: dict[str, Path] = {}
        self._left: set[str] = set()
        """Closed by a person: opened again only when a person wants it, not because a window still asks."""
        self._closed = False
        self._pool = ThreadPoolExecutor(4, "underbrush-projects")
        self._preparing = Preparing("", 0, 0)
        self._listeners: list[Listener] = []

    # -- projects -------------------------------------------------------------------------------------

    @property
    def roots(self) -> Roots:
        """The folders that may be seen."""
        return self._roots

    def allow(self, folder: Path) -> None:
        """Let a folder be seen as well: one that the person named when starting."""
        with self._lock:
            self._roots = self._roots.with_folder(folder)

    def open(self, path: Path, make: Callable[[], object] | None = None) -> str:
        """Begin to open the project at ``path`` unless it is open, and give its id; does not wait.

        ``make`` is called before, in the same thread. Whether it can be opened is said by `ready`.
        """
        real = path.absolute().resolve()

        def opened() -> Session:
            load_engine()
            if make is not None:
                make()
            return self._open(real)

        return self._begin(project_id(real), real, opened)

    def start_project_from_images(self, paths: Sequence[str | Path], *, ask: bool = False) -> str:
        """Begin a new project in the user's folder with these images, and give its id; does not wait.

        The file is named by the first image and never replaces another. With ``ask`` a file of several images
        is a SeveralImagesError of `ready`.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        from underbrush.engine.naming import nickname_of  # noqa: PLC0415  (not needed to open)
        from underbrush.engine.reserving import reserved_name  # noqa: PLC0415

        first = safe_name(nickname_of(str(paths[0])))
        file = reserved_name(self.settings.new_projects, first).resolve()

        def make() -> Session:
            load_engine()
            from underbrush.engine.new_project import write_new_project  # noqa: PLC0415

            write_new_project(file, [str(path) for path in paths], ask=ask)
            return self._open(file)

        return self._begin(project_id(file), file, make)

    def start_project(self, path: Path) -> str:
        """Begin a new project without images in this file, and give its id; does not wait.

        Raises
        ------
        OutputError
            There is a file of this name, or it cannot be written.
        """
        from underbrush.engine.reserving import reserved  # noqa: PLC0415

        file = reserved(path).resolve()

        def make() -> Session:
            load_engine()
            from underbrush.engine.new_project import write_new_project  # noqa: PLC0415

            write_new_project(file, ())
            return self._open(file)

        return self._begin(project_id(file), file, make)

    def _begin(self, ident: str, path: Path, opened: Callable[[], Session]) -> str:
        with self._lock:
            if self._closed:
                raise ProjectError("the server is closing", where=path, remedy="start it again")
            self._left.discard(ident)
            known = self._opening.get(ident)
            if known is None or (known.done() and known.exception() is not None):
                self._paths[ident] = path
                self._opening[ident] = self._pool.submit(_explained, opened, path)
        return ident

    def _open(self, path: Path) -> Session:
        from underbrush.engine.session import Session  # noqa: PLC0415
        from underbrush.project.lock import Held  # noqa: PLC0415
        from underbrush.web.confinement import check_document  # noqa: PLC0415

        threads, memory = self.settings.threads, self.settings.memory
        try:
            session = Session.open(path, threads=threads, memory=memory)
        except Held as held:
            # It can be looked at; the window says who has it, as long as it shows it.
            why = f"{held.problem}; what is done there from now on is not shown here"
            session = Session.open(path, threads=threads, memory=memory, read_only=why)
        try:
            if self.settings.confined:
                check_document(session.document, self.roots, path)
            # In the window results follow the strokes from the start; a library session waits to be asked.
            session.set_live(True)
            self.recent_list.add(path)
        except BaseException:
            session.close()
            raise
        return session

    def get(self, ident: str) -> Session:
        """The open project.

        Raises
        ------
        ProjectError
            It is not open (yet).
        """
        future = self._opening.get(ident)
        if future is None or not future.done() or future.exception() is not None:
            raise ProjectError(f"the project {ident!r} is not open", remedy="open it on the start screen")
        return future.result()

    async def ready(self, ident: str) -> Session:
        """The project, waited for while it is being opened; one that was opened before is opened again.

        Raises
        ------
        UnderbrushError
            It cannot be opened, or nobody knows it.
        """
        if ident in self._left:
            raise ProjectError(
                "the project was closed in another window",
                where=self._paths[ident].name if ident in self._paths else "",
                remedy="open it again on the start page",
            )
        future = self._opening.get(ident)
        if future is None or (future.done() and future.exception() is not None):
            path = await asyncio.to_thread(self._known, ident)
            if path is not None:
                # What hindered it may be over: a lock that was held, a disk that is back.
                future = self._opening[self.open(path)]
            elif future is None:
                raise ProjectError(
                    f"no project is known as {ident!r}", remedy="open its file on the start screen"
                )
        return await asyncio.wrap_future(future)

    def _known(self, ident: str) -> Path | None:
        """The file of a project that is there and may be opened by its id alone."""
        path = self._paths.get(ident) or self.recent_list.find(ident)
        try:
            there = path is not None and self._may_reopen(path) and path.is_file()
        except OSError:
            there = False
        return path if there else None

    def _may_reopen(self, path: Path) -> bool:
        """Whether a path that this user opened before may be opened again without being chosen."""
        if not self.settings.confined:
            return True
        try:
            ours = path.is_relative_to(self.settings.new_projects)
            return ours or self.roots.holds(path.resolve()) or path in self._paths.values()
        except (OSError, RuntimeError):
            return False

    def projects(self) -> dict[str, Session]:
        """All that are open now, by id."""
        with self._lock:
            done = {k: f for k, f in self._opening.items() if f.done() and f.exception() is None}
        return {ident: future.result() for ident, future in done.items()}

    def recent(self) -> list[Recent]:
        """The five projects that were opened last, with those that are gone."""
        return [one for one in self.recent_list.all() if self._may_reopen(one.path)][:SHOWN]

    def visit(self, ident: str) -> None:
        """A person opens the window of a project: it may be opened again if it was closed."""
        with self._lock:
            self._left.discard(ident)

    def leave(self, ident: str) -> None:
        """A person closes a project: it is saved and unlocked, and its other windows are told; waits.

        Raises
        ------
        UnderbrushError
            It could not be saved; it stays open.
        """
        session = self.get(ident)
        if session.save_state.state not in ("saved", "read-only"):
            session.save()
        with self._lock:
            self._left.add(ident)
        self.close(ident, f"{session.path.name} was closed in another window; it is saved.")

    def close(self, ident: str, told: str = "") -> None:
        """Close one project, and by that save it; waits. ``told``: said in windows that show it.

        Raises
        ------
        UnderbrushError
            It could not be saved: all that was acknowledged is in its recovery file.
        """
        with self._lock:
            future = self._opening.pop(ident, None)
        if future is not None and future.exception() is None:
            future.result().close(told)

    def end(self) -> None:
        """The server was asked to end: nothing more is opened, and who waits for a kernel waits no more.

        May be called in the handler of a signal. What is open is closed by `close_all`.
        """
        self._closed = True

    def close_all(self) -> list[str]:
        """Close all projects, side by side; gives a sentence for each that could not be saved."""
        with self._lock:
            self._closed = True
            idents = list(self._opening)
        sentences = [said for said in self._pool.map(self._close_quietly, idents) if said]
        self._pool.shutdown()
        return sentences

    def _close_quietly(self, ident: str) -> str:
        try:
            self.close(ident)
        except UnderbrushError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  (the others are closed all the same)
            _LOG.exception("a project could not be closed")
            return f"{self._paths.get(ident, ident)}: it could not be closed ({error})."
        return ""

    @property
    def closed(self) -> bool:
        """Whether the server is ending."""
        return self._closed

    # -- preparing ------------------------------------------------------------------------------------

    @property
    def preparing(self) -> Preparing:
        """How far the compiling of kernels is now."""
        return self._preparing

    def say_preparing(self, state: Preparing) -> None:
        """Tell all who listen."""
        with self._lock:
            self._preparing = state
            listeners = list(self._listeners)
        for listener in listeners:
            listener(state)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear how far the preparing is, from any thread, until the returned function is called."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop
