"""Every project of the collection that brings its image, all sources: the files agree with each other."""

from __future__ import annotations

import numpy as np
import pytest

from dropin.conftest import dataset
from underbrush.engine.lanes import open_lane
from underbrush.project.read import read_project

PROJECTS = (
    "ilastik_2d_v122/PixelClassification2d.ilp",
    "ilastik_5t2d2c_v122/PixelClassification5t2d2c.ilp",
    "ilastik_api_2d/PixelClass.ilp",
    "ilastik_api_3d/PixelClass3D.ilp",
    "mitocheck_v120/mitocheckPixelClassification.ilp",
    "webilastik_rgb_v140/webilastik_TrainedPixelClassification.ilp",
)
SOURCES = ("Probabilities", "Simple Segmentation", "Uncertainty", "Features", "Labels")


@pytest.mark.parametrize("name", PROJECTS)
def test_all_sources(name, data, done):
    path = data / "ilp" / name
    project = read_project(path)
    with open_lane(project.lanes[-1], project) as image:
        address, shape5 = image.info.location, image.shape5
    # Cut out, so that many features of a movie do not take long.
    t, _, z, _, _ = shape5
    axes = ("t" if t > 1 else "") + ("z" if z > 1 else "") + "yxc"
    first = [{"t": 0, "z": 2, "y": 11, "x": 7, "c": 0}[a] for a in axes]
    last = [{"t": 2, "z": 9, "y": 60, "x": 64, "c": None}[a] for a in axes]
    region = f"--cutout_subregion=[{tuple(first)},{tuple(last)}]"
    found = {}
    for source in SOURCES:
        whole = source in ("Simple Segmentation", "Labels")
        dtype = f"--export_dtype={'uint8' if whole else 'float32'}"  # some of them store another
        name = "--output_filename_format={result_type}"
        [file] = done(path, f"--export_source={source}", region, "--output_format=hdf5", dtype, name, address)
        assert file.name == f"{source}.h5"
        one = dataset(file)
        found[source] = np.moveaxis(one.values, one.axes.index("c"), -1)
    p = found["Probabilities"]
    assert p.shape[-1] == len(project.classes) and np.allclose(p.sum(-1), 1, atol=1e-5)
    assert np.array_equal(found["Simple Segmentation"][..., 0], 1 + p.argmax(-1))
    top = np.sort(p, axis=-1)
    assert np.allclose(found["Uncertainty"][..., 0], 1 - (top[..., -1] - top[..., -2]), atol=1e-6)
    assert found["Features"].shape[-1] == project.forest.n_features
    assert found["Labels"].shape[:-1] == p.shape[:-1] and not found["Labels"].any()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("pyilastik_v05/ilastik-0.5.ilp", "0.5"),
        ("steinbock_template_v133/steinbock_pixel_classifier_a.ilp", "features"),
        ("pyilastik_502x251x5_v130/x502_y251_z5_c1_classes2.ilp", "features"),
        ("ilastik_api_noclassifier/PixelClassNoClassifier.ilp", "two classes"),
    ],
)
def test_projects_that_cannot_be_used(name, part, data, call, cells):
    status, out, err = call(
        "--headless", f"--project={data / 'ilp' / name}", "--output_filename_format=o", cells
    )
    assert status == 1 and out == "" and part in err and err.count("\n") == 1


STROKES = (
    "pyilastik_multiim_v132/ilastik-multiim-1.3.2.ilp",
    "pyilastik_z2c4_v133/x15_y10_z2_c4_classes2_ilastik1.3.3.ilp",
)


@pytest.mark.parametrize("name", STROKES)
def test_projects_with_strokes_alone_are_trained(name, data, call):
    """The classifier that is trained gives the strokes of its image back, and the project stays as it is."""
    path = data / "ilp" / name
    project, before = read_project(path), path.read_bytes()
    lane = project.lanes[0]
    with open_lane(lane, project) as image:
        address, shape5 = image.info.location, image.shape5
    status, _, err = call(
        "--headless", f"--project={path}", "--export_source=Simple Segmentation", "--output_format=hdf5",
        "--output_axis_order=tczyx", "--output_filename_format=s.h5", address,
    )  # fmt: skip
    assert status == 0 and "one was trained from its strokes" in err, err
    found = dataset("s.h5").values
    assert found.shape == (shape5[0], 1, *shape5[2:])
    same = np.concatenate([(found[b.box.slices] == b.values)[b.values > 0] for b in lane.labels])
    assert same.size and same.mean() > 0.8, "far above chance: noisy strokes on tiny images"
    assert path.read_bytes() == before
