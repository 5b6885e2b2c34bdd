"""The recovery file: what was acknowledged is there, what is damaged is noticed, what does not fit kept."""

from __future__ import annotations

import base64
import errno
import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_project import make_project

from underbrush.errors import OutputError, ProjectError
from underbrush.files import using
from underbrush.project import recovery_files
from underbrush.project.journal import Journal
from underbrush.project.journal_format import (
    FORMAT,
    DamagedJournal,
    Mark,
    NewerJournal,
    encode,
    framed,
    header,
    parse,
)
from underbrush.project.places import digest_of
from underbrush.project.read import read_project
from underbrush.project.recovery import pending, recover
from underbrush.project.recovery_files import read_recovered


def edit(n: int, **more: object) -> dict[str, object]:
    return {"sequence": n, "client": "tab", "number": n, "kind": "paint", **more}


def whole(*records: dict[str, object], base: str = "b", first: int = 1, project: str = "p") -> bytes:
    head = header(project, "j", Mark(base, first), "2026-01-01T00:00:00+00:00")
    return framed(head) + b"".join(framed(encode(r), zlib.crc32(head)) for r in records)


def content_of(path: Path):
    return parse(path.read_bytes(), str(path))


def numbers(records) -> list[int]:
    return [r["sequence"] for r in records]


@pytest.fixture
def ilp(tmp_path):
    return make_project(tmp_path / "p.ilp")


def beside(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir() if p.suffix not in {".tif", ".png"})


def test_what_was_appended_is_read_back(ilp):
    opened = recover(ilp)
    assert (opened.records, opened.notices, opened.kept) == ((), (), ())
    journal = opened.journal
    assert beside(ilp) == ["p.ilp"], "opening alone leaves nothing behind"
    journal.append([edit(1, text="Zellkörper 細胞 \ud800")])
    journal.append([edit(2), edit(5)])
    assert (journal.last, journal.pending) == (5, 3)
    seen = pending(ilp)
    assert numbers(seen.records) == [1, 2, 5]
    assert seen.records[0] == edit(1, text="Zellkörper 細胞 \ud800")
    assert seen.notices == ()
    journal.close()
    again = recover(ilp)
    assert again.records == seen.records
    assert again.notices == ("3 changes made after the last save were brought back.",)
    assert again.journal.project == journal.project
    again.journal.append([edit(6)])
    assert numbers(pending(ilp).records) == [1, 2, 5, 6]
    again.journal.close()


def test_a_journal_without_edits_leaves_no_file(ilp):
    journal = recover(ilp).journal
    journal.append([])
    journal.close()
    journal.close()
    assert beside(ilp) == ["p.ilp"]
    with pytest.raises(ValueError, match="closed"):
        journal.append([edit(1)])


@pytest.mark.parametrize(
    "record", [{}, {"sequence": "1"}, {"sequence": True}, {"sequence": 0}, edit(1, x={1})]
)
def test_what_is_no_edit_is_refused_and_nothing_is_written(ilp, record):
    journal = recover(ilp).journal
    with pytest.raises((ValueError, TypeError)):
        journal.append([record])
    with pytest.raises((ValueError, TypeError)):
        journal.append([edit(1), record])
    assert journal.pending == 0
    assert beside(ilp) == ["p.ilp"]


class Counting:
    """Counts the calls of a layer by name."""

    def __init__(self, faulty_disk):
        self.layer = faulty_disk(10**9, ())
        self.names: list[str] = []
        outer = self

        class Layer(faulty_disk):
            def __getattribute__(self, name):
                if name in {"open", "write", "sync_data", "fsync", "truncate", "replace", "sync_folder"}:
                    outer.names.append(name)
                return super().__getattribute__(name)

        self.layer = Layer(10**9, ())


def test_an_append_costs_one_write_and_one_sync(ilp, faulty_disk):
    journal = recover(ilp).journal
    journal.append([edit(1)])
    counting = Counting(faulty_disk)
    with using(counting.layer):
        journal.append([edit(2), edit(3)])
    assert counting.names == ["write", "sync_data"]
    journal.close()


@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
@pytest.mark.parametrize("operation", ["write", "sync_data", "truncate", "fsync"])
def test_after_a_failed_append_nothing_counts_and_the_next_one_works(ilp, faulty_disk, operation, once):
    journal = recover(ilp).journal
    journal.append([edit(1)])
    first = journal.path.stat().st_ino
    kinds = ("write", operation) if operation in {"truncate", "fsync"} else (operation,)
    with (
        using(faulty_disk(1, kinds, errno.EIO, once=once)),
        pytest.raises(OutputError, match=r"p\.ilp\.journal: the disk reported an error"),
    ):
        journal.append([edit(2)])
    assert journal.last == 1
    assert numbers(pending(ilp).records) in ([1], [1, 2])
    journal.append([edit(2, what="another")])
    assert pending(ilp).records == (edit(1), edit(2, what="another"))
    if operation == "sync_data" or not (once or operation == "write"):
        assert journal.path.stat().st_ino != first, "a file is never trusted again after a failed sync"
    else:
        assert journal.path.stat().st_ino == first, "a mended file goes on"
    journal.close()
    assert numbers(recover(ilp).records) == [1, 2]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_every_call_in_turn(ilp, faulty_disk, code):
    journal = recover(ilp).journal
    names = ("open", "write", "truncate", "fsync", "sync_data", "replace", "sync_folder", "close")
    safe, failed = 0, 0
    for nth in range(1, 9):
        for anew in (True, False):
            if anew and safe:  # another file of the same bytes: it is not appended to
                copy = journal.path.read_bytes()
                journal.path.unlink()
                journal.path.write_bytes(copy)
            try:
                with using(faulty_disk(nth, names, code, once=True)):
                    journal.append([edit(safe + 1)])
            except OutputError:
                failed += 1
                assert numbers(pending(ilp).records) in (list(range(1, safe + 1)), list(range(1, safe + 2)))
                journal.append([edit(safe + 1)])
            safe += 1
            assert numbers(pending(ilp).records) == list(range(1, safe + 1))
    assert failed >= 6
    journal.close()


def test_what_is_found_is_made_safe_before_it_counts(ilp, faulty_disk):
    """Who wrote it may have been killed before it was synced, or after syncing it failed."""
    first = recover(ilp).journal
    first.append([edit(1)])
    with using(faulty_disk(1, ("sync_data",), errno.EIO, once=True)), pytest.raises(OutputError):
        first.append([edit(2)])
    for operation in ("write", "fsync", "replace", "sync_folder"):
        with using(faulty_disk(1, (operation,))), pytest.raises(OutputError):
            recover(ilp)
        assert numbers(pending(ilp).records) == [1, 2]
    before = first.path.stat().st_ino
    assert numbers(recover(ilp).records) == [1, 2]
    assert first.path.stat().st_ino != before


def test_a_file_that_was_tidied_away_is_written_anew(ilp):
    journal = recover(ilp).journal
    journal.append([edit(1)])
    journal.path.unlink()
    journal.append([edit(2)])
    assert numbers(pending(ilp).records) == [1, 2]
    journal.path.write_bytes(b"something else")
    journal.path.with_name("other").write_bytes(b"")
    journal.path.with_name("other").replace(journal.path)
    journal.append([edit(3)])
    assert numbers(pending(ilp).records) == [1, 2, 3]
    journal.close()


def test_a_torn_tail_is_cut_at_every_byte(ilp):
    good = whole(edit(1), edit(2), base=digest_of(ilp), project="p")
    last = whole(edit(1), base=digest_of(ilp), project="p")
    path = ilp.with_name("p.ilp.journal")
    for size in range(len(last), len(good)):
        content = parse(good[:size], "x")
        assert numbers(content.edits) == [1]
        assert (content.torn, content.lost) == (size - len(last), 0)
        zeros = parse(good[:size] + bytes(700), "x")
        assert numbers(zeros.edits) == [1]
        assert zeros.lost == 0
    path.write_bytes(good[:-5])
    opened = recover(ilp)
    assert numbers(opened.records) == [1]
    assert opened.notices == (
        "1 change made after the last save was brought back.",
        "A change that was being written when the program stopped is not complete; it is left out.",
    )
    opened.journal.append([edit(2, again=True)])
    assert pending(ilp).records == (edit(1), edit(2, again=True))
    assert content_of(path).torn == 0


def test_damage_in_the_middle_is_counted_and_kept(ilp):
    records = [edit(n, text='{"sequence":7}') for n in range(1, 8)]
    data = bytearray(whole(*records, base=digest_of(ilp)))
    place = len(whole(*records[:3], base=digest_of(ilp)))
    path = ilp.with_name("p.ilp.journal")
    for spot in (place, place + 2, place + 5, place + 20):  # length, checksum, contents
        damaged = bytearray(data)
        damaged[spot] ^= 0x55
        content = parse(bytes(damaged), "x")
        assert (numbers(content.edits), content.lost) == ([1, 2, 3], 4), spot
    data[place + 20] ^= 0x55
    path.write_bytes(data)
    assert pending(ilp).notices == ("At least 4 changes in the recovery file of p.ilp cannot be read.",)
    opened = recover(ilp)
    assert numbers(opened.records) == [1, 2, 3]
    (kept,) = opened.kept
    assert opened.notices == (
        "3 changes made after the last save were brought back.",
        f"The recovery file of p.ilp is damaged: at least 4 changes in it could not be read."
        f" It is kept as {kept.name}.",
    )
    opened.journal.append([edit(4)])
    assert kept.read_bytes() == data
    assert numbers(pending(ilp).records) == [1, 2, 3, 4]
    assert read_recovered(kept).lost == 4


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 8))
def test_no_damage_makes_a_record(noise, place, cut):
    records = [edit(n) for n in range(1, 5)]
    data = whole(*records)
    place = min(place, len(data))
    damaged = data[:place] + noise + data[place + cut :]
    try:
        content = parse(damaged, "x")
    except DamagedJournal:
        return
    assert list(content.edits) == records[: len(content.edits)]


def test_a_damaged_length_costs_no_memory():
    for length in (0xFFFFFFFF, 0x0FFFFFFF, 1, 0):
        data = whole(edit(1)) + struct.pack("<II", length, 7) + b"{}"
        assert numbers(parse(data, "x").edits) == [1]
    nested = b'{"a":' * 100_000
    head = whole()
    seed = zlib.crc32(head[8:])
    assert parse(head + framed(nested, seed), "x").edits == ()
    assert parse(head + framed(b'{"sequence":' + b"9" * 5000 + b"}", seed), "x").edits == ()
    assert parse(head + b'{"' * 200_000, "x").lost == 0


def test_records_of_an_older_file_on_the_same_spot_are_no_records():
    head = header("p", "another journal", Mark("b", 1), "")
    old = framed(encode(edit(2)), zlib.crc32(head))
    content = parse(whole(edit(1)) + old, "x")
    assert numbers(content.edits) == [1]
    assert content.torn == len(old)


def test_a_newer_format_is_refused_with_a_sentence(ilp):
    head = json.dumps({"format": FORMAT + 1, "project": "p", "base": "x", "first": 1}).encode()
    path = ilp.with_name("p.ilp.journal")
    path.write_bytes(framed(head) + b"whatever")
    before = path.read_bytes()
    for call in (recover, pending):
        with pytest.raises(
            NewerJournal, match=r"newer Underbrush \(format 2, this one reads 1\); open it with"
        ):
            call(ilp)
    assert path.read_bytes() == before
    assert beside(ilp) == ["p.ilp", "p.ilp.journal"]


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 600, b"hello, this is no journal", framed(b"[1]"), framed(b"{}")]
)
def test_a_file_without_a_header_is_kept_aside(ilp, data):
    path = ilp.with_name("p.ilp.journal")
    path.write_bytes(data)
    assert "is read without it" in pending(ilp).notices[0]
    opened = recover(ilp)
    (kept,) = opened.kept
    assert kept.read_bytes() == data
    assert opened.notices[0].startswith(
        "The recovery file of p.ilp is damaged and could not be read; it is kept"
    )
    assert not path.exists()
    assert recover(ilp).notices == ()


def test_a_project_changed_elsewhere_keeps_the_strokes_aside(ilp):
    journal = recover(ilp).journal
    journal.append([edit(1), edit(2)])
    journal.close()
    ilp.write_bytes(ilp.read_bytes() + b"\0")
    assert pending(ilp).notices == (
        "The recovery file beside p.ilp (2 changes) does not fit it and was not used.",
    )
    opened = recover(ilp)
    assert opened.records == ()
    (kept,) = opened.kept
    assert opened.notices == (
        "p.ilp was changed by another program since, or is another copy; the 2 changes in the recovery file"
        f" were not applied and are kept as {kept.name}.",
    )
    back = read_recovered(kept)
    assert numbers(back.records) == [1, 2]
    assert back.project == journal.project
    opened.journal.append([edit(1)])
    opened.journal.close()
    ilp.write_bytes(ilp.read_bytes() + b"\0")
    third = recover(ilp)
    assert len(third.kept) == 2, "the second misfit overwrites no first one"
    assert numbers(read_recovered(kept).records) == [1, 2]
    assert recover(ilp).notices == ()


def test_a_crash_while_keeping_aside_keeps_one_copy(ilp, faulty_disk):
    path = ilp.with_name("p.ilp.journal")
    path.write_bytes(whole(edit(1), base="of another file"))
    with using(faulty_disk(1, ("remove",))), pytest.raises(OutputError):
        recover(ilp)
    assert path.exists()
    opened = recover(ilp)
    assert len(opened.kept) == 1
    assert not path.exists()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_a_disk_without_links_keeps_a_copy(ilp, faulty_disk, code):
    data = whole(edit(1), base="of another file")
    ilp.with_name("p.ilp.journal").write_bytes(data)
    with using(faulty_disk(1, ("link",), code)):
        (kept,) = recover(ilp).kept
    assert kept.read_bytes() == data


def test_a_file_that_cannot_be_kept_stays(ilp, faulty_disk):
    path = ilp.with_name("p.ilp.journal")
    path.write_bytes(whole(edit(1), base="of another file"))
    with using(faulty_disk(1, ("link", "open"))), pytest.raises(OutputError, match="disk is full"):
        recover(ilp)
    assert beside(ilp) == ["p.ilp", "p.ilp.journal"]


def test_a_journal_of_another_project_is_called_that(ilp):
    project = read_project(ilp)
    from dataclasses import replace

    from underbrush.project.write import write_project

    write_project(replace(project, own={"project": "mine"}), ilp)
    ilp.with_name("p.ilp.journal").write_bytes(whole(edit(1), base="x", project="theirs"))
    opened = recover(ilp)
    assert "belongs to another project; its 1 change were not applied" in opened.notices[0]
    assert opened.journal.project == "mine"


def test_a_misfit_without_edits_is_just_removed(ilp):
    ilp.with_name("p.ilp.journal").write_bytes(whole(base="x"))
    opened = recover(ilp)
    assert (opened.notices, opened.kept) == ((), ())
    assert beside(ilp) == ["p.ilp"]


def test_a_journal_without_its_project_is_named(ilp):
    journal = recover(ilp).journal
    journal.append([edit(1)])
    ilp.rename(ilp.with_name("moved.ilp"))
    for call in (recover, pending):
        with pytest.raises(
            ProjectError, match=r"but its recovery file p\.ilp\.journal is there; put the project back"
        ):
            call(ilp)
    ilp.with_name("moved.ilp").rename(ilp)
    assert numbers(recover(ilp).records) == [1]


def test_a_project_copied_without_its_journal_opens_as_it_is(ilp, tmp_path):
    recover(ilp).journal.append([edit(1)])
    copy = tmp_path / "copy.ilp"
    copy.write_bytes(ilp.read_bytes())
    opened = recover(copy)
    assert (opened.records, opened.notices) == ((), ())


def test_a_link_to_a_project_has_the_same_journal(ilp):
    link = ilp.with_name("link.ilp")
    link.symlink_to(ilp)
    recover(link).journal.append([edit(1)])
    assert numbers(pending(ilp).records) == [1]


def test_unfinished_files_of_a_killed_program_go_after_an_hour(ilp):
    import os

    old, new = ilp.with_name(".p.ilp.0123456789ab.part"), ilp.with_name(".p.ilp.journal.0123456789ab.part")
    other = ilp.with_name(".q.ilp.0123456789ab.part")
    for path in (old, new, other):
        path.write_bytes(b"x")
    os.utime(old, (1e9, 1e9))
    os.utime(other, (1e9, 1e9))
    recover(ilp)
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_a_journal_that_cannot_be_read_stops_the_opening(ilp):
    ilp.with_name("p.ilp.journal").mkdir()
    with pytest.raises(ProjectError, match="the recovery file cannot be read"):
        recover(ilp)


def test_an_enormous_journal_is_refused(ilp, monkeypatch):
    monkeypatch.setattr(recovery_files, "MAX_JOURNAL", 10)
    ilp.with_name("p.ilp.journal").write_bytes(whole(edit(1)))
    with pytest.raises(ProjectError, match="more than the 10 that are read"):
        recover(ilp)


def test_threads_append_one_after_the_other(ilp):
    import threading

    journal = recover(ilp).journal
    count = iter(range(1, 10**6))
    order = threading.Lock()

    def paint():
        for _ in range(30):
            with order:
                journal.append([edit(next(count))])

    threads = [threading.Thread(target=paint) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(pending(ilp).records) == list(range(1, 121))
    journal.close()


def test_a_journal_of_its_own_makes_no_file_before_it_is_needed(tmp_path):
    journal = Journal(tmp_path / "a.ilp", "p", "h", first=5)
    assert (journal.last, journal.base, journal.pending, journal.size) == (4, "h", 0, 0)
    assert journal.knows("h")
    with pytest.raises(ValueError, match="number 4 after 4"):
        journal.append([edit(4)])
    assert list(tmp_path.iterdir()) == []


SAMPLE = """
qAAAAOtVeNl7ImZvcm1hdCI6MSwicHJvamVjdCI6IjJmNmMiLCJqb3VybmFsIjoiOWQwMSIsImJhc2UiOiJhYmFiYWJh
YmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiIiwiZmlyc3QiOjQs
ImNyZWF0ZWQiOiIyMDI2LTExLTIzVDA1OjE0OjI3KzAwOjAwIn1bAAAAghTqunsic2VxdWVuY2UiOjQsImNsaWVudCI6
InRhYiIsIm51bWJlciI6MSwia2luZCI6InBhaW50IiwidGl0bGUiOiJTdHJva2UgaW4gWmVsbGtcdTAwZjZycGVyIn1V
AAAAFYBz3HsiYmFzZSI6ImNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2Rj
ZGNkY2RjZGNkY2QiLCJmaXJzdCI6NX1BAAAASQeG8Hsic2VxdWVuY2UiOjUsImNsaWVudCI6InRhYiIsIm51bWJlciI6
Miwia2luZCI6InVuZG8iLCJ1bmRvZXMiOjR9
"""


def test_a_file_of_format_1_opens_for_ever():
    content = parse(base64.b64decode(SAMPLE), "sample")
    assert (content.project, content.journal, content.created) == (
        "2f6c",
        "9d01",
        "2026-11-23T05:14:27+00:00",
    )
    assert content.marks == (Mark("ab" * 32, 4), Mark("cd" * 32, 5))
    paint = {"sequence": 4, "client": "tab", "number": 1, "kind": "paint", "title": "Stroke in Zellkörper"}
    undo = {"sequence": 5, "client": "tab", "number": 2, "kind": "undo", "undoes": 4}
    assert content.edits == (paint, undo)
    assert (content.torn, content.lost) == (0, 0)
    assert content.since("ab" * 32) == (paint, undo)
    assert content.since("cd" * 32) == (undo,)
    assert content.since("ef" * 32) is None
