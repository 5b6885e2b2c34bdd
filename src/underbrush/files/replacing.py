"""Files that appear complete or not at all, and scratch files that never appear."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from underbrush.errors import OutputError
from underbrush.files.layer import StrPath, layer
from underbrush.files.leftovers import begin_hidden, remove_leftovers
from underbrush.files.names import hidden_name
from underbrush.files.output import OutputFile
from underbrush.files.problems import check_target, explain, resolved


def make_folder_for(path: StrPath) -> None:
    """Create the folder that ``path`` lies in, and those above it, where missing.

    Raises
    ------
    OutputError
        It cannot be created.
    """
    try:
        layer().make_folders(Path(path).parent)
    except OSError as error:
        if error.errno == errno.EEXIST:
            error = NotADirectoryError(errno.ENOTDIR, "not a folder")
        raise explain(error, path) from error


def scratch_file(beside: StrPath) -> OutputFile:
    """A nameless file on the disk of ``beside``, gone when it is closed, even by a crash (Linux, macOS).

    Its folder is created where missing.
    """
    target = Path(beside)
    make_folder_for(target)
    hidden = hidden_name(target)
    if sys.platform == "win32":
        return OutputFile(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TEMPORARY, shown=target)
    file = OutputFile.create(hidden, shown=target)
    try:
        with contextlib.suppress(FileNotFoundError):  # somebody took it for one of a dead writer
            layer().remove(hidden)
    except OSError as error:
        file.close()
        raise explain(error, target) from error
    return file


class Replacing:
    """Write a file so that its name shows the old content or all of the new, never anything between.

    The bytes go to a hidden name in the same folder (created where missing), are synced, and are renamed
    over the target; then the folder is synced. On any failure the hidden file is removed and the target is
    untouched. A symbolic link is followed: the file that it names is replaced, the link stays. What killed
    writers of the same file left is removed first (`leftovers`).

    As a context manager it gives the `OutputFile`, commits on success and aborts on any exception; otherwise
    call `commit` or `abort`.

    Raises
    ------
    OutputError
        From every method; what the operating system reported, as a sentence.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        target = resolved(self.path)
        check_target(target, self.path)
        make_folder_for(target)
        self._target = target
        remove_leftovers(target)
        self._hidden, self.file = begin_hidden(target, self.path)
        self._open = True

    def commit(self) -> None:
        """Sync, rename, sync the folder."""
        if not self._open:
            raise ValueError("the file was already committed or aborted")
        try:
            self.file.fsync()
            with self.file.kept_locked():
                self.file.close()
                layer().replace(self._hidden, self._target)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError):
                raise explain(error, self.path) from error
            raise
        self._open = False
        try:
            layer().sync_folder(self._target.parent)
        except OSError as error:
            # The complete file has its name already; only a power cut right now could take that back.
            problem = f"the file is complete, but its folder could not be synced ({error.strerror or error})"
            raise OutputError(problem, where=self.path, remedy="check the disk") from error

    def abort(self) -> None:
        """Remove what was written; does nothing after a commit."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(OutputError):  # what cannot be written any more is thrown away here
            self.file.close()
        with contextlib.suppress(OSError):  # the disk is gone: there is nothing left that could be removed
            layer().remove(self._hidden)

    def __enter__(self) -> OutputFile:
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()
