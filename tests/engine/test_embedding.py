"""Images go into the project and out of it: the same pixels, strokes, forest; undone and replayed."""

from __future__ import annotations

import errno
import json
import os
import threading

import h5py
import numpy as np
import pytest
import tifffile

from session_scenes import both_classes, new_project, wait_for
from underbrush.cli.main import run
from underbrush.engine import embedding
from underbrush.engine.embedding import put_out, size_of, take_in
from underbrush.engine.scheduler import Cancelled
from underbrush.engine.session import Session
from underbrush.errors import CommandError, OutputError, UnderbrushError
from underbrush.files import FileLayer, using
from underbrush.project.commands import EditLane, Embed, Redo, Undo, command_from_json, command_to_json
from underbrush.project.paths import embedded_source
from underbrush.project.read import read_project
from underbrush.web.reading import image_identity


def number(session):
    return session.last_number("tab") + 1


def datasets(path):
    with h5py.File(path) as file:
        return sorted(file["Input Data/local_data"])


@pytest.fixture
def trained(tmp_path):
    """A session with a trained forest."""
    with Session.open(new_project(tmp_path), threads=2, idle=1e9) as session:
        session.set_live(True)
        both_classes(session)
        wait_for(lambda: session.training.state == "done" and session.project().forest is not None)
        yield session


def test_pixels_strokes_and_forest_are_the_same_inside_and_after_undo_and_redo(trained, tmp_path):
    session = trained
    pixels, forest = session.image("a1").read(), session.project().forest.digest
    session.apply("tab", number(session), EditLane("a1", pixel_size={"x": (0.5, "µm"), "y": (0.5, "µm")}))
    told = []
    source = take_in(session, "a1", lambda done, total: told.append((done, total)))
    assert told[-1] == (pixels.nbytes, pixels.nbytes) == (size_of(session, "a1"),) * 2
    assert session.document.lanes["a1"].raw.kind == "file"
    command = command_from_json(command_to_json(Embed("a1", source)))
    session.apply("tab", number(session), command)
    # The file of the image is not needed any more.
    (tmp_path / "image0.tif").rename(tmp_path / "away.tif")

    def same():
        image = session.image("a1")
        assert np.array_equal(image.read(), pixels)
        assert dict(image.pixel_size) == {"x": (0.5, "µm"), "y": (0.5, "µm")}
        assert session.project().forest.digest == forest
        assert {k: n for k, (_, n) in session.labels("a1").strokes.by_class.items()} == {1: 40, 2: 12}
        return image_identity(image)

    before = same()
    session.save()
    assert same() == before, "a browser would ask for another image after each save"
    assert len(datasets(session.path)) == 1
    session.apply("tab", number(session), Undo())
    session.save()
    assert session.document.lanes["a1"].raw.kind == "file"
    assert len(datasets(session.path)) == 1, "redo needs it"
    session.apply("tab", number(session), Redo())
    session.save()
    assert same() == before
    path = session.path
    session.close()
    with Session.open(path) as again:
        assert np.array_equal(again.image("a1").read(), pixels)
        assert again.document.forest is not None and again.document.forest.digest == forest
    out = tmp_path / "out.npy"
    assert run(["predict", str(path), str(tmp_path / "away.tif"), "--output", str(out), "--no-progress"]) == 0


def test_what_was_acknowledged_is_there_after_a_crash(trained, tmp_path):
    session = trained
    source = take_in(session, "a1")
    session.apply("tab", number(session), Embed("a1", source))
    (tmp_path / "image0.tif").unlink()
    # Not saved: another one reads the .ilp and the recovery file, as after a power cut.
    with Session.open(session.path, read_only=True) as other:
        assert other.document.lanes["a1"].raw.kind == "embedded"
        assert other.image("a1").shape5 == (1, 1, 1, 96, 120)


def test_cancelled_and_failed_copies_change_nothing(trained, tmp_path):
    session = trained
    session.save()
    before, size = session.document, session.path.stat().st_size
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        take_in(session, "a1", cancel=stop)

    class Full(FileLayer):
        def write(self, descriptor, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with using(Full()), pytest.raises(OutputError, match="full"):
        take_in(session, "a1")
    assert session.document is before and session.path.stat().st_size == size and not datasets(session.path)
    with pytest.raises(UnderbrushError):
        session.apply("tab", number(session), Embed("a1", embedded_source("x", "yx", (96, 120))))
    other = take_in(session, "a1")
    with pytest.raises(CommandError, match="no image"):
        session.apply("tab", number(session), Embed("a9", other))
    assert session.document.lanes["a1"].raw.kind == "file"
    # What no command came for is gone with the next save.
    session.apply("tab", number(session), EditLane("a1", nickname="renamed"))
    session.save()
    assert not datasets(session.path)


def test_an_embedded_image_becomes_a_file_again(trained, tmp_path):
    session = trained
    pixels, forest = session.image("a1").read(), session.project().forest.digest
    session.apply("tab", number(session), EditLane("a1", pixel_size={"x": (2.0, "nm"), "y": (2.0, "nm")}))
    session.apply("tab", number(session), Embed("a1", take_in(session, "a1")))
    (tmp_path / "image0.h5").write_bytes(b"of somebody else")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        put_out(session, "a1", cancel=stop)
    assert not (tmp_path / "image0 2.h5").exists()
    source = put_out(session, "a1")
    assert source.stored == "image0 2.h5/data"
    session.apply("tab", number(session), Embed("a1", source))
    entry = session.document.lanes["a1"]
    assert (entry.raw.kind, entry.raw.stored) == ("file", "image0 2.h5/data")
    assert np.array_equal(session.image("a1").read(), pixels)
    assert dict(session.image("a1").pixel_size) == {"x": (2.0, "nm"), "y": (2.0, "nm")}
    assert session.project().forest.digest == forest
    with pytest.raises(UnderbrushError, match="does not lie in the project"):
        put_out(session, "a1")


def test_images_of_all_axes_are_copied_piece_by_piece(tmp_path, monkeypatch):
    values = np.random.default_rng(0).integers(0, 60_000, (3, 2, 4, 300, 400), np.uint16)
    tifffile.imwrite(tmp_path / "movie.ome.tif", values, metadata={"axes": "TCZYX"}, ome=True)
    from underbrush.engine.new_project import write_new_project

    write_new_project(tmp_path / "p.ilp", [str(tmp_path / "movie.ome.tif")])
    monkeypatch.setattr(embedding, "_PIECE", 1 << 15)
    with Session.open(tmp_path / "p.ilp") as session:
        whole = session.image("a1").read()
        parts = [part for _, part in embedding.Pixels(session.image("a1")).parts()]
        assert len(parts) > 50 and max(part.size for part in parts) <= 1 << 15
        source = take_in(session, "a1")
        session.apply("tab", 1, Embed("a1", source))
        assert np.array_equal(session.image("a1").read(), whole)
        assert session.image("a1").axes == source.axes
    lane = read_project(tmp_path / "p.ilp").lanes[0]
    assert lane.raw.kind == "embedded" and lane.raw.shape5 == whole.shape
    with h5py.File(tmp_path / "p.ilp") as file:
        data = file[lane.raw.inner]
        # ilastik takes the order of the axes from the dataset.
        assert [one["key"] for one in json.loads(data.attrs["axistags"])["axes"]] == list(source.axes)
        assert [dim.label for dim in data.dims] == list(source.axes)
