"""A file of a microscope gives the same result as its pixels in a TIFF file."""

from __future__ import annotations

import numpy as np
import tifffile

from sources.microscope_files import czi_bytes


def test_a_mosaic_of_a_czi_gives_what_a_tiff_gives(call, project, image, tmp_path, picture):
    tiles = [
        {"pixels": np.ascontiguousarray(picture[y : y + 24, x : x + 32]), "at": {"X": x, "Y": y, "M": m}}
        for m, (y, x) in enumerate((y, x) for y in range(0, 48, 24) for x in range(0, picture.shape[1], 32))
    ]
    (tmp_path / "cells.czi").write_bytes(czi_bytes(tiles))
    output = str(tmp_path / "{nickname}_{result}")
    assert call("predict", project, image, "--output", tmp_path / "tiff.tif")[0] == 0
    status, _, err = call("predict", project, tmp_path / "cells.czi", "--output", output)
    assert status == 0, err
    got = tifffile.imread(tmp_path / "cells_segmentation.tif")
    np.testing.assert_array_equal(got, tifffile.imread(tmp_path / "tiff.tif"))
