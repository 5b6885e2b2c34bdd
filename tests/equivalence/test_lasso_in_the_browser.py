"""A lasso in the browser and one on the server hold the same pixels."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import underbrush
from underbrush.core.filling import lasso

MODULE = Path(underbrush.__file__).parent / "web" / "viewer" / "lasso.js"
WIDTH, HEIGHT = 60, 45
SCRIPT = """
const { polygonRows } = await import(process.argv[1]);
let text = "";
for await (const part of process.stdin) text += part;
const { polygons, width, height } = JSON.parse(text);
console.log(JSON.stringify(polygons.map((p) => polygonRows(p.flat(), width, height))));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_browser_echoes_the_pixels_that_the_server_paints():
    rng = np.random.default_rng(5)
    polygons = [rng.uniform(-8, 66, (rng.integers(3, 12), 2)) for _ in range(300)]
    # Corners on centres and borders, where a rule that is nearly the same would differ.
    polygons += [np.round(p * 2) / 2 for p in polygons]
    said = json.dumps({"polygons": [p.tolist() for p in polygons], "width": WIDTH, "height": HEIGHT})
    node = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, MODULE.as_uri()],
        input=said, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    for polygon, rows in zip(polygons, json.loads(node.stdout), strict=True):
        theirs = np.array(rows, np.int64).reshape(-1, 3)
        mine = lasso(polygon, "xy", 0, 0, (1, 1, 1, HEIGHT, WIDTH)).array[:, 2:].astype(np.int64)
        assert np.array_equal(mine[:, :2], theirs[:, :2])
        assert np.array_equal(mine[:, 1] + mine[:, 2] - 1, theirs[:, 2])
