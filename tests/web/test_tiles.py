"""Tiles over HTTP from projects made of images of every kind, through the real session."""

from __future__ import annotations

import io
import socket
import struct
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures
from served import Served, serving

from underbrush.core.geometry import to_internal
from underbrush.project.commands import SetMask
from underbrush.project.paths import linked_source
from underbrush.web import planes

RNG = np.random.default_rng(1)


def kinds():
    floats = RNG.normal(0, 10, (70, 80)).astype(np.float32)
    floats[::9] = np.nan
    floats[3, 4] = -np.inf
    return {
        "flat": (RNG.integers(0, 255, (300, 520), np.uint8), "yx"),
        "deep": (RNG.integers(0, 60_000, (9, 70, 61), np.uint16), "zyx"),
        "colours": (RNG.integers(0, 255, (64, 41, 3), np.uint8), "yxc"),
        "wide": (RNG.integers(0, 60_000, (80, 90), np.uint16), "yx"),
        "signed": (RNG.integers(-30_000, 30_000, (40, 50), np.int16), "yx"),
        "floats": (floats, "yx"),
        "movie": (RNG.integers(0, 255, (3, 2, 40, 50), np.uint8), "tcyx"),
    }


kinds_made = kinds()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, (values, axes) in kinds_made.items():
        options = {"photometric": "rgb"} if name == "colours" else {"photometric": "minisblack"}
        path = folder / f"{name}.ome.tif"
        tifffile.imwrite(
            path,
            values,
            metadata={"axes": axes.upper().replace("C", "S") if name == "colours" else axes.upper()},
            **options,
        )
    return folder


@pytest.fixture(scope="module")
def served(images):
    with serving(images) as running:
        yield running


def opened(served: Served, images, name: str):
    """The id of the project of an image, and its lane."""
    answer = served.post("/api/open", json={"paths": [str(images / f"{name}.ome.tif")]})
    assert answer.status_code == 200, answer.text
    project = answer.json()["project"]
    return project, served.get(f"/api/p/{project}/state").json()["lanes"][0]


@pytest.mark.parametrize("name", kinds_made)
def test_a_project_of_an_image_shows_its_pixels(served, images, name):
    values, axes = kinds_made[name]
    whole = to_internal(values, axes)
    project, lane = opened(served, images, name)
    assert lane["shape"] == list(whole.shape)
    assert lane["rgb"] is (name == "colours")
    assert lane["missing"] is None
    channels = ",".join(map(str, range(whole.shape[1])))
    base = f"/api/p/{project}/lanes/{lane['id']}"
    box = {
        "plane": "xy",
        "x": 0,
        "y": 0,
        "w": 256,
        "h": 256,
        "slice": whole.shape[2] // 2,
        "t": whole.shape[0] - 1,
    }
    answer = served.get(f"{base}/tile", params={**box, "c": channels, "v": lane["v"]})
    assert answer.status_code == 200, answer.text
    wanted = whole[-1, :, whole.shape[2] // 2, :256, :256]
    dtype = {"|u1": "uint8", "<u2": "uint16"}.get(values.dtype.str, "float32")
    assert answer.headers["x-dtype"] == dtype
    assert answer.headers["x-shape"] == ",".join(map(str, wanted.shape))
    assert "immutable" in answer.headers["cache-control"]
    got = np.frombuffer(answer.content, np.dtype(dtype).newbyteorder("<")).reshape(wanted.shape)
    np.testing.assert_array_equal(got, wanted.astype(dtype))

    value = served.get(f"{base}/value", params={"y": 3, "x": 4, "z": 0, "t": 0}).json()
    pixel = whole[0, :, 0, 3, 4]
    assert value["values"] == [float(p) if np.isfinite(p) else None for p in pixel]
    assert value["probabilities"] is None
    assert value["label"] == 0
    histogram = served.get(f"{base}/histogram").json()
    frames = min(6, whole.shape[2])  # of a volume a sample of its slices
    assert sum(histogram["counts"]) == int(np.isfinite(whole[:, 0, :frames]).sum())
    assert histogram["auto"][0] < histogram["auto"][1]
    picture = Pictures.open(io.BytesIO(served.get(f"{base}/thumbnail").content))
    assert picture.size[0] <= 128
    assert picture.size[1] <= 96


@pytest.mark.parametrize("plane", ["xz", "zy"])
def test_other_planes_of_a_volume(served, images, plane):
    values, _ = kinds_made["deep"]
    project, lane = opened(served, images, "deep")
    box = {"plane": plane, "x": 0, "y": 0, "w": 99, "h": 99, "slice": 7, "level": 0, "v": lane["v"]}
    answer = served.get(f"/api/p/{project}/lanes/{lane['id']}/tile", params=box)
    wanted = values[:, 7, :] if plane == "xz" else values[:, :, 7].T
    assert answer.headers["x-shape"] == "1,{},{}".format(*wanted.shape)
    np.testing.assert_array_equal(np.frombuffer(answer.content, "<u2").reshape(wanted.shape), wanted)


@pytest.mark.parametrize("level", [0, 1])
def test_what_lies_outside_of_a_mask_is_told_of_the_pixels_that_are_shown(served, images, level):
    # One mask for all times of a movie, inside where one of its two channels is above 0.
    values = RNG.integers(0, 2, (2, 40, 50), np.uint8) * (np.arange(50) > 20)
    np.save(images / "mask.npy", values)
    project, lane = opened(served, images, "movie")
    session = served.hub.get(project)
    before = served.get(f"/api/p/{project}/lanes/{lane['id']}/mask?x=0&y=0&w=50&h=40")
    assert before.status_code == 409
    mask = linked_source(str(images / "mask.npy"), "cyx", values.shape)
    session.apply("test", session.last_number("test") + 1, SetMask(lane["id"], mask))
    said = served.get(f"/api/p/{project}/state").json()["lanes"][0]["mask"]
    box = {"x": 0, "y": 0, "w": 99, "h": 99, "t": 2, "level": level, "v": said["v"]}
    answer = served.get(f"/api/p/{project}/lanes/{lane['id']}/mask", params=box)
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    shape = tuple(map(int, answer.headers["x-shape"].split(",")))[1:]
    wanted = ~(values > 0).any(axis=0)[level :: level + 1, level :: level + 1]
    np.testing.assert_array_equal(np.frombuffer(answer.content, np.uint8).reshape(shape), wanted)
    session.apply("test", session.last_number("test") + 1, SetMask(lane["id"], None))
    assert served.get(f"/api/p/{project}/state").json()["lanes"][0]["mask"] is None
    assert served.get(f"/api/p/{project}/lanes/{lane['id']}/mask", params=box).status_code == 409


def test_an_image_of_channels_and_a_volume_have_the_features_that_fit(served, images):
    project, _ = opened(served, images, "deep")
    state = served.get(f"/api/p/{project}/state").json()
    assert state["features"]["scales"] == [0.3, 1.0, 1.6]  # nine slices are too few for 3.5
    assert [c["name"] for c in state["classes"]] == ["Background", "Foreground"]
    assert [c["colour"] for c in state["classes"]] == [[0, 130, 200], [255, 225, 25]]


BAD = [
    ({"plane": "yz"}, 400), ({"x": -1}, 400), ({"x": "a"}, 400), ({"w": 0}, 400), ({"x": 10**6}, 400),
    ({"level": 30}, 400), ({"slice": 1}, 400), ({"t": 1}, 400), ({"c": "7"}, 400), ({"c": "-1"}, 400),
    ({"c": ""}, 400), ({"c": ",".join(["0"] * 17)}, 400), ({"v": "another"}, 409), ({"y": "1e3"}, 400),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "status"), BAD, ids=lambda b: str(b)[:40])
def test_a_wrong_request_gets_a_sentence(served, images, wrong, status):
    project, lane = opened(served, images, "flat")
    box = {"plane": "xy", "x": 0, "y": 0, "w": 8, "h": 8, **wrong}
    answer = served.get(f"/api/p/{project}/lanes/{lane['id']}/tile", params=box)
    assert answer.status_code == status
    assert answer.json()["sentence"].endswith(".")


def test_lanes_and_projects_that_are_not_there_get_a_sentence(served, images):
    project, _ = opened(served, images, "flat")
    box = {"plane": "xy", "x": 0, "y": 0, "w": 8, "h": 8}
    for path, status in ((f"/api/p/{project}/lanes/a99/tile", 409), ("/api/p/nowhere/lanes/a1/tile", 404)):
        answer = served.get(path, params=box)
        assert answer.status_code == status
        assert answer.json()["sentence"].endswith(".")


def test_images_of_different_kinds_are_not_put_into_one_project(served, images):
    paths = [str(images / "flat.ome.tif"), str(images / "colours.ome.tif")]
    before = sorted((images / "Underbrush").glob("*"))
    answer = served.post("/api/open", json={"paths": paths})
    assert answer.status_code == 422
    assert "channels" in answer.json()["sentence"]
    assert sorted((images / "Underbrush").glob("*")) == before


def test_an_image_that_cannot_be_read_makes_no_project(served, images):
    (images / "bad.tif").write_bytes(b"II*\0 nothing else")
    before = sorted((images / "Underbrush").glob("*"))
    assert served.post("/api/open", json={"paths": [str(images / "bad.tif")]}).status_code == 422
    assert sorted((images / "Underbrush").glob("*")) == before


def test_a_missing_image_is_told_and_the_rest_works(served, images):
    (images / "going.tif").write_bytes((images / "flat.ome.tif").read_bytes())
    project = served.post("/api/open", json={"paths": [str(images / "going.tif")]}).json()["project"]
    session = served.hub.get(project)
    path = session.path
    served.hub.close(project)
    (images / "going.tif").unlink()
    again = served.post("/api/open", json={"paths": [str(path)]}).json()["project"]
    assert again == project
    lane = served.get(f"/api/p/{project}/state").json()["lanes"][0]
    assert "going" in lane["missing"]
    assert lane["shape"] == [1, 1, 1, 300, 520]
    answer = served.get(f"/api/p/{project}/lanes/a1/thumbnail")
    assert answer.status_code in {404, 422}
    assert answer.json()["sentence"]


def test_a_request_whose_asker_has_left_is_given_up(served, images, monkeypatch):
    """The browser scrolls on: what it asked for before must not be read to its end."""
    project, lane = opened(served, images, "flat")
    begun, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(planes, "_thinned", None)  # never reached

    def waiting(image, level, wanted, channels, cancelled):
        begun.set()
        while not cancelled():
            ended.wait(0.01)
        ended.set()
        raise planes.CancelledError

    monkeypatch.setattr(planes, "_strided", waiting)
    head = (
        f"GET /api/p/{project}/lanes/{lane['id']}/tile?plane=xy&x=1&y=1&w=9&h=9 HTTP/1.1\r\n"
        f"Host: {served.host}\r\nCookie: {served.cookie['cookie']}\r\n\r\n"
    )
    raw = socket.create_connection(("127.0.0.1", served.port), timeout=120)
    raw.sendall(head.encode())
    assert begun.wait(30)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    assert ended.wait(30)


def test_tiles_that_were_read_are_kept(served, images, monkeypatch):
    project, lane = opened(served, images, "wide")
    box = {"plane": "xy", "x": 3, "y": 5, "w": 20, "h": 20, "v": lane["v"]}
    first = served.get(f"/api/p/{project}/lanes/{lane['id']}/tile", params=box)
    monkeypatch.setattr(planes, "_strided", None)
    assert served.get(f"/api/p/{project}/lanes/{lane['id']}/tile", params=box).content == first.content
