"""The same plan on a cluster of processes, one of which dies half-way: the same bytes."""

from __future__ import annotations

import gc
import json
import os
import signal

import numpy as np
import pytest
import tifffile
from small_project import make_project

from underbrush.cli.main import run
from underbrush.engine.batch import Limits, Request
from underbrush.engine.cluster import Lesson, connected, run_on
from underbrush.engine.many import Task, Watch, run_many
from underbrush.engine.model import model_of
from underbrush.project.read import read_project

pytestmark = pytest.mark.filterwarnings("ignore")
"""Of Dask's own."""
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a project, images (y, x) uint8, and the settings of the processes."""
    home = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNDERBRUSH_LOG_DIR", str(home / "log"))
        patch.setenv("UNDERBRUSH_CONFIG", str(home / "config.toml"))
        make_project(home / "p.ilp", scales=(0.7,))
        pixels = np.random.default_rng(0).integers(0, 255, (3000, 3100)).astype(np.uint8)
        tifffile.imwrite(home / "cells.tif", pixels, tile=(256, 256))
        for n in range(20):
            tifffile.imwrite(home / f"im{n:02}.tif", pixels[n * 50 : n * 50 + 400, n * 40 : n * 40 + 500])
        (home / "im07.tif").write_bytes(b"II*\0\xff\xff\xff\x7f")
        tifffile.imwrite(home / "hurt.tif", pixels[:300, :300], tile=(128, 128), compression="zlib")
        with tifffile.TiffFile(home / "hurt.tif") as tif, (home / "hurt.tif").open("r+b") as file:
            file.seek(tif.pages[0].dataoffsets[4])
            file.write(b"\xa5" * 40)
        yield home


@pytest.fixture(scope="module")
def cluster(home):
    with connected("local:4", Limits(4, 4 * 10**9)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def model(home):
    return model_of(read_project(home / "p.ilp"))


def pids(cluster):
    return sorted(cluster.client.run(os.getpid).values())


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Killing(Watch):
    """Kills a worker that has work in hand when so much is there."""

    def __init__(self, cluster, after):
        self.cluster, self.after, self.killed = cluster, after, 0

    def share(self, number, done, total):
        self.maybe(done)

    def maybe(self, done):
        if done == self.after and not self.killed:
            busy = {address for address, keys in self.cluster.client.processing().items() if keys}
            workers = self.cluster.client.run(os.getpid)
            self.killed = next(
                (pid for address, pid in workers.items() if address in busy), pids(self.cluster)[0]
            )
            os.kill(self.killed, signal.SIGKILL)


def tasks(home, folder, format, names):
    suffix = {"tiff": ".tif", "n5": ".n5"}[format]
    return [
        Task(Request(str(home / f"{n}.tif"), home / folder / f"{n}{suffix}", format, "probabilities"))
        for n in names
    ]


def test_many_files_while_a_worker_dies(home, cluster, model):
    names = [f"im{n:02}" for n in range(20)]
    here = {o.number: o for o in run_many(model, tasks(home, "here", "tiff", names), Limits(2, 10**9))}
    killing, there = Killing(cluster, 5), {}
    lesson = Lesson.of(home / "p.ilp", model, None)
    for outcome in run_on(cluster, lesson, model, tasks(home, "there", "tiff", names), killing):
        there[outcome.number] = outcome
        killing.maybe(len(there))
    assert killing.killed
    assert content(home / "there") == content(home / "here") and len(content(home / "here")) == 19
    assert sorted(there) == list(range(20)) and there[7].state == here[7].state == "failed"
    assert there[7].error == here[7].error and there[7].exit_code == 1
    assert all(there[n].tiles == here[n].tiles for n in range(20))


def test_one_large_result_in_shares_while_a_worker_dies(home, cluster, model):
    (one,) = run_many(model, tasks(home, "here2", "n5", ["cells"]), Limits(2, 10**9))
    killing = Killing(cluster, 3)
    lesson = Lesson.of(home / "p.ilp", model, None)
    (other,) = run_on(cluster, lesson, model, tasks(home, "there2", "n5", ["cells"]), killing)
    assert killing.killed and other.state == one.state == "done", other.error
    assert content(home / "there2") == content(home / "here2")
    assert [p.name for p in (home / "there2").iterdir()] == ["cells.n5"], "nothing is left beside it"


def test_another_project_than_meant_is_refused(home, cluster, model, tmp_path):
    from underbrush.engine.cluster import ClusterError

    other = Lesson.of(make_project(tmp_path / "o.ilp", scales=(1.0,)), model, None)
    with pytest.raises(ClusterError, match="finds another project"):
        list(run_on(cluster, other, model, tasks(home, "there3", "tiff", ["im01"]), Watch()))
    gone = Lesson(str(tmp_path / "none.ilp"), None, other.digest)
    with pytest.raises(ClusterError, match="cannot use the project"):
        list(run_on(cluster, gone, model, tasks(home, "there3", "tiff", ["im01"]), Watch()))
    assert not (home / "there3").exists()


def test_the_command_joins_a_cluster_over_tls(home, cluster, capfd):
    import dask

    scheduler = cluster.client.scheduler.address
    assert scheduler.startswith("tls://127.0.0.1")
    safe = cluster.client.security
    keys = {
        "distributed.comm.tls.ca-file": safe.tls_ca_file,
        "distributed.comm.tls.client.cert": safe.tls_client_cert,
        "distributed.comm.tls.client.key": safe.tls_client_key,
    }
    (home / "scheduler.json").write_text(json.dumps({"address": scheduler}))
    arguments = ["predict", home / "p.ilp", home / "im01.tif", home / "im02.tif", "--result", "probabilities"]
    arguments += [
        "--output",
        f"{home}/joined/{{nickname}}.tif",
        "--cluster",
        home / "scheduler.json",
        "--json",
    ]
    with dask.config.set(keys):
        assert run([str(a) for a in arguments]) == 0
    report = json.loads(capfd.readouterr().out)
    assert [r["image"] for r in report["results"]] == [str(home / "im01.tif"), str(home / "im02.tif")]
    assert run([str(a) for a in arguments]) != 0, "without a certificate nobody gets in"
    gc.collect()  # half a client would complain when it is thrown away
    said = capfd.readouterr().err
    assert "Dask knows no certificates" in said and said.count("\n") == 1
    with dask.config.set(keys | {"distributed.comm.tls.ca-file": str(home / "none.pem")}):
        assert run([str(a) for a in arguments]) != 0
    assert "cannot be used" in capfd.readouterr().err


def test_the_drop_in_distributes_images(home, capfd, monkeypatch):
    """One image needs no processes; of several, each is written by another; errors come in their order."""
    from underbrush.cli.ilastik import run as ilastik

    monkeypatch.chdir(home)
    monkeypatch.setenv("UNDERBRUSH_JOBS", "2")
    monkeypatch.setenv("UNDERBRUSH_MEMORY", "3GB")
    images = ["im03.tif", "im04.tif", "hurt.tif", "im05.tif"]
    head = ["--headless", "--project=p.ilp", "--export_source=Probabilities"]
    for folder, more in (("one", []), ("many", ["--distributed"])):
        name = f"--output_filename_format={folder}/{{nickname}}.h5"
        assert ilastik([*head, *more, name, *images]) == 1, "the damaged image"
        out, err = capfd.readouterr()
        assert out.split() == [f"{home}/{folder}/im03.h5", f"{home}/{folder}/im04.h5"]
        assert err.count("\n") == 1 and "hurt.tif" in err and "tile 5 cannot be decoded" in err
    assert content(home / "many") | content(home / "one") == content(home / "many")
    assert ilastik([*head, "--distributed", "--output_filename_format=many/single.h5", "im06.tif"]) == 0
    capfd.readouterr()


def test_no_cluster_answers(home, capfd, monkeypatch):
    monkeypatch.setattr("underbrush.engine.cluster.CONNECT_S", 0.5)
    arguments = ["predict", home / "p.ilp", home / "im01.tif", "--cluster", "tcp://127.0.0.1:9"]
    assert run([str(a) for a in arguments]) == 1
    err = capfd.readouterr().err
    assert "tcp://127.0.0.1:9: no cluster answers" in err and "Traceback" not in err
