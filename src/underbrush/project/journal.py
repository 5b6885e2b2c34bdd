"""The recovery file of an open project: a command is on the disk before it is acknowledged.

A file is only appended to as long as nothing ever went wrong with it. After any failure that could not be
mended, and when a project is opened again, the next append writes a new file with everything that the .ilp
does not have yet, beside the old one, and renames it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from underbrush.errors import OutputError
from underbrush.files import OutputFile, Replacing, layer
from underbrush.project.journal_format import Mark, encode, framed, header, mark_text
from underbrush.project.places import Identity, places_of, utc_now


class Journal:
    """Edits since the last save, in a file beside the project; for one writer, usable from several threads.

    Parameters
    ----------
    path
        The .ilp file.
    project
        Its id.
    base
        SHA-256 of the .ilp as it is now.
    first
        Sequence number that the next edit has at least.
    edits
        What the file on the disk holds beyond the .ilp.
    on_disk
        Whether there is such a file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        project: str,
        base: str,
        *,
        first: int = 1,
        edits: Iterable[Mapping[str, Any]] = (),
        on_disk: bool = False,
    ) -> None:
        self.project_path = Path(path)
        """The .ilp, by the name that the user gave."""
        self.path: Path = places_of(path).journal
        self.project = project
        self.lock = threading.RLock()
        """Held while the file changes; who holds it sees no edit arrive."""
        self.seen: Identity | None = None
        """What the .ilp looked like when it was last read or written here."""
        self.folds = 0
        """How often the edits went into the .ilp since it was opened."""
        self._entries: list[tuple[int, bytes]] = [(e["sequence"], encode(e)) for e in edits]
        self._marks: list[Mark] = [Mark(base, first)]
        self._last = self._entries[-1][0] if self._entries else first - 1
        self._on_disk = on_disk
        self._file: OutputFile | None = None
        self._end = 0
        self._seed = 0
        self._closed = False

    @property
    def base(self) -> str:
        """SHA-256 of the last .ilp that is known to be on the disk under its name."""
        return self._marks[0].base

    @property
    def last(self) -> int:
        """Sequence number of the last edit that is safe."""
        return self._last

    @property
    def pending(self) -> int:
        """Edits that the .ilp does not have yet."""
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of these edits."""
        return sum(len(payload) for _, payload in self._entries)

    def knows(self, base: str) -> bool:
        """Whether an .ilp of this hash is one that this journal extends."""
        return any(mark.base == base for mark in self._marks)

    def secure(self) -> None:
        """Write anew what was found on the disk: it may never have been synced by who wrote it.

        Raises
        ------
        OutputError
            The disk is full, broken or gone; nothing is lost.
        """
        with self.lock:
            if self._entries:
                self._write_anew([])

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Make edits safe: when this returns they are on the disk itself.

        Each has a whole number ``sequence`` above that of all before. If it raises, none counts, and the
        next call starts from what counted before.

        Raises
        ------
        OutputError
            The disk is full, broken or gone.
        ValueError
            A record is no JSON object, too large, or its sequence number does not grow.
        """
        entries = []
        with self.lock:
            last = self._last
            for record in records:
                number = record.get("sequence")
                if not isinstance(number, int) or isinstance(number, bool) or number <= last:
                    raise ValueError(f"an edit has the sequence number {number!r} after {last}")
                entries.append((number, encode(record)))
                last = number
            if not entries:
                return
            self._put([payload for _, payload in entries])
            self._entries += entries
            self._last = last

    def mark(self, base: str, sequence: int) -> None:
        """Say in the file that an .ilp of hash ``base`` has the edits up to ``sequence``, before it appears.

        Raises
        ------
        OutputError
            The disk is full, broken or gone; the mark does not count.
        """
        with self.lock:
            mark = Mark(base, sequence + 1)
            if self._on_disk:
                self._put([mark_text(mark)])
            self._marks.append(mark)

    def advance(self, base: str, sequence: int) -> None:
        """Leave out what the .ilp of hash ``base`` has, once that is on the disk for certain.

        Raises
        ------
        OutputError
            The shorter file could not be written. Nothing is lost: the old one fits as well, and the next
            append tries again.
        """
        with self.lock:
            self._entries = [e for e in self._entries if e[0] > sequence]
            self._marks = [Mark(base, sequence + 1)]
            self._last = max(self._last, sequence)
            self.folds += 1
            if self._on_disk:
                self._write_anew([])

    def close(self) -> None:
        """Let go of the file, and remove it if the .ilp has everything."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self._drop()
            if self._on_disk and not self._entries and len(self._marks) == 1:
                # A file without edits that stays behind says nothing and is replaced the next time.
                with contextlib.suppress(OSError):
                    layer().remove(self.path)

    def _put(self, payloads: list[bytes]) -> None:
        if self._closed:
            raise ValueError("the journal is closed")
        if self._file is None or not self._is_in_place(self._file):
            self._write_anew(payloads)
        else:
            self._extend(self._file, b"".join(framed(p, self._seed) for p in payloads))

    def _is_in_place(self, file: OutputFile) -> bool:
        """Whether the name still leads to the file; somebody may have tidied it away."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == file.identity

    def _extend(self, file: OutputFile, data: bytes) -> None:
        try:
            file.write(data)
        except OutputError:
            self._repair(file)
            raise
        except BaseException:
            self._drop()
            raise
        try:
            file.sync_data()
        except BaseException:
            self._drop()
            raise
        self._end += len(data)

    def _repair(self, file: OutputFile) -> None:
        """Cut what a failed write left; where that fails too, the file is not used again."""
        try:
            file.truncate(self._end)
            file.seek(self._end)
            file.fsync()
        except OutputError:
            self._drop()  # the failure of the write itself is what is told
        except BaseException:
            self._drop()
            raise

    def _write_anew(self, payloads: list[bytes]) -> None:
        self._drop()
        head = header(self.project, uuid.uuid4().hex, self._marks[0], utc_now().isoformat(timespec="seconds"))
        seed = zlib.crc32(head)
        body = [payload for _, payload in self._entries] + [mark_text(m) for m in self._marks[1:]] + payloads
        data = framed(head) + b"".join(framed(p, seed) for p in body)
        self._on_disk = True  # as far as is known: also when what follows fails half way
        with Replacing(self.path) as output:
            output.write(data)
        try:
            file = OutputFile(self.path, os.O_RDWR)
        except OutputError:
            return  # all is safe; the next append writes a new file again
        if file.seek(0, os.SEEK_END) != len(data):
            file.close()
            return
        self._file, self._end, self._seed = file, len(data), seed

    def _drop(self) -> None:
        """Never use the file again."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OutputError):  # it was synced, or did not count
                file.close()
