"""Opening a project for a session: the lock, the .ilp, and what the recovery file adds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from underbrush.engine.current import document_now
from underbrush.errors import OutputError
from underbrush.project.document import Document
from underbrush.project.history import History
from underbrush.project.journal import Journal
from underbrush.project.lock import ProjectLock, lock_project
from underbrush.project.recovery import pending, recover


@dataclass(frozen=True)
class Start:
    """What was found when a project was opened."""

    path: Path
    document: Document
    history: History
    journal: Journal | None
    lock: ProjectLock | None
    read_only: str | None
    notices: tuple[str, ...]
    """Sentences for the person: what was brought back, what could not be read."""

    def release(self) -> None:
        """Let go of the files; opening came to nothing."""
        if self.journal is not None:
            self.journal.close()
        if self.lock is not None:
            self.lock.release()


def writing_start(path: Path) -> Start:
    """Lock a project and read it with what its recovery file adds; where it may not be written, only read it.

    Raises
    ------
    Held
        Somebody else has it open for writing.
    ProjectError
        It cannot be read.
    OutputError
        The disk fails and the project cannot even be locked.
    """
    lock = lock_project(path)
    try:
        if lock.read_only is not None:
            lock.release()
            return reading_start(path, lock.read_only)
        try:
            found = recover(path)
        except OutputError as error:
            # Nothing can be made safe here now (a full disk): it can still be looked at.
            lock.release()
            return reading_start(path, str(error).rstrip("."))
        document, history = document_now(found.project, found.records)
        history = replace(history, last=max(history.last, found.journal.last))
        notices = (*lock.notices, *found.notices, *document.notices, *found.project.problems)
        return Start(path, document, history, found.journal, lock, None, notices)
    except BaseException:
        lock.release()
        raise


def reading_start(path: Path, reason: str) -> Start:
    """Read a project as who writes it sees it; ``reason`` says why it is not written.

    Raises
    ------
    ProjectError
        It cannot be read.
    """
    found = pending(path)
    document, history = document_now(found.project, found.records)
    notices = (*found.notices, *document.notices, *found.project.problems)
    return Start(path, document, history, None, None, reason or "as asked", notices)
