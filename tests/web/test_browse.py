"""What the browser may see of the disk, and what not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from served import serving

from underbrush.web.browse import AccessError, Roots, Wanted, kind_of_name


@pytest.fixture
def tree(tmp_path):
    """root/ with images, a project, hidden things and links; outside/ with a secret."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "cells", root / ".hidden", outside / "deep"):
        folder.mkdir(parents=True)
    for name in ("img10.tif", "img2.tif", "Beta.PNG", "alpha.ome.tiff", "p.ilp", "notes.txt", ".secret.tif"):
        (root / name).write_bytes(b"x" * 7)
    (root / ".hidden" / "a.tif").write_bytes(b"x")
    (root / "cells" / "in.tif").write_bytes(b"inside")
    (outside / "secret.tif").write_bytes(b"secret")
    (root / "near.tif").symlink_to(root / "cells" / "in.tif")
    (root / "far.tif").symlink_to(outside / "secret.tif")
    (root / "far").symlink_to(outside)
    (root / "hiding").symlink_to(root / ".hidden")
    (root / "ring").symlink_to(root / "ring")
    (root / "gone.tif").symlink_to(root / "nothing.tif")
    return root


@pytest.fixture
def served(tree):
    with serving(tree) as running:
        yield running


def names(listing) -> list[str]:
    return [entry.name for entry in listing.entries]


def test_folders_come_first_and_numbers_count(tree):
    listing = Roots([tree]).listing("")
    assert names(listing) == [
        "cells", "alpha.ome.tiff", "Beta.PNG", "img2.tif", "img10.tif", "near.tif", "p.ilp",
    ]  # fmt: skip
    kinds = {entry.name: entry.kind for entry in listing.entries}
    assert kinds["p.ilp"] == "project"
    assert kinds["img2.tif"] == "image"
    assert kinds["cells"] == "folder"
    assert listing.parent is None
    assert next(e for e in listing.entries if e.name == "img2.tif").size == 7


def test_links_that_lead_out_and_hidden_things_are_not_listed(tree):
    listed = names(Roots([tree]).listing(str(tree)))
    assert not {"far", "far.tif", "hiding", "ring", "gone.tif", ".hidden", ".secret.tif"} & set(listed)


BAD = (
    "{root}/../outside/secret.tif",
    "{root}/cells/../../outside",
    "{root}/far",
    "{root}/far/secret.tif",
    "{root}/far.tif",
    "{root}/.hidden",
    "{root}/.hidden/a.tif",
    "{root}/hiding/a.tif",
    "{root}/.secret.tif",
    "{root}/ring",
    "{root}/gone.tif",
    "{root}/nothing",
    "{root}x",
    "/",
    "/etc/passwd",
    "cells",
    "../outside",
    "file:///etc/passwd",
    "{root}/cells\0",
    "~nobody-of-this-name",
    "{root}/" + "a" * 5000,
)


@pytest.mark.parametrize("path", BAD)
def test_what_lies_outside_cannot_be_named(tree, path):
    with pytest.raises(AccessError):
        Roots([tree]).resolve(path.format(root=tree))


def test_an_answer_does_not_tell_whether_something_outside_is_there(tree):
    said = []
    for path in (tree.parent / "outside" / "secret.tif", tree.parent / "outside" / "no-such.tif"):
        with pytest.raises(AccessError) as error:
            Roots([tree]).resolve(str(path))
        said.append(str(error.value).replace(str(path), ""))
    assert said[0] == said[1]


@pytest.mark.parametrize("path", BAD)
def test_the_server_refuses_them_too(served, tree, path):
    named = path.format(root=tree)
    if "\0" not in named:
        assert served.get("/api/browse", params={"path": named}).status_code == 403
    answer = served.post("/api/open", json={"paths": [named]})
    assert answer.status_code == 403
    assert "secret" not in answer.text.replace(named, "")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("{root}/cels.tif", "'cels.tif'"),
        ("{root}/none/a.tif", "'none'"),
        ("{root}/cells/no.h5/raw", "'no.h5'"),
    ],
)
def test_a_name_that_was_mistyped_below_a_root_is_not_there(tree, path, said):
    with pytest.raises(AccessError, match=f"there is no {said} in this folder") as error:
        Roots([tree]).resolve(path.format(root=tree))
    assert "--root" not in error.value.sentence


@pytest.mark.parametrize(
    "path", ["{root}/.no", "{root}/.hidden/no", "{root}/far/no", "{root}/ring", "{root}/../no"]
)
def test_what_is_hidden_or_outside_is_never_said_to_be_missing(tree, path):
    with pytest.raises(AccessError, match="not among the folders"):
        Roots([tree]).resolve(path.format(root=tree))


def test_a_root_may_lie_below_a_hidden_folder_and_a_root_that_is_gone_shows_nothing(tree):
    assert names(Roots([tree / ".hidden", tree / "gone"]).listing("")) == ["a.tif"]
    with pytest.raises(AccessError):
        Roots([tree / "gone"]).listing("")


def test_a_folder_that_is_a_file_or_cannot_be_read_is_a_sentence(tree):
    with pytest.raises(AccessError, match="this is a file"):
        Roots([tree]).listing(str(tree / "img2.tif"))
    closed = tree / "closed"
    closed.mkdir(mode=0o000)
    if os.geteuid() != 0:
        with pytest.raises(AccessError, match="cannot be read"):
            Roots([tree]).listing(str(closed))


def test_the_server_lists_with_dates_and_roots(served, tree):
    said = served.get("/api/browse").json()
    assert said["roots"] == [str(tree)]
    assert said["others"] >= 1
    image = next(e for e in said["entries"] if e["name"] == "img2.tif")
    assert image["size"] == 7
    assert image["modified"].endswith("Z")
    below = served.get("/api/browse", params={"path": str(tree / "cells")}).json()
    assert below["parent"] == str(tree)


def test_a_dropped_file_is_found_by_name_size_and_date(tree):
    roots = Roots([tree])
    path = tree / "cells" / "in.tif"
    when = path.stat().st_mtime
    wanted = [
        Wanted("in.tif", 6, when),
        Wanted("in.tif", 7, when),
        Wanted("in.tif", 6, when - 60),
        Wanted("secret.tif", 6, (tree.parent / "outside" / "secret.tif").stat().st_mtime),
        Wanted(".secret.tif", 7, (tree / ".secret.tif").stat().st_mtime),
    ]
    assert roots.locate(wanted) == [path, None, None, None, None]


def test_a_dropped_file_is_found_over_http(served, tree):
    path = tree / "cells" / "in.tif"
    file = {"name": "in.tif", "size": 6, "modified": path.stat().st_mtime * 1000}
    assert served.post("/api/locate", json={"files": [file]}).json() == {"paths": [str(path)]}
    for bad in ({}, {"files": 1}, {"files": [{"name": "a"}]}, [], {"files": [dict(file, size="x")]}):
        assert served.post("/api/locate", json=bad).status_code == 400


def test_the_search_for_a_dropped_file_ends(tmp_path):
    for k in range(200):
        (tmp_path / f"d{k}" / "e").mkdir(parents=True)
    begun = time.monotonic()
    assert Roots([tmp_path]).locate([Wanted("a.tif", 1, 0.0)], seconds=0.0) == [None]
    assert time.monotonic() - begun < 60  # it ends at all


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tif", "image"), ("a.OME.TIFF", "image"), ("a.h5", "image"), ("a.ilp", "project"), ("a", None),
        ("a.ilp.journal", None), ("a.exe", None), ("tif", None), (".tif", "image"), ("a.npy", "image"),
    ],
)  # fmt: skip
def test_names_say_what_can_be_opened(name, kind):
    assert kind_of_name(name) == kind


# -- uploads ------------------------------------------------------------------------------------------


def test_what_was_uploaded_can_be_opened_although_its_folder_is_no_root(tree, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    pixels = np.zeros((40, 50), np.uint8)
    np.save(tree / "a.npy", pixels)
    with serving(home, roots=[tree / "cells"]) as served:
        answer = served.post("/api/upload", params={"name": "a.npy"}, content=(tree / "a.npy").read_bytes())
        path = answer.json()["path"]
        assert path == str(home / "Underbrush" / "a.npy")
        assert served.post("/api/open", json={"paths": [path]}).status_code == 200


def test_an_upload_arrives_whole_and_never_replaces(served, tree):
    data = os.urandom(9_000_000)
    for name in ("new.tif", "new 2.tif"):
        answer = served.post("/api/upload", params={"name": "new.tif"}, content=data)
        assert answer.status_code == 200, answer.text
        path = Path(answer.json()["path"])
        assert path == tree / "Underbrush" / name
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../evil.tif", "evil.tif"),
        ("..\\evil.tif", "evil.tif"),
        ("/etc/evil.tif", "evil.tif"),
        ("a:b.tif", "a_b.tif"),
    ],
)
def test_an_upload_cannot_leave_its_folder(served, tree, name, shown):
    answer = served.post("/api/upload", params={"name": name}, content=b"x")
    assert Path(answer.json()["path"]) == tree / "Underbrush" / shown
    assert not (tree.parent / "evil.tif").exists()


@pytest.mark.parametrize("name", ["a.exe", "a.html", ".bashrc", "..", "", "a.ilp.journal", ".tif"])
def test_only_images_and_projects_are_taken(served, tree, name):
    assert served.post("/api/upload", params={"name": name}, content=b"x").status_code == 400
    assert not (tree / "Underbrush").exists()


def test_an_oversized_upload_is_refused_before_a_byte_is_read(served, tree):
    import socket

    head = (
        f"POST /api/upload?name=a.tif HTTP/1.1\r\nHost: {served.host}\r\n"
        f"Cookie: {served.cookie['cookie']}\r\nContent-Length: {1 << 45}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=120) as raw:
        raw.sendall(head.encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert not (tree / "Underbrush").exists()


def test_an_upload_without_a_size_is_refused(served, tree):
    answer = served.post("/api/upload", params={"name": "a.tif"}, content=iter([b"x", b"y"]))
    assert answer.status_code == 400
    assert "says its size" in answer.json()["sentence"]


def test_an_upload_that_does_not_fit_the_disk_is_refused(served, tree, monkeypatch):
    from underbrush.web import uploads

    monkeypatch.setattr(uploads, "SPARE_BYTES", 1 << 60)
    answer = served.post("/api/upload", params={"name": "a.tif"}, content=b"x")
    assert answer.status_code == 507
    assert "do not fit" in answer.json()["sentence"]


def test_of_an_upload_that_breaks_off_nothing_stays(served, tree):
    import socket

    head = (
        f"POST /api/upload?name=a.tif HTTP/1.1\r\nHost: {served.host}\r\n"
        f"Cookie: {served.cookie['cookie']}\r\nContent-Length: 10000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=120) as raw:
        raw.sendall(head.encode() + b"x" * 6_000_000)
        time.sleep(0.3)
    folder = tree / "Underbrush"
    for _ in range(1200):
        if folder.exists() and not list(folder.iterdir()):
            break
        time.sleep(0.05)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_a_sentence_and_nothing_stays(served, tree, faulty_disk):
    from underbrush.files import using

    with using(faulty_disk(2, ("write",))):
        answer = served.post("/api/upload", params={"name": "a.tif"}, content=b"x" * 20_000_000)
    assert answer.status_code == 507
    assert "the disk is full" in answer.json()["sentence"]
    assert list((tree / "Underbrush").iterdir()) == []
