"""Earlier versions and recovery files kept aside, as the dialog shows them; and what it asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbrush.engine.earlier import version_named
from underbrush.errors import UsageError

if TYPE_CHECKING:
    from underbrush.engine.session import Session
    from underbrush.web.browse import Roots

MOST = 4096
"""Letters of a path that are looked at."""


def version_data(session: Session) -> dict[str, Any]:
    """The data of the part ``VersionsDialog``; looks at the disk, so in a thread."""
    return {
        "versions": [
            {"name": one.path.name, "when": one.when.isoformat(), "size": one.size}
            for one in session.versions
        ],
        "aside": [
            {
                "name": one.path.name,
                "when": one.created,
                "edits": one.edits,
                "fit": one.fit,
                "lacking": one.lacking,
                "problem": one.problem,
            }
            for one in session.kept_aside()
        ],
        "readOnly": session.read_only is not None,
    }


def restore_named(session: Session, name: object) -> str:
    """Bring back the version whose file has this name; gives what is to be said.

    Raises
    ------
    UnderbrushError
        There is none, or it cannot be brought back; the project is as it was.
    """
    version = version_named(session.versions, str(name), session.path)
    session.restore(version)
    when = version.when.astimezone()
    return f"The version of {when:%Y-%m-%d %H:%M} is back. What was there before is kept as a version."


def save_copy(session: Session, wanted: object, roots: Roots) -> str:
    """Write a copy of the project where a person says; gives what is to be said.

    Raises
    ------
    UnderbrushError
        The folder may not be used, or the copy cannot be written; nothing was changed.
    """
    if not isinstance(wanted, str) or not wanted.strip() or len(wanted) > MOST:
        raise UsageError("there is no path", remedy="give the path of the copy")
    # A bare name is one beside the project.
    path = session.path.parent / Path(wanted.strip()).expanduser()
    allowed = roots.with_folder(session.path.parent)
    if path.is_dir() and allowed.holds(path.resolve()):
        raise UsageError("this is a folder", where=path, remedy="give the name of a file in it as well")
    folder = allowed.resolve(str(path.parent))
    if not path.name or path.name.startswith("."):
        raise UsageError(f"{path.name[:40]!r} is no name for a project", remedy="give another")
    made = session.save_copy(folder / path.name)
    return f"A copy is saved as {made}. The project itself stays open, as it is."


def copy_place(session: Session, roots: Roots) -> str:
    """The path that is offered for a copy."""
    day = datetime.now(UTC).astimezone()
    return str(roots.folders[0] / f"{session.path.stem} copy {day:%Y-%m-%d %H%M}.ilp")
