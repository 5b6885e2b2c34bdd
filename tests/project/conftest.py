"""A small builder of project files, independent of what is tested: h5py alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest


def tags(axes: str) -> str:
    flags = {"c": 1, "t": 8}
    entries = [{"key": a, "typeFlags": flags.get(a, 2), "resolution": 0, "description": ""} for a in axes]
    return json.dumps({"axes": entries})


class Builder:
    """A project file as some version of ilastik would have left it."""

    def __init__(self, path: Path, version: str = "1.4.0", workflow: str | None = "Pixel Classification"):
        self.path = path
        self.version = version
        self.file = h5py.File(path, "w")
        self.file["ilastikVersion"] = version
        if workflow is not None:
            self.file["workflowName"] = workflow
        inputs = self.file.create_group("Input Data")
        inputs["StorageVersion"] = "0.2"
        inputs.create_group("infos")
        inputs["Role Names"] = np.array([b"Raw Data", b"Prediction Mask"])
        self.file.create_group("FeatureSelections")
        training = self.file.create_group("PixelClassification")
        training["StorageVersion"] = "0.1"
        self.classes(["one", "two"])

    def classes(self, names: list[str]) -> None:
        group = self.file["PixelClassification"]
        for name in ("LabelNames", "LabelColors", "PmapColors"):
            if name in group:
                del group[name]
        group["LabelNames"] = [n.encode() for n in names]
        group["LabelNames"].attrs["isEmpty"] = False
        for name in ("LabelColors", "PmapColors"):
            group[name] = np.array([[k, 2 * k, 3 * k] for k in range(len(names))])
            group[name].attrs["isEmpty"] = False

    def lane(self, path: str = "a.tif", **fields: object) -> h5py.Group:
        """One image; fields given as None are left out."""
        infos = self.file["Input Data/infos"]
        lane = infos.create_group(f"lane{len(infos):04}")
        lane.create_group("Prediction Mask")
        raw = lane.create_group("Raw Data")
        base: dict[str, object] = {
            "__class__": "RelativeFilesystemDatasetInfo", "location": "FileSystem", "nickname": "image",
            "allowLabels": True,
        }  # fmt: skip
        for name, value in {**base, "filePath": path, **fields}.items():
            if value is not None:
                raw[name] = value
        return raw

    def labels(self, *blocks: tuple[str, np.ndarray], axes: str | None = None) -> h5py.Group:
        """The labels of the next lane: block positions and values as they lie in the file."""
        sets = self.file["PixelClassification"].require_group("LabelSets")
        group = sets.create_group(f"labels{len(sets):03}")
        for i, (where, values) in enumerate(blocks):
            group[f"block{i:04}"] = values.astype(np.uint8)
            group[f"block{i:04}"].attrs["blockSlice"] = where.encode()
            if axes is not None:
                group[f"block{i:04}"].attrs["axistags"] = tags(axes)
        return group

    def forest(self, trees: list[tuple[list[int], list[float]]], name: str = "Forest0000") -> h5py.Group:
        """One vigra forest of trees given as topology and parameters."""
        forests = self.file["PixelClassification"].require_group("ClassifierForests")
        group = forests.create_group(name)
        group.attrs["vigra_random_forest_version"] = np.array([0.1])
        group["_options/tree_count_"] = np.array([float(len(trees))])
        group["_options/predict_weighted_"] = np.array([0.0])
        group["_ext_param/column_count_"] = np.array([float(trees[0][0][0])])
        group["_ext_param/class_count_"] = np.array([float(trees[0][0][1])])
        group["_ext_param/problem_type_"] = np.array([1.0])
        group["_ext_param/labels"] = np.arange(1, trees[0][0][1] + 1, dtype=np.uint32)
        for i, (topology, parameters) in enumerate(trees):
            group[f"Tree_{i}/topology"] = np.array(topology, np.int32)
            group[f"Tree_{i}/parameters"] = np.array(parameters, np.float64)
        return group

    def done(self) -> Path:
        self.file.close()
        return self.path


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Builder]:
    """Make a `Builder`; its file is ``tmp_path/p.ilp``."""

    def make(version: str = "1.4.0", **options: object) -> Builder:
        return Builder(tmp_path / str(options.pop("name", "p.ilp")), version, **options)  # type: ignore[arg-type]

    return make
