"""A project with all its images in one file, and back elsewhere: the same pixels, strokes and masks."""

from __future__ import annotations

import errno
import os
import threading
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from session_scenes import blobs, both_classes, new_project
from underbrush.engine.packing import is_pack, pack, packing_of, unpack
from underbrush.engine.scheduler import Cancelled
from underbrush.engine.session import Session
from underbrush.errors import OutputError, ProjectError
from underbrush.files import FileLayer, using
from underbrush.project.paths import embedded_source, linked_source
from underbrush.project.read import read_project
from underbrush.project.schema import Lane
from underbrush.project.write import write_project

SHAPE = (96, 120)


@pytest.fixture
def file(tmp_path):
    """A project whose images lie all over the place, in all kinds of files."""
    home, far = tmp_path / "home", tmp_path / "far away"
    for folder in (home, far, far / "same"):
        folder.mkdir()
    made = new_project(home)
    pixels = [blobs(seed=k) for k in range(6)]
    with h5py.File(far / "two.h5", "w") as h5:
        h5["a"], h5["deep/b"] = pixels[1], pixels[2]
    made_zarr = zarr.create_array(str(far / "chunks.zarr"), shape=SHAPE, chunks=(40, 40), dtype="u1")
    made_zarr[:] = pixels[3]
    for n in range(2):
        tifffile.imwrite(far / f"z_{n}.tif", pixels[4 + n], metadata={"axes": "YX"})
    tifffile.imwrite(far / "same" / "image0.tif", pixels[5], metadata={"axes": "YX"})
    tifffile.imwrite(home / "mask.tif", (pixels[0] > 60).astype(np.uint8), metadata={"axes": "YX"})
    stack = os.pathsep.join(str(far / f"z_{n}.tif") for n in range(2))
    sources = {
        "a": linked_source(str(far / "two.h5/a"), "yx", SHAPE),
        "b": linked_source("../far away/two.h5/deep/b", "yx", SHAPE),
        "chunks": linked_source(str(far / "chunks.zarr"), "yx", SHAPE),
        "times": linked_source(stack, "tyx", (2, *SHAPE)),
        "same": linked_source(str(far / "same" / "image0.tif"), "yx", SHAPE),
        "inside": embedded_source("inside", "yx", SHAPE),
        "gone": linked_source(str(far / "gone.tif"), "yx", SHAPE),
        "net": linked_source("https://example.org/image.zarr", "yx", SHAPE),
    }
    project = read_project(made)
    first = replace(project.lanes[0], mask=linked_source("mask.tif", "yx", SHAPE))
    lanes = (first, *(Lane(name, replace(source, name=name)) for name, source in sources.items()))
    write_project(replace(project, lanes=lanes), made, embed={sources["inside"].inner: pixels[4]})
    with Session.open(made) as session:
        both_classes(session)
    return made


def content(path):
    """What is in the project that can be read, by name."""
    found = {}
    with Session.open(path, read_only=True) as session:
        document = session.document
        for lane in document.lane_order:
            name = document.lanes[lane].nickname
            if name in ("gone", "net"):
                continue
            mask = session.mask(lane)
            values = session.image(lane).read()
            found[name] = (values, None if mask is None else mask.read(), session.labels(lane).rows())
    return found


def test_what_is_packed_comes_out_elsewhere_as_it_was(file, tmp_path):
    before = content(file)
    packing = packing_of(read_project(file))
    assert [said.split()[0] for said in packing.kept] == ["gone", "net"]
    told = []
    made = pack(packing, tmp_path / "for you.zip", lambda done, total: told.append((done, total)))
    assert made == tmp_path / "for you.ilp.zip" and is_pack(str(made))
    assert told[-1] == (packing.size, packing.size)
    # Nothing of the old place is needed.
    (tmp_path / "home").rename(tmp_path / "moved")
    (tmp_path / "far away").rename(tmp_path / "moved away")
    (tmp_path / "there").mkdir()
    path = unpack(made, tmp_path / "there")
    assert path == tmp_path / "there" / "for you" / "for you.ilp"
    after = content(path)
    assert list(after) == list(before) and len(after) == 7
    for name in before:
        for one, other in zip(before[name][:2], after[name][:2], strict=True):
            assert (one is None) == (other is None) and (one is None or np.array_equal(one, other))
        for one, other in zip(before[name][2], after[name][2], strict=True):
            assert np.array_equal(one, other)
    links = [lane.raw.stored for lane in read_project(path).lanes if lane.raw.kind in ("file", "stack")]
    assert all(link.startswith("images/") for link in links if "gone" not in link)
    assert "images/2/image0.tif" in links
    assert unpack(made, tmp_path / "there").parent.name == "for you 2"


def test_nothing_is_replaced_and_nothing_stays_of_what_failed(file, tmp_path):
    packing = packing_of(read_project(file))
    there = {p.name for p in tmp_path.iterdir()}
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        pack(packing, tmp_path / "one", cancel=stop)
    (tmp_path / "two.ilp.zip").write_bytes(b"mine")
    with pytest.raises(OutputError, match="there is a file"):
        pack(packing, tmp_path / "two")

    class Full(FileLayer):
        written = 0

        def write(self, descriptor, data):
            Full.written += len(data)
            if Full.written > 60_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(descriptor, data)

    with using(Full()), pytest.raises(OutputError, match="full"):
        pack(packing, tmp_path / "three")
    assert {p.name for p in tmp_path.iterdir()} == there | {"two.ilp.zip"}
    assert (tmp_path / "two.ilp.zip").read_bytes() == b"mine"


def test_unpacking_stops_without_a_trace(file, tmp_path):
    made = pack(packing_of(read_project(file)), tmp_path / "p")
    there = {p.name for p in tmp_path.iterdir()}
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        unpack(made, tmp_path, cancel=stop)
    data = bytearray(made.read_bytes())
    data[len(data) // 2] ^= 255
    made.write_bytes(data)
    with pytest.raises(ProjectError, match="damaged"):
        unpack(made, tmp_path)
    made.write_bytes(data[: len(data) // 2])
    with pytest.raises(ProjectError, match="damaged"):
        unpack(made, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == there


@pytest.mark.parametrize("name", ["../evil", "/evil", "p/../../evil", "p/C:evil", "p\\..\\evil", "other/x"])
def test_a_pack_that_would_lead_elsewhere_is_refused(tmp_path, name):
    path = tmp_path / "p.ilp.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/p.ilp", b"x")
        archive.writestr(name, b"x")
    with pytest.raises(ProjectError, match=r"lead elsewhere|no packed project"):
        unpack(path, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["p.ilp.zip"]
