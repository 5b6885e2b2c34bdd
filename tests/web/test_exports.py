"""The addresses of steps 4 and 5, through the real gate."""

from __future__ import annotations

import io
import time

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from session_scenes import blobs, both_classes, new_project, wait_for
from underbrush.errors import UsageError
from underbrush.project.commands import SetExport
from underbrush.project.schema import ExportSettings
from underbrush.project.values_json import export_from_json
from underbrush.web.browse import Roots
from underbrush.web.exports import check_place, images_in, is_of_windows
from web.served import serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    new_project(folder, images=2)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as server:
        yield server


@pytest.fixture(scope="module")
def project(server, folder):
    answer = server.post("/api/open", json={"paths": [str(folder / "p.ilp")]})
    ident = answer.json()["project"]
    assert server.get(f"/api/p/{ident}/state").status_code == 200
    session = server.hub.get(ident)
    both_classes(session)
    wait_for(lambda: session.training.state == "done")
    return f"/api/p/{ident}/exports"


def finished(server, project, kind):
    until = time.monotonic() + 240
    while True:
        job = server.get(f"{project}/jobs").json()["jobs"][kind]
        if job["state"] not in ("checking", "preparing", "running"):
            return job
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_small_picture_shows_what_will_be_written(server, project, folder):
    def picture(**wish):
        answer = server.post(f"{project}/picture", json={"wish": wish, "lane": "a1"})
        return answer if answer.status_code != 200 else np.asarray(Image.open(io.BytesIO(answer.content)))

    seen = picture(result="segmentation")
    assert seen.shape == (96, 120, 3)
    server.post(f"{project}/start", json={"wish": {"result": "segmentation"}, "lanes": ["a1"]})
    assert finished(server, project, "export")["state"] == "done"
    (file,) = (folder / "p_results").glob("image0_segmentation*.tif")
    values = tifffile.imread(file)
    file.unlink()
    colours = {1: (0, 130, 200), 2: (255, 225, 25)}
    for value, colour in colours.items():
        assert np.array_equal((seen == colour).all(-1), values == value)
    shares = picture(result="probabilities")
    assert np.array_equal((shares == colours[1]).all(-1), (shares[..., 2] == 200))
    assert ((np.abs(shares.astype(int) - colours[2]).sum(-1) < 265)[values == 2]).all()
    assert picture(result="labels").status_code == 204
    assert server.post(f"{project}/picture", json={"wish": {}, "lane": "a9"}).status_code == 400


def test_the_small_picture_of_a_region_is_that_region(server, project):
    def picture(**wish):
        answer = server.post(f"{project}/picture", json={"wish": wish, "lane": "a1"})
        return np.asarray(Image.open(io.BytesIO(answer.content)))

    whole = picture(result="segmentation")
    for region in (
        {"x": [10, 51], "y": [20, 80]},
        {"y": [90, None]},
        {"x": [None, 7]},
        {"x": [0, 1], "y": [5, 6]},
    ):
        (x0, x1), (y0, y1) = (
            [a or 0 for a in region.get(k, [0, None])[:1]] + region.get(k, [0, None])[1:] for k in "xy"
        )
        assert np.array_equal(picture(result="segmentation", region=region), whole[y0:y1, x0:x1]), region


def test_what_a_closed_window_chose_is_kept_and_results_are_listed_and_deleted(server, project, folder):
    wish = {**server.get(project).json()["stored"], "pattern": "kept/{nickname}_{result}", "format": "npy"}
    wish["objects"] = [1]
    assert server.post(f"{project}/keep", json={"wish": wish}).status_code == 204
    assert server.get(project).json()["stored"] == wish
    server.post(f"{project}/start", json={"wish": wish, "lanes": ["a1"]})
    assert finished(server, project, "export")["state"] == "done"
    said = server.post(f"{project}/results", json={"wish": wish}).json()
    (one,) = said["results"]
    assert (one["name"], one["changed"], said["deleted"]) == ("image0_segmentation.npy", False, 0)
    refused = server.post(f"{project}/results", json={"wish": wish, "delete": [str(folder / "p.ilp")]})
    assert refused.status_code == 400 and "no result" in refused.json()["sentence"]
    said = server.post(f"{project}/results", json={"wish": wish, "delete": [one["path"]]}).json()
    assert (said["results"], said["deleted"], said["left"]) == ([], 1, [])
    assert "export" not in said["jobs"] and not (folder / "kept").exists()
    session = server.hub.projects().popitem()[1]
    session.apply("somebody", 1, SetExport(ExportSettings()))


def test_nobody_without_the_key_may_ask(server, project):
    assert httpx.get(server.base + project).status_code == 401
    foreign = {"origin": "http://evil.example"}
    assert server.post(f"{project}/start", headers=foreign, json={}).status_code == 403


def test_look_start_and_texts(server, project, folder):
    said = server.get(project).json()
    wish = said["stored"]
    assert wish["result"] == "segmentation" and wish["format"] == "tiff" and said["axes"] == "yx"
    seen = server.post(f"{project}/look", json={"wish": wish, "lane": "a1"}).json()
    assert seen["refusal"] == "" and seen["path"] == str(folder / "p_results" / "image0_segmentation.tif")
    assert seen["formats"]["png"] == "" and "jpg changes" in seen["formats"]["jpg"]
    answer = server.post(f"{project}/start", json={"kind": "export", "wish": wish, "lanes": ["a1"]})
    assert answer.status_code == 200
    job = finished(server, project, "export")
    assert job["state"] == "done" and job["folders"] == [str(folder / "p_results")]
    assert set(np.unique(tifffile.imread(seen["path"]))) == {1, 2}
    texts = server.post(f"{project}/texts", json={"wish": wish, "kind": "export", "lanes": ["a1"]}).json()
    assert texts["command"].startswith("underbrush predict ") and "predict_files" in texts["python"]


def test_the_settings_that_come_back_are_a_command(server, project):
    other = {**server.get(project).json()["stored"], "result": "labels"}
    unchosen = server.post(f"{project}/look", json={"wish": other, "lane": "a1"}).json()
    assert unchosen["stored"] is True, "another result is nothing to keep, and nothing to undo"
    wish = {**server.get(project).json()["stored"], "format": "npy", "axes": "xy"}
    seen = server.post(f"{project}/look", json={"wish": wish, "lane": "a1"}).json()
    assert seen["stored"] is False
    session = server.hub.projects().popitem()[1]
    session.apply("someone", 1, SetExport(export_from_json(seen["settings"])))
    stored = server.get(project).json()["stored"]
    assert (stored["format"], stored["axes"]) == ("npy", "xy")
    assert server.post(f"{project}/look", json={"wish": wish, "lane": "a1"}).json()["stored"] is True
    session.apply("someone", 2, SetExport(ExportSettings()))


def test_a_batch_of_a_folder_and_what_is_out_of_bounds(server, project, folder, tmp_path):
    screen = folder / "screen"
    screen.mkdir()
    for n in range(2):
        tifffile.imwrite(screen / f"w{n}.tif", blobs(seed=n))
    assert server.post(f"{project}/files", json={"paths": [str(screen)]}).status_code == 200
    job = finished(server, project, "batch")
    assert job["state"] == "ready" and [row["name"] for row in job["rows"]] == ["w0.tif", "w1.tif"]
    wish = {"result": "uncertainty", "pattern": "{dataset_dir}/{nickname}_u"}
    assert server.post(f"{project}/start", json={"kind": "batch", "wish": wish}).status_code == 200
    assert finished(server, project, "batch")["state"] == "done"
    assert tifffile.imread(screen / "w1_u.tif").dtype == np.float32
    tifffile.imwrite(tmp_path / "o.tif", blobs())
    refused = server.post(f"{project}/files", json={"paths": [str(tmp_path / "o.tif")]})
    assert refused.status_code == 403
    wish = {"pattern": str(tmp_path / "{nickname}")}
    seen = server.post(f"{project}/look", json={"wish": wish, "lane": "a1"}).json()
    assert "results cannot be written here" in seen["refusal"]
    server.post(f"{project}/start", json={"kind": "export", "wish": wish, "lanes": ["a1"]})
    assert finished(server, project, "export")["state"] == "failed"
    assert [f.name for f in tmp_path.iterdir()] == ["o.tif"]
    refused = server.post(f"{project}/folder", json={"folder": "/etc"})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/look", []),
        ("/look", {"wish": {"format": "gif"}}),
        ("/look", {"wish": {"objects": {"1": True}}}),
        ("/start", {"kind": "export", "wish": {}, "lanes": "a1"}),
        ("/start", {"kind": "export", "wish": {}, "lanes": ["a9"]}),
        ("/start", {"kind": "paint", "wish": {}}),
        ("/files", {"paths": [1]}),
        ("/retry", {"kind": "batch", "rows": ["x"]}),
    ],
)
def test_what_is_malformed_is_a_sentence(server, project, path, body):
    answer = server.post(project + path, json=body)
    assert answer.status_code == 400 and answer.json()["sentence"].endswith(".")


def test_a_path_of_windows_is_not_made_a_folder_elsewhere():
    for path in ("V:/homes/{nickname}", r"c:\data\{nickname}_{result}", r"\\server\share\{nickname}"):
        assert is_of_windows(path)
    for path in ("/data/{nickname}", "{dataset_dir}/{nickname}", "results/{nickname}", "a:b"):
        assert not is_of_windows(path)


def test_places(tmp_path):
    inside = tmp_path / "in"
    (inside / "sub").mkdir(parents=True)
    (inside / "out").symlink_to(tmp_path)
    roots = Roots([inside])
    check_place(inside / "sub" / "new" / "a.tif", roots)
    for path in (tmp_path / "a.tif", inside / "out" / "a.tif", inside / ".hidden" / "a.tif"):
        with pytest.raises(UsageError):
            check_place(path, roots)
    with pytest.raises(UsageError, match="no image lies"):
        images_in([str(inside / "sub")], roots)


def test_format_and_path_of_projects_without_a_choice_are_set_once(server, project, folder, monkeypatch):
    config = folder / "settings" / "config.toml"
    monkeypatch.setenv("UNDERBRUSH_CONFIG", str(config))
    said = server.get("/api/usual-export").json()
    assert said["plain"] == {"format": said["format"], "name": said["name"]} and said["file"] == str(config)
    refused = server.post("/api/usual-export", json={"format": "npy", "name": "{nick}"})
    assert refused.status_code == 400 and "unknown placeholder {nick}" in refused.json()["sentence"]
    assert server.post("/api/usual-export", json={"format": 3}).status_code == 400
    assert not config.exists()
    changed = server.post("/api/usual-export", json={"format": "npy", "name": "out/{nickname}_{result}"})
    assert (changed.json()["format"], changed.json()["problem"]) == ("npy", "")
    stored = server.get(project).json()["stored"]
    assert (stored["format"], stored["pattern"]) == ("npy", "out/{nickname}_{result}")
    seen = server.post(f"{project}/look", json={"wish": stored, "lane": "a1"}).json()
    assert seen["path"] == str(folder / "out" / "image0_segmentation.npy")
    assert seen["stored"] is True, "what stands there without a choice is nothing to undo"
    config.write_text('export_format = "gif"\n')
    said = server.get(project).json()
    assert said["stored"]["format"] == "tiff" and "no format 'gif'" in said["unusual"]
    assert httpx.get(server.base + "/api/usual-export").status_code == 401
