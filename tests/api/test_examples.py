"""The example scripts do what they say."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import tifffile

import underbrush as ub
from underbrush.engine.sample import sample_images

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_train_and_predict(tmp_path, monkeypatch, capsys):
    script = EXAMPLES / "train_and_predict.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    first, second = capsys.readouterr().out.splitlines()
    assert float(first.partition("%")[0]) > 95
    assert second.startswith("most useful features: ") and second.count("σ=") == 3
    other = sample_images()[1]
    segmentation = tifffile.imread(tmp_path / "nuclei_segmentation.tif")
    assert (segmentation == other.truth).mean() > 0.95
    loaded = ub.PixelClassifier.load(tmp_path / "nuclei.ilp")
    assert loaded.class_names_ == ("background", "nucleus")
    assert (loaded.predict(other.pixels) == segmentation).all()
