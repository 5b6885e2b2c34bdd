"""Edits go into the .ilp and out of the recovery file; versions before are kept and come back."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import pytest
from small_project import make_project

from underbrush.errors import ArgumentError, OutputError, ProjectError
from underbrush.files import FileLayer, using
from underbrush.project import folding, kept_versions
from underbrush.project.folding import fold
from underbrush.project.kept_versions import KeptVersion, restore, superfluous, versions
from underbrush.project.lock import Held, lock_project
from underbrush.project.places import digest_of, places_of
from underbrush.project.read import read_project
from underbrush.project.recovery import pending, recover
from underbrush.project.recovery_files import read_recovered


def edit(n: int) -> dict[str, object]:
    return {"sequence": n, "client": "tab", "number": n, "kind": "paint"}


def numbers(records) -> list[int]:
    return [r["sequence"] for r in records]


def with_text(project, n: int):
    return replace(project, own={**project.own, "state": str(n)})


def state(path: Path) -> tuple[str | None, list[int]]:
    seen = pending(path)
    assert seen.notices == ()
    return seen.project.own.get("state"), numbers(seen.records)


@pytest.fixture
def ilp(tmp_path):
    return make_project(tmp_path / "p.ilp")


def beside(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir() if p.suffix not in {".tif", ".png"})


def test_folding_leaves_out_what_the_project_has(ilp):
    opened = recover(ilp)
    journal = opened.journal
    for n in (1, 2, 3):
        journal.append([edit(n)])
    done = fold(with_text(opened.project, 2), journal, 2)
    assert state(ilp) == ("2", [3])
    assert (done.base, done.notices) == (digest_of(ilp), ())
    assert done.project == read_project(ilp)
    assert done.project.own["project"] == journal.project
    assert (journal.base, journal.pending, journal.last, journal.folds) == (done.base, 1, 3, 1)
    journal.append([edit(4)])
    assert state(ilp) == ("2", [3, 4])
    done = fold(with_text(done.project, 4), journal, 4)
    assert done.version is None, "one version in ten minutes"
    assert state(ilp) == ("4", [])
    journal.append([edit(5)])
    assert state(ilp) == ("4", [5])
    fold(with_text(done.project, 5), journal, 5)
    journal.close()
    assert beside(ilp) == ["p.ilp", "p.versions"]
    opened = recover(ilp)
    assert (opened.records, opened.notices, opened.project.own["state"]) == ((), (), "5")
    assert opened.journal.project == journal.project


def test_a_project_without_edits_can_be_saved(ilp):
    opened = recover(ilp)
    fold(with_text(opened.project, 0), opened.journal, 0)
    opened.journal.close()
    assert state(ilp) == ("0", [])
    assert beside(ilp) == ["p.ilp", "p.versions"]


def test_what_was_never_safe_cannot_be_saved(ilp):
    opened = recover(ilp)
    opened.journal.append([edit(1)])
    with pytest.raises(ValueError, match="up to 2 are to be saved but the journal ends at 1"):
        fold(opened.project, opened.journal, 2)


def test_numbers_go_on_from_an_earlier_time_without_a_journal(ilp):
    opened = recover(ilp)
    fold(with_text(opened.project, 57), opened.journal, 57)
    assert opened.journal.last == 57
    with pytest.raises(ValueError, match="number 57 after 57"):
        opened.journal.append([edit(57)])
    opened.journal.append([edit(58)])
    assert state(ilp) == ("57", [58])


def test_edits_arrive_while_the_project_is_written(ilp):
    opened = recover(ilp)
    journal = opened.journal
    journal.append([edit(1)])

    class Busy(FileLayer):
        def sync_folder(self, path):
            if not journal.lock._is_owned():
                journal.append([edit(journal.last + 1)])
            super().sync_folder(path)

        def seek(self, descriptor, offset, whence=0):
            if journal.last < 4 and not journal.lock._is_owned():
                journal.append([edit(journal.last + 1)])
            return super().seek(descriptor, offset, whence)

    with using(Busy()):
        fold(with_text(opened.project, 1), journal, 1)
    assert journal.last > 4
    assert state(ilp) == ("1", list(range(2, journal.last + 1)))


def test_a_thread_paints_while_another_saves(ilp):
    opened = recover(ilp)
    journal, stop = opened.journal, threading.Event()

    def paint():
        while not stop.is_set():
            journal.append([edit(journal.last + 1)])

    thread = threading.Thread(target=paint)
    thread.start()
    project = opened.project
    try:
        for _ in range(8):
            sequence = journal.last
            done = fold(with_text(project, sequence), journal, sequence)
            project = done.project
            seen = pending(ilp)
            have = int(seen.project.own["state"])
            assert numbers(seen.records) == list(range(have + 1, have + 1 + len(seen.records)))
    finally:
        stop.set()
        thread.join()
    assert state(ilp) == (str(sequence), list(range(sequence + 1, journal.last + 1)))


def test_readers_see_one_state_while_it_is_saved_again_and_again(ilp):
    opened = recover(ilp)
    journal, stop, seen, wrong = opened.journal, threading.Event(), [], []

    def look():
        while not stop.is_set():
            at_least = journal.last
            found = pending(ilp)
            have = int(found.project.own.get("state", 0))
            got = list(range(1, have + 1)) + numbers(found.records)
            seen.append(have)
            if got != list(range(1, len(got) + 1)) or len(got) < at_least or found.notices:
                wrong.append((have, got, at_least, found.notices))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    project = opened.project
    for n in range(1, 26):
        journal.append([edit(n)])
        if n % 2:
            project = fold(with_text(project, n), journal, n).project
    journal.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(seen) > 2


CALLS = ("open", "write", "truncate", "fsync", "sync_data", "replace", "sync_folder", "link", "make_folders")


@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
def test_a_save_that_fails_at_any_call_loses_nothing(ilp, faulty_disk, once):
    """The first calls, some of the many that write the .ilp, and all from its end on."""
    opened = recover(ilp)
    journal, project = opened.journal, opened.project
    journal.append([edit(1)])
    with using(faulty_disk(10**9, CALLS)) as counting:
        project = fold(with_text(project, 1), journal, 1).project
    calls = counting.calls
    assert calls > 20
    safe, folded, failed = 1, 1, 0
    for nth in [*range(1, 6), *range(6, calls - 16, 40), *range(calls - 16, calls + 4)]:
        try:
            with using(faulty_disk(nth, CALLS, errno.EIO, once=once)):
                project = fold(with_text(project, safe), journal, safe).project
        except OutputError as error:
            assert str(ilp.parent) in str(error)
            failed += 1
        found, records = state(ilp)
        assert (found, records) in [
            (str(safe), []),
            (str(folded), list(range(folded + 1, safe + 1))),
        ]
        folded = int(found)
        journal.append([edit(safe + 1)])
        safe += 1
        assert state(ilp) == (found, list(range(folded + 1, safe + 1)))
    assert failed > 10
    journal.close()
    opened = recover(ilp)
    assert numbers(opened.records) == list(range(folded + 1, safe + 1))


def test_a_change_of_another_program_is_kept_before_it_is_replaced(ilp):
    opened = recover(ilp)
    journal = opened.journal
    journal.append([edit(1)])
    project = fold(with_text(opened.project, 1), journal, 1).project
    journal.append([edit(2)])
    with h5py.File(ilp, "r+") as file:
        file["by another"] = 7
    theirs = ilp.read_bytes()
    done = fold(with_text(project, 2), journal, 2)
    assert done.version is not None
    assert done.version.read_bytes() == theirs
    assert done.notices == (
        "p.ilp was changed by another program while it was open here; that state is kept as"
        f" p.versions/{done.version.name}.",
    )
    assert state(ilp) == ("2", [])


def test_what_another_program_changed_is_never_replaced_unkept(ilp, faulty_disk):
    opened = recover(ilp)
    with h5py.File(ilp, "r+") as file:
        file["by another"] = 7
    theirs = ilp.read_bytes()
    with using(faulty_disk(1, ("link",), errno.EIO)), pytest.raises(OutputError):
        fold(with_text(opened.project, 1), opened.journal, 0)
    assert ilp.read_bytes() == theirs


def test_a_project_that_was_removed_is_written_again(ilp):
    opened = recover(ilp)
    opened.journal.append([edit(1)])
    ilp.unlink()
    done = fold(with_text(opened.project, 1), opened.journal, 1)
    assert done.notices == ("p.ilp was gone; it was written again.",)
    assert state(ilp) == ("1", [])


def test_a_version_that_cannot_be_kept_stops_no_save(ilp, faulty_disk):
    opened = recover(ilp)
    with using(faulty_disk(1, ("link",), errno.EIO)):
        done = fold(with_text(opened.project, 1), opened.journal, 0)
    assert done.version is None
    assert "before this save could not be kept: " in done.notices[0]
    assert state(ilp)[0] == "1"


def test_an_unsaved_copy_of_an_older_state_is_not_painted_over(ilp):
    """Somebody puts an older copy back while strokes wait in the recovery file."""
    older = ilp.read_bytes()
    opened = recover(ilp)
    journal = opened.journal
    journal.append([edit(1)])
    fold(with_text(opened.project, 1), journal, 1)
    journal.append([edit(2)])
    journal.close()
    ilp.write_bytes(older)
    opened = recover(ilp)
    assert opened.records == ()
    assert "the 1 change in the recovery file were not applied" in opened.notices[0]
    assert numbers(read_recovered(opened.kept[0]).records) == [2]


def test_two_crashes_in_a_row(ilp):
    first = recover(ilp)
    first.journal.append([edit(1)])
    second = recover(ilp)  # without the first being closed
    second.journal.append([edit(2)])
    third = recover(ilp)
    assert numbers(third.records) == [1, 2]
    fold(with_text(third.project, 2), third.journal, 2)
    assert state(ilp) == ("2", [])


def test_versions_are_listed_and_come_back(ilp, monkeypatch):
    clock = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    for module in (folding, kept_versions):
        monkeypatch.setattr(module, "utc_now", lambda: clock[0])
    assert versions(ilp) == ()
    original = ilp.read_bytes()
    opened = recover(ilp)
    project = opened.project
    for n in range(1, 7):
        opened.journal.append([edit(n)])
        project = fold(with_text(project, n), opened.journal, n).project
        clock[0] += timedelta(minutes=6)
    opened.journal.append([edit(7)])
    kept = versions(ilp)
    assert [v.when.minute for v in kept] == [24, 12, 0]
    assert kept[-1].path.read_bytes() == original
    assert kept[-1].size == len(original)
    with lock_project(ilp), pytest.raises(Held):
        restore(ilp, kept[-1])
    opened.journal.close()
    before = ilp.read_bytes()
    back = restore(ilp, kept[-1])
    assert ilp.read_bytes() == original
    assert back.kept is not None
    assert back.kept.read_bytes() == before
    (aside,) = places_of(ilp).all_recovered()
    assert back.notices == (f"1 change not yet saved in p.ilp: kept as {aside.name}.",)
    assert numbers(read_recovered(aside).records) == [7]
    opened = recover(ilp)
    assert (opened.records, opened.notices) == ((), ())
    restore(ilp, back.kept)
    assert ilp.read_bytes() == before
    assert [v.path for v in versions(ilp)][-1] == kept[-1].path
    with pytest.raises(ArgumentError):
        restore(ilp, ilp)
    (kept[-1].path).write_bytes(b"damaged")
    with pytest.raises(ProjectError):
        restore(ilp, kept[-1].path)
    assert ilp.read_bytes() == before


@pytest.mark.parametrize("nth", range(1, 9))
def test_a_restoring_that_fails_changes_nothing(ilp, faulty_disk, nth):
    opened = recover(ilp)
    opened.journal.append([edit(1)])
    fold(with_text(opened.project, 1), opened.journal, 1)
    opened.journal.append([edit(2)])
    opened.journal.close()
    (kept,) = versions(ilp)
    layer = faulty_disk(nth, (*CALLS, "remove"), errno.EIO, once=True)
    try:
        with lock_project(ilp) as lock, using(layer):
            restore(ilp, kept, lock)
    except OutputError:
        found = recover(ilp)
        if found.project.own.get("state") == "1":
            assert numbers(found.records) == [2]
        else:
            assert numbers(read_recovered(found.kept[0]).records) == [2]
    else:
        assert layer.calls < nth or read_project(ilp).own.get("state") is None


def test_an_old_version_outlives_its_own_restoring(ilp):
    folder = places_of(ilp).versions
    folder.mkdir()
    old = folder / "20200101T000000Z.ilp"
    fold(with_text(read_project(ilp), 1), recover(ilp).journal, 0)
    old.write_bytes(ilp.read_bytes())
    fold(with_text(read_project(ilp), 2), recover(ilp).journal, 0)
    for n in range(10):
        (folder / f"2026010{n}T000000Z.ilp").write_bytes(b"x")
    restore(ilp, old)
    assert read_project(ilp).own["state"] == "1"
    assert not old.exists(), "thinned by the version that was kept"


def test_a_disk_without_links_keeps_a_copy(ilp, faulty_disk):
    before = ilp.read_bytes()
    opened = recover(ilp)
    with using(faulty_disk(1, ("link",), errno.EPERM)):
        done = fold(with_text(opened.project, 1), opened.journal, 0)
    assert done.version.read_bytes() == before


def version(when: datetime) -> KeptVersion:
    return KeptVersion(Path(f"{when}"), when, 1)


def test_thinning_keeps_ten_and_one_a_day_for_thirty_days():
    now = datetime(2026, 6, 30, 18, tzinfo=UTC)
    kept = [version(now - timedelta(hours=3 * k)) for k in range(8 * 40)]
    gone = superfluous(kept, now)
    left = [v for v in kept if v not in gone]
    assert left[:10] == kept[:10]
    days = [v.when.date() for v in left]
    assert set(days) == {(now - timedelta(days=d)).date() for d in range(30)}
    assert all(days.count(d) == 1 for d in days[12:])
    assert all(v.when.hour == 21 for v in left[10:]), "the last one of its day"
    assert superfluous(left, now) == []
    assert superfluous([version(now - timedelta(days=400 + k)) for k in range(10)], now) == []


def test_kept_versions_are_thinned_on_the_disk_and_others_left_alone(ilp, monkeypatch):
    clock = [datetime(2026, 3, 1, tzinfo=UTC)]
    for module in (folding, kept_versions):
        monkeypatch.setattr(module, "utc_now", lambda: clock[0])
    opened = recover(ilp)
    project = opened.project
    folder = places_of(ilp).versions
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for n in range(30):
        project = fold(with_text(project, n), opened.journal, 0).project
        clock[0] += timedelta(minutes=20)
    assert len(versions(ilp)) == 10
    assert (folder / "notes.txt").exists()
