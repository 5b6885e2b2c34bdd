"""The same bytes: any number of threads, any tiling, any order of lanes, file or array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.train import TrainingOptions
from underbrush.engine import batch
from underbrush.engine.arrays import predict_array
from underbrush.engine.batch import Limits, Request, predict_file
from underbrush.engine.building import Sample, project_of, trained
from underbrush.engine.model import model_of
from underbrush.engine.sample import sample_images
from underbrush.sources.array import ArrayImage

KINDS = {"2d": (False, (0.3, 0.7, 1.6, 3.5)), "3d": (True, (0.7, 1.6))}


@pytest.fixture(scope="module", params=KINDS)
def scene(request, tmp_path_factory):
    """Two images with labels on disk, features that fit, and the folder."""
    folder = tmp_path_factory.mktemp(request.param)
    volume, scales = KINDS[request.param]
    samples = []
    for k, sample in enumerate(sample_images()):
        pixels, labels = sample.pixels[:160, :190], sample.strokes[:160, :190]
        if volume:
            rng = np.random.default_rng(k)
            pixels = np.stack(
                [pixels[:70, :80] + rng.integers(0, 60, (70, 80), np.uint16) for _ in range(14)]
            )
            labels = np.stack([labels[:70, :80] * (z % 5 == 2) for z in range(14)])
            labels[3, 5:9, 5:9], labels[3, 20:24, 20:24] = 1, 2
        paths = [str(folder / f"{sample.name}{end}.tif") for end in ("", "_labels")]
        tifffile.imwrite(paths[0], pixels, photometric="minisblack")
        tifffile.imwrite(paths[1], labels.astype(np.uint8), photometric="minisblack")
        samples.append(Sample(*paths))
    return folder, samples, FeatureSelection.all(scales)


def test_training(scene):
    _, samples, selection = scene
    project = project_of(samples)
    forests = [trained(project, selection, TrainingOptions(n_trees=12, n_threads=n))[1] for n in (1, 2, 3, 8)]
    turned = replace(project, lanes=project.lanes[::-1])
    forests.append(trained(turned, selection, TrainingOptions(n_trees=12))[1])
    assert len({f.forest.digest for f in forests}) == 1
    assert len({f.oob_score for f in forests}) == 1
    other = trained(project, selection, TrainingOptions(n_trees=12, seed=1))[1]
    assert other.forest.digest != forests[0].forest.digest


@pytest.mark.parametrize("suffix", [".tif", ".h5"])
def test_prediction(scene, suffix, monkeypatch):
    folder, samples, selection = scene
    project, _, _ = trained(project_of(samples), selection, TrainingOptions(n_trees=12))
    model = model_of(project)
    whole = tifffile.imread(samples[0].image)
    want, _ = predict_array(ArrayImage(whole, "zyx" if whole.ndim == 3 else "yx"), model.recipe)
    files = set()
    for threads, budget in ((1, None), (2, 6e6), (3, 9e6), (8, 7e6)):
        if budget is not None:
            monkeypatch.setattr(batch, "tile_budget", lambda limits, budget=budget: budget)
        output = folder / f"out_{threads}{suffix}"
        request = Request(
            samples[0].image, output, "tiff" if suffix == ".tif" else "hdf5", result="probabilities"
        )
        predict_file(model, request, Limits(threads, 2_000_000_000))
        files.add(output.read_bytes())
        with batch.open_image(output) as image:
            assert np.array_equal(image.read(), want)
    assert len(files) == 1, "the files are the same to the byte"
