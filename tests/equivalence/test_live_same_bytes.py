"""What is seen is what is exported: window and command line agree in every byte, from strokes to result."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile

from engine.live_scenes import Listener, settle, wait_until
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions
from underbrush.core.looking import first_pixel, plane_size
from underbrush.core.recipe import Recipe
from underbrush.engine.batch import Limits, Request, predict_file
from underbrush.engine.building import Sample, project_of, trained
from underbrush.engine.lane_images import LaneImages, image_key
from underbrush.engine.lanes import open_lane
from underbrush.engine.live import Live
from underbrush.engine.live_rows import LabelledPixels, LiveRows
from underbrush.engine.model import model_of
from underbrush.engine.trainer import Trainer, TrainingDone, TrainingJob
from underbrush.engine.training import labelled_positions
from underbrush.engine.views import View
from underbrush.sources.opening import open_image

KINDS = {
    "2d": ((210, 330), "yx", np.uint8, None, (0.7, 3.5)),
    "3d": ((18, 70, 80), "zyx", np.uint8, None, (0.7, 1.6)),
    "flat volume": ((12, 90, 80), "zyx", np.uint16, True, (1.0, 3.5)),
    "movie": ((3, 120, 130), "tyx", np.float32, None, (1.0,)),
    "rgb": ((160, 290, 3), "yxc", np.uint8, None, (0.7, 1.6)),
    "offset": ((200, 280), "yx", np.uint16, None, (1.6,)),
}


def write(path, pixels, axes):
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["data"] = pixels
    elif axes == "yxc":
        tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib")
    else:
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": axes.upper()}, imagej=True)


@pytest.fixture(scope="module", params=KINDS)
def scene(request, tmp_path_factory):
    """Two labelled images on disk, the axes they are read with, and features."""
    folder = tmp_path_factory.mktemp("live")
    shape, axes, dtype, flat, scales = KINDS[request.param]
    samples = []
    for k in range(2):
        rng = np.random.default_rng(k)
        pixels = rng.normal(120, 30, shape).clip(0, 255)
        pixels[
            ..., : shape[-2 if axes == "yxc" else -1] // 2, *(() if axes != "yxc" else (slice(None),))
        ] *= 0.6
        pixels = (pixels + (40_000 if request.param == "offset" else 0)).astype(dtype)
        spatial = tuple(n for n, a in zip(shape, axes, strict=True) if a != "c")
        level = pixels.mean(axis=-1) if axes == "yxc" else pixels
        labels = np.where(rng.random(spatial) < 0.01, 1 + (level > np.median(level)), 0).astype(np.uint8)
        suffix = ".h5" if request.param == "flat volume" else ".tif"
        paths = [folder / f"{k}{end}{suffix}" for end in ("", "_labels")]
        write(paths[0], pixels, axes)
        write(paths[1], labels, axes.replace("c", ""))
        samples.append(Sample(*(str(p) for p in paths)))
    selection = FeatureSelection.all(scales)
    return samples, selection.with_in_2d(True) if flat else selection, folder


def trained_live(project, selection, options):
    heard = []
    images = [open_lane(lane, project) for lane in project.lanes]
    parts = tuple(
        LabelledPixels(str(k), image, *labelled_positions(lane.labels, image.shape5))
        for k, (lane, image) in enumerate(zip(project.lanes, images, strict=True))
    )
    trainer = Trainer(LiveRows(50_000_000), 2, heard.append)
    trainer.submit(TrainingJob("k", lambda: parts, selection, None, options))
    wait_until(lambda: len(heard) == 2)
    trainer.close()
    for image in images:
        image.close()
    assert isinstance(heard[1], TrainingDone), heard[1]
    return heard[1].trained.forest


def test_from_strokes_to_tiles(scene):
    samples, selection, folder = scene
    options = TrainingOptions(n_trees=12, seed=4, balance=True)
    project, batch, _ = trained(project_of(samples), selection, options)
    forest = trained_live(project, selection, options)
    assert forest.digest == batch.forest.digest
    output = folder / "out.h5"
    model = model_of(project)
    predict_file(model, Request(samples[0].image, output, "hdf5", "probabilities"), Limits(2, 2_000_000_000))
    with open_image(output) as image:
        whole = image.read()
    images = LaneImages(1)
    for k, sample in enumerate(samples):
        key = image_key(sample.image, None, (sample.image,))
        images.put(str(k), key, lambda sample=sample: open_image(sample.image))
    heard = Listener()
    live = Live(images, 2, 50_000_000, heard)
    live.set_recipe(Recipe(selection, forest, 2))
    shape = images.image("0").shape5
    axes = {"xy": 2, "xz": 3, "zy": 4}
    t = shape[0] - 1
    try:
        for plane in axes if shape[2] > 1 else ("xy",):
            for level in (0, 2):
                size, index = plane_size(shape, plane, level), shape[axes[plane]] // 3
                live.look(View("c", "v", "0", t, plane, index, level, (0, 0, *size), ("probability:2",)))
                settle(live)
                want = np.take(whole[t, 1], index, axis=axes[plane] - 2)
                want = want.T if plane == "zy" else want
                step = 1 << level
                for axis, thinned in ((0, plane != "xz"), (1, plane != "zy")):
                    if thinned:
                        n = want.shape[axis]
                        want = np.take(want, range(first_pixel(n, step), n, step), axis=axis)
                assert np.array_equal(heard.plane("probability:2", size), want)
                heard.clear()
    finally:
        live.close()
        images.close()
