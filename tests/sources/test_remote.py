"""Images on a server that is slow, fails now and then, lacks chunks, refuses, breaks off, or is gone."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorstore
import zarr

from sources.image_server import ImageServer
from underbrush.core.geometry import Box, to_internal
from underbrush.errors import ImageError
from underbrush.sources import open_image, remote

AXES = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
SOON = 20.0
"""Seconds within which an error has to come on a machine that is busy; without limits it takes minutes."""


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def array():
    rng = np.random.default_rng(2)
    return rng.integers(0, 60000, (6, 70, 90)).astype("uint16")


@pytest.fixture
def server(tmp_path, array):
    """Pyramids of version 2 and 3, the latter with shards, a plain array and a precomputed volume."""
    folder = tmp_path / "served images"
    for version in (2, 3):
        group = zarr.group(folder / f"v{version}.zarr", zarr_format=version)
        extra = {"shards": (6, 64, 64)} if version == 3 else {}
        for i in range(2):
            level = array[:, :: 2**i, :: 2**i]
            group.create_array(f"s{i}", data=level, chunks=(2, 32, 32), **extra)
        scales = [
            {"axes": AXES, "datasets": [
                {"path": f"s{i}", "coordinateTransformations": [{"type": "scale", "scale": [1, 2**i, 2**i]}]}
                for i in range(2)
            ]}
        ]  # fmt: skip
        if version == 2:
            group.attrs["multiscales"] = scales
        else:
            group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/em/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 1},
        "scale_metadata": {
            "size": [90, 70, 6], "encoding": "raw", "chunk_size": [32, 32, 6], "resolution": [4, 4, 40],
        },
    }  # fmt: skip
    tensorstore.open(spec, create=True).result().write(array.T[..., None]).result()
    with ImageServer(folder) as running:
        yield running


@pytest.mark.parametrize("name", ["v2.zarr", "v3.zarr", "v3.zarr/", "v2.zarr/s0"])
def test_reads_as_the_local_one(server, array, name):
    with open_image(f"{server.url}/{name}") as image:
        assert (image.axes, image.levels) == ("zyx", ((6, 70, 90), (6, 35, 45)))
        assert dict(image.pixel_size) == {"z": (1, "µm"), "y": (1, "µm"), "x": (1, "µm")}
        np.testing.assert_array_equal(image.read(), to_internal(array, "zyx"))
        np.testing.assert_array_equal(image.read(level=1), to_internal(array[:, ::2, ::2], "zyx"))
        assert image.notices == ()


def test_a_level_of_an_address(server, array):
    with open_image(f"{server.url}/v2.zarr#level=1") as image:
        np.testing.assert_array_equal(image.read(), to_internal(array[:, ::2, ::2], "zyx"))


@pytest.mark.parametrize("prefix", ["", "precomputed://"])
def test_precomputed(server, array, prefix):
    with open_image(f"{prefix}{server.url}/em") as image:
        assert (image.axes, image.shape) == ("czyx", (1, 6, 70, 90))
        assert dict(image.pixel_size) == {"z": (40, "nm"), "y": (4, "nm"), "x": (4, "nm")}
        np.testing.assert_array_equal(image.read(), to_internal(array, "zyx"))


def test_the_query_of_an_address_goes_with_every_request(server, array):
    with open_image(f"{server.url}/v2.zarr?token=abc") as image:
        np.testing.assert_array_equal(image.read(), to_internal(array, "zyx"))
    assert set(server.queries) == {"token=abc"}


def test_slow_and_failing_now_and_then(server, array):
    """Each file fails twice with another status before it works."""
    server.latency = 0.01
    server.failures = {".zattrs": [503, 500], "/s0/0.0.0": [429, 502], "/s0/1.1.1": [504, 503]}
    boxes = [Box((0, 0, z, y, 0), (1, 1, z + 2, min(70, y + 30), 90)) for z in (0, 2, 4) for y in (0, 30, 60)]
    whole = to_internal(array, "zyx")
    with open_image(f"{server.url}/v2.zarr") as image, ThreadPoolExecutor(4) as pool:
        for box, got in zip(boxes, pool.map(image.read, boxes), strict=True):
            np.testing.assert_array_equal(got, whole[box.slices])
    assert server.asked["0.0.0"] >= 3
    assert not any(server.failures.values())


def test_a_chunk_is_fetched_once_for_neighbouring_boxes(server):
    with open_image(f"{server.url}/v2.zarr") as image:
        for x in range(0, 30, 3):
            image.read(Box((0, 0, 0, 0, x), (1, 1, 2, 32, x + 2)))
    assert server.asked["0.0.0"] == 1


def test_missing_chunks_are_said_once(server, array):
    gone = {(0, 0, 0), (2, 1, 2)}
    for cell in gone:
        (server.folder / "v2.zarr" / "s0" / ".".join(map(str, cell))).unlink()
    whole = array.copy()
    whole[:2, :32, :32] = whole[4:, 32:64, 64:] = 0
    with open_image(f"{server.url}/v2.zarr") as image:
        assert (image.info.problems, image.notices) == ((), ())
        np.testing.assert_array_equal(image.read(), to_internal(whole, "zyx"))
        image.read(Box((0, 0, 0, 0, 0), (1, 1, 1, 8, 8)))
        (said,) = image.notices
        assert said.startswith("2 chunks that were read are not there")
        (again,) = image.with_axes("tyx").notices
        assert again == said


def test_a_missing_shard(server, array):
    (server.folder / "v3.zarr" / "s0" / "c" / "0" / "1" / "0").unlink()
    whole = array.copy()
    whole[:, 64:, :64] = 0
    with open_image(f"{server.url}/v3.zarr") as image:
        np.testing.assert_array_equal(image.read(), to_internal(whole, "zyx"))
        assert "6 chunks that were read are not there" in image.notices[0]


def test_a_server_that_fails_for_good(server):
    server.always = {"/s0/1.0.0": 500}
    started = time.monotonic()
    with open_image(f"{server.url}/v2.zarr") as image:
        image.read(Box((0, 0, 0, 0, 0), (1, 1, 2, 70, 90)))
        with pytest.raises(
            ImageError, match=r"the server cannot be read \(.*s0/1.0.0.*Internal Server Error\); check"
        ):
            image.read()
    assert time.monotonic() - started < SOON


def test_a_server_that_refuses(server):
    server.always = {"": 403}
    with pytest.raises(ImageError, match="the server refuses to give it: it needs other rights"):
        open_image(f"{server.url}/v2.zarr")


def test_a_server_that_refuses_what_is_not_there(server, array):
    """As S3 does where the list of a bucket is not public."""
    server.missing = 403
    with open_image(f"{server.url}/v2.zarr") as image:
        np.testing.assert_array_equal(image.read(), to_internal(array, "zyx"))


def test_a_file_that_is_cut_off(server):
    server.cut = {"/s0/1.0.0"}
    with (
        open_image(f"{server.url}/v2.zarr") as image,
        pytest.raises(ImageError, match="its data are damaged"),
    ):
        image.read()


def test_a_server_that_goes_away(server, array):
    with open_image(f"{server.url}/v2.zarr") as image:
        image.read(Box((0, 0, 0, 0, 0), (1, 1, 2, 32, 32)))
        server.stop()
        started = time.monotonic()
        with pytest.raises(ImageError, match="the server cannot be read"):
            image.read()
        assert time.monotonic() - started < SOON
        # What was read before is still there.
        np.testing.assert_array_equal(
            image.read(Box((0, 0, 0, 0, 0), (1, 1, 2, 32, 32)))[0, 0], array[:2, :32, :32]
        )


def test_nobody_answers_at_an_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ImageError, match="the server cannot be read"):
        open_image(f"http://127.0.0.1:{port}/a.zarr")
    assert time.monotonic() - started < SOON


def test_a_server_that_takes_the_call_and_stays_silent(monkeypatch):
    monkeypatch.setattr(remote, "METADATA_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ImageError, match="the server does not answer in time"):
            open_image(f"http://127.0.0.1:{silent.getsockname()[1]}/a.zarr")


def test_a_chunk_that_never_comes(server, monkeypatch):
    monkeypatch.setattr(remote, "READ_SECONDS", 0.5)
    with open_image(f"{server.url}/v2.zarr") as image:
        release = threading.Event()
        usual = server.status_of
        monkeypatch.setattr(server, "status_of", lambda path: 500 if release.wait(30) else usual(path))
        with pytest.raises(ImageError, match="the server does not answer in time"):
            image.read()
        release.set()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nothing.zarr", "there is no Zarr, N5 or precomputed image at this address"),
        ("v2.zarr/s7", "there is no Zarr, N5 or precomputed image at this address"),
        ("plain", "the server does not tell what is in it; name the image in it"),
        ("bad", "its file zarr.json is damaged"),
    ],
)
def test_what_is_not_there_is_said(server, path, says):
    zarr.group(server.folder / "plain", zarr_format=2)
    (server.folder / "bad").mkdir()
    (server.folder / "bad" / "zarr.json").write_text("<html>sorry</html>")
    with pytest.raises(ImageError, match=says):
        open_image(f"{server.url}/{path}")


def test_a_bucket(server, array, monkeypatch):
    """A server that speaks as S3 does, without credentials."""
    (server.folder / "bucket").mkdir()
    shutil.move(server.folder / "v3.zarr", server.folder / "bucket" / "v3.zarr")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    with open_image("s3://bucket/v3.zarr") as image:
        np.testing.assert_array_equal(image.read(), to_internal(array, "zyx"))
    with pytest.raises(ImageError, match="there is no Zarr, N5 or precomputed image"):
        open_image("s3://bucket/other.zarr")
    server.stop()
    with pytest.raises(ImageError, match="the server cannot be read"):
        open_image("s3://bucket/v3.zarr")


def test_a_bucket_that_asks_for_credentials(server, array, monkeypatch):
    (server.folder / "bucket").mkdir()
    shutil.move(server.folder / "v3.zarr", server.folder / "bucket" / "v3.zarr")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.signed_only = True
    with pytest.raises(ImageError, match="the server refuses to give it: it needs other rights"):
        open_image("s3://bucket/v3.zarr")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with open_image("s3://bucket/v3.zarr") as image:
        np.testing.assert_array_equal(image.read(), to_internal(array, "zyx"))
