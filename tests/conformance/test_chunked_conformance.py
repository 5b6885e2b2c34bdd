"""Every source of chunked data gives the same pixels, sizes and names, whatever box is asked for."""

from __future__ import annotations

import tensorstore
import zarr
import zarr.codecs
import zarr.storage

from conformance.test_source_conformance import Case, SourceChecks, pixels
from sources.test_n5lz4 import write_lz4


def ome_axes(axes):
    kinds = {"t": "time", "c": "channel"}
    return [{"name": a, "type": kinds.get(a, "space")} for a in axes]


def ome_zarr(root, arrays, axes, version, **options):
    """A pyramid written by zarr-python, which shares no code with the reader."""
    group = zarr.group(root, zarr_format=2 if version == "0.4" else 3)
    for i, array in enumerate(arrays):
        made = group.create_array(f"s{i}", shape=array.shape, dtype=array.dtype, **options)
        made[...] = array
    entry = {
        "axes": ome_axes(axes),
        "datasets": [
            {
                "path": f"s{i}",
                "coordinateTransformations": [{"type": "scale", "scale": [float(2**i)] * len(axes)}],
            }
            for i in range(len(arrays))
        ],
    }
    if version == "0.4":
        group.attrs["multiscales"] = [{**entry, "version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [entry]}


def halves(array, count=2):
    """The array and every second pixel of it, ``count`` arrays in all."""
    return [array[..., :: 2**i, :: 2**i] for i in range(count)]


class TestOmeZarrFour(SourceChecks):
    """Odd chunks that do not divide the image, big-endian, Fortran order in the chunks."""

    def write(self, folder):
        arrays = halves(pixels((2, 3, 5, 50, 61)), 3)
        ome_zarr(
            folder / "a.zarr", [a.astype(">u2") for a in arrays], "tczyx", "0.4",
            chunks=(1, 2, 3, 16, 17), order="F", chunk_key_encoding={"name": "v2", "separator": "/"},
        )  # fmt: skip
        return Case(str(folder / "a.zarr"), arrays[0], "tczyx", tuple(arrays[1:]))


class TestOmeZarrFive(SourceChecks):
    def write(self, folder):
        arrays = halves(pixels((5, 50, 61), "float32"))
        ome_zarr(folder / "a.zarr", arrays, "zyx", "0.5", chunks=(3, 16, 17))
        return Case(str(folder / "a.zarr"), arrays[0], "zyx", tuple(arrays[1:]))


class TestOmeZarrShards(SourceChecks):
    def write(self, folder):
        arrays = halves(pixels((3, 90, 101)), 2)
        ome_zarr(
            folder / "a.ome.zarr", arrays, "cyx", "0.5",
            shards=(1, 64, 64), chunks=(1, 16, 16), compressors=zarr.codecs.BloscCodec(cname="zstd"),
        )  # fmt: skip
        return Case(str(folder / "a.ome.zarr"), arrays[0], "cyx", tuple(arrays[1:]))


class TestOmeZarrZipped(SourceChecks):
    def write(self, folder):
        arrays = halves(pixels((4, 50, 61), "uint8"))
        with zarr.storage.ZipStore(folder / "a.ome.zarr.zip", mode="w") as store:
            group = zarr.group(store, zarr_format=3, attributes={"ome": self.attributes()})
            for i, array in enumerate(arrays):
                group.create_array(f"s{i}", data=array, chunks=(2, 16, 16))
        return Case(str(folder / "a.ome.zarr.zip"), arrays[0], "zyx", tuple(arrays[1:]))

    @staticmethod
    def attributes():
        datasets = [{"path": f"s{i}"} for i in range(2)]
        return {"version": "0.5", "multiscales": [{"axes": ome_axes("zyx"), "datasets": datasets}]}


class TestOmeZarrHoles(SourceChecks):
    """Chunks that were never written are the fill value, also where a box has only some of them."""

    def write(self, folder):
        array = pixels((5, 50, 61))
        array[1:3, :32] = array[4, 10:, 30:] = 9
        group = zarr.group(folder / "a.zarr", zarr_format=2)
        made = group.create_array("0", shape=array.shape, dtype="uint16", chunks=(1, 16, 16), fill_value=9)
        made[...] = array
        group.attrs["multiscales"] = [{"axes": ome_axes("zyx"), "datasets": [{"path": "0"}]}]
        return Case(str(folder / "a.zarr"), array, "zyx")


class TestZarrPlain(SourceChecks):
    """Version 2 without a word about it, of booleans."""

    def write(self, folder):
        array = pixels((50, 61), "bool")
        zarr.create_array(folder / "a.zarr", data=array, chunks=(16, 16), zarr_format=2)
        return Case(str(folder / "a.zarr"), array, "yx")


class TestZarrNamedAxes(SourceChecks):
    def write(self, folder):
        array = pixels((6, 5, 50, 2), "int16")
        names = ("x", "time", "y", "channel")
        zarr.create_array(folder / "a", data=array, chunks=(4, 2, 16, 2), dimension_names=names)
        return Case(str(folder / "a"), array, "xtyc")


class TestN5(SourceChecks):
    def write(self, folder):
        array = pixels((5, 50, 61))
        written(
            "n5", folder / "a.n5" / "raw" / "ch0", array.T,
            {"blockSize": [17, 16, 3], "compression": {"type": "gzip"}, "axes": ["x", "y", "z"]},
        )  # fmt: skip
        return Case(str(folder / "a.n5" / "raw" / "ch0"), array, "zyx")


class TestN5Pyramid(SourceChecks):
    def write(self, folder):
        arrays = halves(pixels((2, 50, 61), "int32"), 3)
        for i, array in enumerate(arrays):
            options = {"blockSize": [17, 16, 1], "compression": {"type": "zstd"}, "axes": ["x", "y", "z"]}
            written("n5", folder / "a.n5" / "em" / f"s{i}", array.T, options)
        return Case(str(folder / "a.n5"), arrays[0], "zyx", tuple(arrays[1:]))


class TestPrecomputed(SourceChecks):
    """With an offset of its own, which is no part of the image, and two channels."""

    def write(self, folder):
        arrays = [pixels((2, 5, 50, 61)), pixels((2, 5, 25, 31), seed=8)]
        for i, array in enumerate(arrays):
            spec = {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{folder}/a.precomputed/"},
                "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 2},
                "scale_metadata": {
                    "size": list(array.shape[:0:-1]), "encoding": "raw", "chunk_size": [16, 17, 3],
                    "resolution": [4 * 2**i, 4 * 2**i, 40], "voxel_offset": [100, 7, 3],
                },
            }  # fmt: skip
            store = tensorstore.open(spec, create=True, open=True).result()
            store.write(array.T).result()
        return Case(str(folder / "a.precomputed"), arrays[0], "czyx", (arrays[1],))


class TestPrecomputedSegmentation(SourceChecks):
    """Sharded and packed as segmentations are."""

    def write(self, folder):
        array = pixels((5, 50, 61), "uint64") // 7
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/seg/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
            "scale_metadata": {
                "size": [61, 50, 5], "encoding": "compressed_segmentation", "chunk_size": [16, 16, 3],
                "compressed_segmentation_block_size": [8, 8, 8], "resolution": [1, 1, 1],
                "sharding": {
                    "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 1, "minishard_bits": 2,
                    "shard_bits": 1, "hash": "identity", "data_encoding": "gzip",
                    "minishard_index_encoding": "gzip",
                },
            },
        }  # fmt: skip
        store = tensorstore.open(spec, create=True, open=True).result()
        with tensorstore.Transaction() as transaction:
            store.with_transaction(transaction).write(array.T[..., None]).result()
        return Case(str(folder / "seg"), array[None], "czyx")


def written(driver, path, array, metadata):
    """An array by tensorstore, its axes as they are stored."""
    spec = {
        "driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"},
        "metadata": {"dimensions": list(array.shape), "dataType": str(array.dtype), **metadata},
    }  # fmt: skip
    tensorstore.open(spec, create=True).result().write(array).result()


class TestN5Lz4(SourceChecks):
    """Frames of Java, which tensorstore does not unpack."""

    def write(self, folder):
        array = pixels((7, 40, 37))
        write_lz4(folder / "a.n5", array, (3, 16, 20))
        return Case(str(folder / "a.n5"), array, "zyx")
