"""ilastik's recorded results: where they are and how they are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

AXES = {"gray2d_2c": "yx", "rgb2d_3c": "yxc", "gray3d_2c": "zyx", "tyx_2c": "tyx"}


@dataclass(frozen=True)
class Golden:
    """One case that a real ilastik computed."""

    name: str
    folder: Path

    @property
    def axes(self):
        return AXES[self.name]

    @property
    def project(self):
        return self.folder / f"{self.name}.ilp"

    @property
    def pixels(self):
        with h5py.File(self.folder / "train.h5") as f:
            return f["data"][...]

    @property
    def feature_names(self):
        names = json.loads((self.folder / "feature_names.json").read_text())
        return names if isinstance(names, list) else next(iter(names.values()))

    def exported(self, name):
        with h5py.File(self.folder / "exports" / f"batch_train_{name}.h5") as f:
            return f["exported_data"][...]

    @property
    def sampled_features(self):
        with np.load(self.folder / "exports" / "train_Features_sampled.npz") as f:
            return str(f["axes"]).replace("c", ""), f["coords"], f["values"]


@pytest.fixture(params=AXES)
def golden(request, data):
    return Golden(request.param, data / "golden" / request.param)
