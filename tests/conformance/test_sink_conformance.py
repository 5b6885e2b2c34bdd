"""What every sink keeps: any cut and order of blocks, threads, nothing half-written, the same bytes."""

from __future__ import annotations

import errno
import itertools
import math
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorstore as ts
import tifffile
import zarr
from PIL import Image

from underbrush import files
from underbrush.core.geometry import Box, Halo, TileGrid, to_internal
from underbrush.errors import OutputError
from underbrush.sinks import OutputSpec, open_part, open_sink, spool, stash, unit_of
from underbrush.sinks import n5 as n5_sink
from underbrush.sinks import zarr as zarr_sink

COLORS = ((230, 25, 75), (60, 180, 75), (0, 130, 200), (255, 225, 25))


def pixels_of(shape, dtype, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def random_cut(shape, rng: random.Random, pieces: int) -> list[Box]:
    """Boxes that cover ``shape`` once, in random order, cut at random places."""
    cuts = []
    for n in shape:
        inner = sorted(rng.sample(range(1, n), min(n - 1, rng.randint(0, pieces)))) if n > 1 else []
        cuts.append(list(itertools.pairwise([0, *inner, n])))
    boxes = [Box(tuple(a for a, _ in c), tuple(b for _, b in c)) for c in itertools.product(*cuts)]
    rng.shuffle(boxes)
    return boxes


def some_calls(count: int) -> list[int]:
    """Every call of a few, else the first, the last and some between."""
    if count <= 24:
        return list(range(1, count + 1))
    return [*range(1, 9), *range(9, count - 8, max(1, (count - 16) // 6)), *range(count - 8, count + 1)]


def content(path: Path):
    """The bytes of a file, or of all files of a folder by name."""
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


class SinkTests:
    """The suite; a subclass says what it writes and how an independent reader gets it back."""

    format: str
    name: str
    cases: tuple[tuple[str, tuple[int, ...], str], ...]
    """(axes, shape in t c z y x, dtype)"""

    def read(self, path: Path, spec: OutputSpec) -> np.ndarray:
        """The pixels of a written file in t c z y x, by a reader that is not ours."""
        raise NotImplementedError

    def spec(self, folder: Path, case: int = 0, **changes) -> OutputSpec:
        axes, shape, dtype = self.cases[case]
        values = {
            "path": folder / self.name,
            "shape": shape,
            "axes": axes,
            "dtype": np.dtype(dtype),
            **changes,
        }
        return OutputSpec(**values)

    def old(self, spec: OutputSpec):
        """Something that has the name; gives its content."""
        spec.path.write_bytes(b"old")
        return b"old"

    def write(self, spec: OutputSpec, pixels: np.ndarray, boxes=None):
        with open_sink(spec, self.format) as sink:
            for box in boxes or [Box.whole(spec.shape)]:
                sink.write(box, pixels[box.slices])
        return content(spec.path)

    def all_cases(self, folder: Path):
        for case in range(len(self.cases)):
            spec = self.spec(folder, case)
            yield spec, pixels_of(spec.shape, spec.dtype)

    def test_a_whole_block_comes_back(self, tmp_path):
        for spec, pixels in self.all_cases(tmp_path):
            self.write(spec, pixels)
            back = self.read(spec.path, spec)
            assert back.dtype == spec.dtype, spec
            assert np.array_equal(back, pixels), spec

    def test_any_cut_in_any_order_is_the_same_file(self, tmp_path):
        rng = random.Random(self.format)
        for spec, pixels in self.all_cases(tmp_path):
            whole = self.write(spec, pixels)
            for _ in range(2):
                assert self.write(spec, pixels, random_cut(spec.shape, rng, 3)) == whole, spec

    def test_threads_write_the_same_file(self, tmp_path):
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        whole = self.write(spec, pixels)
        boxes = random_cut(spec.shape, random.Random(1), 6)
        with open_sink(spec, self.format) as sink, ThreadPoolExecutor(8) as threads:
            for done in [threads.submit(sink.write, box, pixels[box.slices]) for box in boxes]:
                done.result()
        assert content(spec.path) == whole

    def test_blocks_need_not_be_contiguous_or_writable(self, tmp_path):
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        odd = np.asfortranarray(pixels)
        odd.flags.writeable = False
        assert self.write(spec, odd) == self.write(spec, pixels)

    def test_the_name_shows_nothing_before_the_end(self, tmp_path):
        spec = self.spec(tmp_path)
        with open_sink(spec, self.format) as sink:
            sink.write(Box.whole(spec.shape), pixels_of(spec.shape, spec.dtype))
            assert not spec.path.exists()
        assert names(tmp_path) == [self.name]

    def test_the_folder_is_created(self, tmp_path):
        spec = self.spec(tmp_path / "a" / "b")
        self.write(spec, pixels_of(spec.shape, spec.dtype))
        assert names(tmp_path / "a" / "b") == [self.name]

    def test_abort_leaves_nothing_and_may_come_twice(self, tmp_path):
        spec = self.spec(tmp_path)
        old = self.old(spec)
        sink = open_sink(spec, self.format)
        sink.write(Box.whole(spec.shape), pixels_of(spec.shape, spec.dtype))
        sink.abort()
        sink.abort()
        assert names(tmp_path) == [self.name]
        assert content(spec.path) == old

    def test_abort_after_commit_keeps_the_file(self, tmp_path):
        spec = self.spec(tmp_path)
        sink = open_sink(spec, self.format)
        sink.write(Box.whole(spec.shape), pixels_of(spec.shape, spec.dtype))
        sink.commit()
        sink.abort()
        assert names(tmp_path) == [self.name]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt], ids=["error", "ctrl-c"])
    def test_an_exception_leaves_the_old_file(self, tmp_path, error):
        spec = self.spec(tmp_path)
        old = self.old(spec)
        with pytest.raises(error), open_sink(spec, self.format) as sink:
            sink.write(Box.whole(spec.shape), pixels_of(spec.shape, spec.dtype))
            raise error
        assert names(tmp_path) == [self.name]
        assert content(spec.path) == old

    def test_a_missing_block_is_an_error(self, tmp_path):
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        upper = Box.whole(spec.shape).replace(y=(0, spec.shape[3] - 1))
        with pytest.raises(OutputError, match="not complete"):
            self.write(spec, pixels, [upper])
        assert names(tmp_path) == []

    def test_a_block_that_does_not_fit_is_refused(self, tmp_path):
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        whole = Box.whole(spec.shape)
        outside = Box((0, 0, 0, 1, 0), (*whole.stop[:3], whole.stop[3] + 1, whole.stop[4]))
        with open_sink(spec, self.format) as sink:
            for box, block in [
                (whole, pixels[..., 1:]),
                (whole, pixels.astype(np.complex64)),
                (outside, pixels),
                (whole.replace(y=(1, 1)), pixels[:, :, :, :0]),
            ]:
                with pytest.raises(ValueError, match=r"came for a box|leaves the result"):
                    sink.write(box, block)
            sink.write(whole, pixels)

    @pytest.mark.parametrize("once", [False, True], ids=["stays full", "full once"])
    def test_a_full_disk_at_every_call(self, tmp_path, faulty_disk, monkeypatch, once):
        monkeypatch.setattr(spool, "WAITING_BYTES", 100_000)
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        boxes = random_cut(spec.shape, random.Random(3), 2)
        old = self.old(spec)
        with files.using(faulty_disk(10**9)) as counting:
            self.write(spec, pixels, boxes)
        assert self.old(spec) == old
        assert counting.calls > 3
        for nth in some_calls(counting.calls):
            with files.using(faulty_disk(nth, once=once)), pytest.raises(OutputError, match="disk is full"):
                self.write(spec, pixels, boxes)
            assert names(tmp_path) == [self.name], f"call {nth} of {counting.calls}"
            assert content(spec.path) == old, f"call {nth} of {counting.calls}"

    def test_a_folder_of_that_name_is_refused_at_once(self, tmp_path):
        spec = self.spec(tmp_path)
        spec.path.mkdir()
        with pytest.raises(OutputError, match="folder of this name"):
            open_sink(spec, self.format)
        assert names(tmp_path) == [self.name]


class TestHdf5(SinkTests):
    format = "hdf5"
    name = "a.h5"
    cases = (
        ("zyxc", (1, 2, 20, 70, 90), "f4"),
        ("tczyx", (2, 3, 4, 33, 35), "u2"),
        ("yx", (1, 1, 1, 700, 900), "u1"),
        ("cyx", (1, 4, 1, 30, 40), "f8"),
        ("xyz", (1, 1, 9, 30, 40), "i8"),
        ("tyxc", (3, 1, 1, 30, 40), "u8"),
        ("yxc", (1, 2, 1, 30, 40), "f2"),
        ("zyx", (1, 1, 3, 30, 40), "i1"),
    )

    def read(self, path, spec):
        with h5py.File(path) as file:
            return to_internal(file[spec.inner_path][:], spec.axes)


class TestCompressedHdf5(TestHdf5):
    format = "compressed hdf5"


class TestTiff(SinkTests):
    format = "tiff"
    name = "a.tif"
    cases = (
        ("zyxc", (1, 2, 5, 70, 1000), "f4"),
        ("tczyx", (2, 3, 4, 33, 35), "u2"),
        ("yx", (1, 1, 1, 700, 900), "u1"),
        ("yxc", (1, 5, 1, 30, 40), "i2"),
        ("tyxc", (3, 1, 1, 30, 40), "i1"),
        ("zyx", (1, 1, 3, 30, 40), "u4"),
        ("zyx", (1, 1, 3, 1, 40), "i4"),
        ("yxc", (1, 3, 1, 30, 1), "f8"),
    )

    def read(self, path, spec):
        with tifffile.TiffFile(path) as file:
            t, c, z, y, x = spec.shape
            return file.asarray().reshape(t, z, c, y, x).transpose(0, 2, 1, 3, 4)


class TestOmeTiff(TestTiff):
    format = "ome-tiff"
    name = "a.ome.tif"


class TestPng(SinkTests):
    format = "png"
    name = "a.png"
    cases = (
        ("yx", (1, 1, 1, 300, 200), "u1"),
        ("yx", (1, 1, 1, 30, 41), "u2"),
        ("yxc", (1, 3, 1, 30, 41), "u1"),
        ("yxc", (1, 4, 1, 30, 41), "u1"),
    )

    def read(self, path, spec):
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
        return to_internal(pixels.reshape(*spec.shape[3:], spec.shape[1]), "yxc")


class TestBmp(TestPng):
    format = "bmp"
    name = "a.bmp"
    cases = (("yx", (1, 1, 1, 300, 200), "u1"), ("yxc", (1, 3, 1, 30, 41), "u1"))


class TestJpg(TestPng):
    format = "jpg"
    name = "a.jpg"
    cases = TestBmp.cases

    def test_a_whole_block_comes_back(self, tmp_path):
        for spec, _ in self.all_cases(tmp_path):
            smooth = np.fromfunction(
                lambda t, c, z, y, x: 40 * c + 20 * np.sin(y / 9) + x / 2 + 60, spec.shape
            ).astype(spec.dtype)
            self.write(spec, smooth)
            back = self.read(spec.path, spec)
            assert back.shape == spec.shape
            assert np.abs(back.astype(int) - smooth).mean() < 2, "jpg is lossy, but not that lossy"


class TestNpy(SinkTests):
    format = "npy"
    name = "a.npy"
    cases = (("zyxc", (1, 2, 6, 30, 40), "f4"), *TestHdf5.cases[1:])

    def read(self, path, spec):
        return to_internal(np.load(path, allow_pickle=False), spec.axes)


class FolderTests(SinkTests):
    """Formats that are folders of many files."""

    def old(self, spec):
        shutil.rmtree(spec.path, ignore_errors=True)
        spec.path.mkdir()
        (spec.path / "zarr.json").write_bytes(b"old")
        (spec.path / "attributes.json").write_bytes(b"old")
        return content(spec.path)

    def test_a_folder_of_that_name_is_refused_at_once(self, tmp_path):
        spec = self.spec(tmp_path)
        spec.path.mkdir()
        (spec.path / "thesis.docx").write_bytes(b"mine")
        with pytest.raises(OutputError, match="folder of this name is in the way"):
            open_sink(spec, self.format)
        assert names(tmp_path) == [self.name]
        assert content(spec.path) == {"thesis.docx": b"mine"}

    def test_a_file_of_that_name_is_refused_at_once(self, tmp_path):
        spec = self.spec(tmp_path)
        spec.path.write_bytes(b"mine")
        with pytest.raises(OutputError, match="a file of this name"):
            open_sink(spec, self.format)
        assert content(spec.path) == b"mine"

    @pytest.mark.parametrize("can", [True, False], ids=["exchanged", "renamed twice"])
    def test_what_was_there_is_replaced(self, tmp_path, can):
        class Layer(files.FileLayer):
            def exchange(self, one, other):
                if not can:
                    raise OSError(errno.ENOSYS, "no such call")
                super().exchange(one, other)

        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        whole = self.write(spec, pixels)
        self.old(spec)
        with files.using(Layer()):
            assert self.write(spec, pixels) == whole
        assert names(tmp_path) == [self.name]

    def test_what_cannot_be_renamed_leaves_the_old_one(self, tmp_path):
        class Layer(files.FileLayer):
            def exchange(self, one, other):
                raise OSError(errno.ENOSYS, "no such call")

            def replace(self, source, target):
                if Path(target) == spec.path and not refused:
                    refused.append(source)
                    raise OSError(errno.EACCES, "no permission")
                super().replace(source, target)

        spec = self.spec(tmp_path)
        refused: list = []
        old = self.old(spec)
        with files.using(Layer()), pytest.raises(OutputError, match="no permission"):
            self.write(spec, pixels_of(spec.shape, spec.dtype))
        assert refused
        assert content(spec.path) == old
        assert names(tmp_path) == [self.name]

    def test_several_write_one_result(self, tmp_path):
        """Two that share the work, one that is interrupted, and one that completes it."""
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        whole = self.write(spec, pixels)
        shutil.rmtree(spec.path)
        t, _, z, y, x = unit_of(spec, self.format)
        cut = TileGrid(Box.whole(spec.shape), (t, spec.shape[1], z, y, x), Halo(), spec.shape)
        boxes = [tile.valid for tile in cut]
        assert len(boxes) > 1
        with open_part(spec, self.format, "a") as one, open_part(spec, self.format, "a") as two:
            assert (one.joined, two.joined) == (False, True)
            assert sum(b.size for b in one.missing()) == pixels.size
            one.write(boxes[0], pixels[boxes[0].slices])
            assert one.finished(boxes[0])
            assert two.finished(boxes[0])
            assert not two.finished(Box.whole(spec.shape))
            half = boxes[1].replace(y=(boxes[1].start[3], boxes[1].stop[3] - 1))
            two.write(half, pixels[half.slices])
            with pytest.raises(OutputError, match="not complete"):
                two.commit()
        assert not spec.path.exists()
        with pytest.raises(RuntimeError), open_part(spec, self.format, "a") as three:
            assert not three.finished(boxes[1]), "pieces that are not full are dropped"
            for box in boxes[1:]:
                three.write(box, pixels[box.slices])
            raise RuntimeError
        with open_part(spec, self.format, "b") as other:
            assert not other.joined
            assert not other.finished(boxes[0])
        with open_part(spec, self.format, "a") as four:
            assert list(four.missing()) == []
            four.write(boxes[0], pixels[boxes[0].slices])  # it is there already
            four.commit()
        assert content(spec.path) == whole
        assert names(tmp_path) == [self.name], "what was begun of another key goes as well"

    def test_a_part_may_be_thrown_away(self, tmp_path):
        spec = self.spec(tmp_path)
        with open_part(spec, self.format, "a") as sink:
            sink.write(Box.whole(spec.shape), pixels_of(spec.shape, spec.dtype))
            sink.abort()
        assert names(tmp_path) == []

    def test_what_a_killed_writer_left_does_not_stay(self, tmp_path):
        spec = self.spec(tmp_path)
        pixels = pixels_of(spec.shape, spec.dtype)
        with open_part(spec, self.format, "a") as sink:
            sink.write(Box.whole(spec.shape), pixels)
            (place,) = tmp_path.iterdir()
            (place / ".0123456789ab.unfinished").write_bytes(b"half a piece")
            sink.commit()
        assert content(spec.path) == self.write(spec, pixels)


class TestOmeZarr(FolderTests):
    format = "ome-zarr"
    name = "a.ome.zarr"
    cases = (
        ("zyxc", (1, 2, 9, 50, 70), "u2"),
        ("tczyx", (2, 2, 3, 40, 70), "f4"),
        ("yx", (1, 1, 1, 230, 190), "u1"),
        ("xyz", (1, 1, 9, 30, 40), "i8"),
        ("cyx", (1, 4, 1, 30, 40), "f2"),
        ("tyxc", (3, 1, 1, 30, 40), "f8"),
        ("yx", (1, 1, 1, 1, 40), "i2"),
    )

    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch):
        monkeypatch.setattr(zarr_sink, "CHUNK_BYTES", 1 << 15)
        monkeypatch.setattr(zarr_sink, "INNER_BYTES", 1 << 12)
        monkeypatch.setattr(zarr_sink, "SHARD_BYTES", 1 << 15)
        monkeypatch.setattr(stash, "STASHED_BYTES", 1 << 13)

    def spec(self, folder, case=0, **changes):
        return super().spec(folder, case, **{"kind": "labels" if case == 2 else "image", **changes})

    def read(self, path, spec):
        group = zarr.open_group(path, mode="r")
        return to_internal(group["0"][:], "".join(a for a in "tczyx" if a in spec.axes))


class TestOmeZarr5(TestOmeZarr):
    format = "ome-zarr-0.5"


class TestN5(FolderTests):
    format = "n5"
    name = "a.n5"
    cases = (
        ("zyxc", (1, 2, 9, 50, 70), "u2"),
        ("tczyx", (2, 2, 3, 40, 70), "f4"),
        ("xyz", (1, 1, 9, 30, 40), "i8"),
        ("tyxc", (3, 1, 1, 30, 40), "f8"),
    )

    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch):
        monkeypatch.setattr(n5_sink, "BLOCK_BYTES", 1 << 15)

    def read(self, path, spec):
        place = {"driver": "file", "path": f"{path}/{spec.inner_path}/"}
        store = ts.open({"driver": "n5", "kvstore": place}).result()
        return to_internal(store.read().result().T, spec.axes)


class TestCompressedN5(TestN5):
    format = "compressed n5"


@pytest.mark.parametrize("limit", [0, 30_000, 1 << 30], ids=["no memory", "little memory", "enough memory"])
def test_little_memory_for_waiting_tiles_changes_no_byte(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(spool, "WAITING_BYTES", limit)
    shape = (1, 2, 3, 400, 500)
    pixels = pixels_of(shape, "u2")
    spec = OutputSpec(tmp_path / "a.ome.tif", shape, "zyxc", np.dtype("u2"))
    with open_sink(spec, "ome-tiff") as sink:
        for box in random_cut(shape, random.Random(4), 8):
            sink.write(box, pixels[box.slices])
    read = tifffile.imread(spec.path)
    assert np.array_equal(read, pixels[0].transpose(1, 0, 2, 3))


def test_waiting_tiles_stay_below_their_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "WAITING_BYTES", 1 << 20)
    shape = (1, 1, 1, 4096, 2048)
    layout = spool.TileLayout(shape, (1, 1, 1, 256, 256), np.dtype("u1"), padded=True)
    tiles = spool.TileSpool(tmp_path / "a", layout, lambda tile: tile.tobytes())
    most = 0
    row = np.arange(2048, dtype="u1").reshape(1, 1, 1, 1, -1)
    for y in [*range(0, 4096, 2), *range(1, 4096, 2)]:  # every tile is begun before one is complete
        tiles.write((0, 0, 0, y, 0), row)
        waiting = sum(w.pixels.nbytes for w in tiles._waiting.values())
        assert waiting == tiles._waiting_bytes
        most = max(most, waiting)
    assert most <= 1 << 20 < math.prod(shape)
    tiles.check_complete()
    assert all(
        np.array_equal(np.frombuffer(t, "u1").reshape(256, 256)[9], row[0, 0, 0, 0, :256])
        for t in itertools.islice(tiles.encoded(), 3)
    )
    tiles.close()


def test_overlapping_blocks_are_a_defect_that_is_seen(tmp_path):
    spec = OutputSpec(tmp_path / "a.tif", (1, 1, 1, 64, 64), "yx", np.dtype("u1"))
    whole = Box.whole(spec.shape)
    with pytest.raises(ValueError, match="overlap"), open_sink(spec, "tiff") as sink:
        sink.write(whole, np.zeros(spec.shape, "u1"))
        sink.write(whole, np.zeros(spec.shape, "u1"))
    assert names(tmp_path) == []
