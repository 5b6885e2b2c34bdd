"""Training in the background: batch's bytes, the newest strokes, no starving, no silent death."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from engine.live_scenes import image_of, labels_of, wait_until
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import Box
from underbrush.core.labels import make_block
from underbrush.engine import trainer as trainer_module
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.trainer import Trainer, TrainingBegun, TrainingDone, TrainingFailed, TrainingJob
from underbrush.engine.training import joined, labelled_positions, labelled_rows
from underbrush.errors import ImageError

SELECTION = FeatureSelection.all((0.7, 1.6))


def parts_of(kind, *seeds):
    found = []
    for seed in seeds:
        image = image_of(kind, seed)
        labels = labels_of(image, seed)
        where, y = labelled_positions([make_block(Box.whole(labels.shape), labels)], image.shape5)
        found.append(LabelledPixels(f"{kind}{seed}", image, where, y))
    return tuple(found)


def job(key, parts, channels=None, **options):
    options = TrainingOptions(**{"n_trees": 5, **options})
    return TrainingJob(key, lambda: parts, SELECTION, channels, options)


class Heard(list):
    def of(self, kind):
        return [e for e in self if isinstance(e, kind)]


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def trainer(heard):
    trainer = Trainer(LiveRows(10_000_000), 2, heard.append)
    yield trainer
    trainer.close()


@pytest.mark.parametrize("kind", ["2d", "3d", "movie", "rgb", "offset"])
@pytest.mark.parametrize("options", [{}, {"seed": 7, "balance": True, "n_trees": 9}])
def test_the_forest_is_that_of_batch_training(trainer, heard, kind, options):
    parts = parts_of(kind, 0, 1)
    channels = (1,) if kind in ("movie", "rgb") else None
    trainer.submit(job("k", parts[::-1], channels, **options))
    wait_until(lambda: not trainer.busy and len(heard) == 2)
    begun, done = heard
    assert isinstance(begun, TrainingBegun) and isinstance(done, TrainingDone)
    assert (begun.key, done.key) == ("k", "k")
    rows = []
    for k in (0, 1):
        image = image_of(kind, k)
        labels = labels_of(image, k)
        block = make_block(Box.whole(labels.shape), labels)
        rows.append(labelled_rows(image, [block], SELECTION, 1, channels))
    all_rows = joined(rows, 0)
    want = train_forest(all_rows.x, all_rows.y, TrainingOptions(**{"n_trees": 5, **options}))
    assert done.trained.forest.digest == want.forest.digest
    assert done.oob_error == 1 - want.oob_score
    assert done.n_rows == len(all_rows.y)
    assert done.rows_seconds > 0 and done.training_seconds > 0


def test_the_newest_of_those_that_wait_is_trained(trainer, heard, monkeypatch):
    monkeypatch.setattr(trainer_module, "PATIENCE", 600)
    parts, gate = parts_of("2d", 0), threading.Event()

    def waiting():
        assert gate.wait(60)
        return parts

    trainer.submit(TrainingJob("slow", waiting, SELECTION, None, TrainingOptions(n_trees=2)))
    wait_until(lambda: heard)
    for k in range(5):
        trainer.submit(job(f"new{k}", parts))
    gate.set()
    wait_until(lambda: not trainer.busy and heard.of(TrainingDone))
    assert [e.key for e in heard.of(TrainingBegun)] == ["slow", "new4"]
    assert [e.key for e in heard.of(TrainingDone)] == ["new4"], "the running one was given up"


def test_a_training_that_is_nearly_done_is_finished_first(trainer, heard, monkeypatch):
    monkeypatch.setattr(trainer_module, "PATIENCE", 600)
    parts, gate = parts_of("2d", 0), threading.Event()

    def waiting():
        assert gate.wait(60)
        return parts

    trainer.submit(job("first", parts))
    wait_until(lambda: heard.of(TrainingDone))
    trainer._usual = 1e-9
    trainer.submit(TrainingJob("slow", waiting, SELECTION, None, TrainingOptions(n_trees=2)))
    wait_until(lambda: len(heard.of(TrainingBegun)) == 2)
    trainer.submit(job("next", parts))
    gate.set()
    wait_until(lambda: len(heard.of(TrainingDone)) == 3)
    assert [e.key for e in heard.of(TrainingDone)] == ["first", "slow", "next"]


def test_strokes_without_end_do_not_starve_it(trainer, heard, monkeypatch):
    """A training that takes longer than the time between two strokes."""
    parts = parts_of("2d", 0)
    monkeypatch.setattr(trainer_module, "PATIENCE", 0.1)

    def slow(x, y, options, stop):
        for _ in range(30):
            time.sleep(0.005)
            if stop():
                raise trainer_module.CancelledError
        return train_forest(x, y, options)

    monkeypatch.setattr(trainer_module, "train_forest", slow)
    number = 0
    end = time.monotonic() + 240
    while len(heard.of(TrainingDone)) < 3:
        trainer.submit(job(str(number), parts))
        number += 1
        time.sleep(0.02)
        assert time.monotonic() < end, "no result while strokes come"
    keys = [int(e.key) for e in heard.of(TrainingDone)]
    assert keys == sorted(keys)
    wait_until(lambda: not trainer.busy)
    assert heard.of(TrainingDone)[-1].key == str(number - 1), "the last stroke is always trained in the end"


def test_errors_come_as_sentences_and_the_next_job_is_trained(trainer, heard):
    parts = parts_of("2d", 0)

    def gone():
        raise ImageError("there is no such file", where="a.tif", remedy="find it")

    def defect():
        raise ZeroDivisionError("oh")

    one_class = (LabelledPixels("a", parts[0].image, parts[0].where, np.ones_like(parts[0].y)),)
    for k, given in enumerate((gone, defect, lambda: (), lambda: one_class)):
        trainer.submit(TrainingJob(str(k), given, SELECTION, None, TrainingOptions()))
        wait_until(lambda k=k: len(heard.of(TrainingFailed)) == k + 1)
    said = [e.sentence for e in heard.of(TrainingFailed)]
    assert said[0] == "a.tif: there is no such file; find it."
    assert "ZeroDivisionError: oh" in said[1]
    assert all("fewer than two classes" in s for s in said[2:])
    trainer.submit(job("good", parts))
    wait_until(lambda: heard.of(TrainingDone))


def test_broken_pixels_are_counted(trainer, heard):
    (part,) = parts_of("movie", 0)
    pixels = part.image.read().copy()
    pixels[0, 0, 0, 40:80, 40:80] = np.nan
    image = type(part.image)(pixels, "tczyx")
    trainer.submit(job("k", (LabelledPixels("nan", image, part.where, part.y),)))
    wait_until(lambda: heard.of(TrainingDone))
    (done,) = heard.of(TrainingDone)
    assert done.not_finite > 0 and done.n_rows + done.not_finite == len(part.y)


def test_after_cancel_and_close_nothing_is_told(heard):
    parts, gate = parts_of("2d", 0), threading.Event()

    def waiting():
        assert gate.wait(60)
        return parts

    trainer = Trainer(LiveRows(10_000_000), 1, heard.append)
    for stop in (trainer.cancel, trainer.close):
        gate.clear()
        heard.clear()
        trainer.submit(TrainingJob("slow", waiting, SELECTION, None, TrainingOptions(n_trees=2)))
        wait_until(lambda: heard)
        stopper = threading.Thread(target=stop)
        stopper.start()
        time.sleep(0.01)
        gate.set()
        stopper.join(60)
        wait_until(lambda: not trainer.busy)
        assert not heard.of(TrainingDone) and not heard.of(TrainingFailed)


def test_a_listener_that_fails_does_not_end_the_thread(heard, caplog):
    def listen(event):
        heard.append(event)
        raise RuntimeError("nobody there")

    trainer = Trainer(LiveRows(10_000_000), 1, listen)
    for k in range(2):
        trainer.submit(job(str(k), parts_of("2d", 0)))
        wait_until(lambda k=k: len(heard.of(TrainingDone)) == k + 1)
    trainer.close()
    assert "nobody there" in caplog.text
