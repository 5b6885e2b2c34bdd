"""All benchmarks, one after the other: `make bench`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DATA = os.environ.get("UNDERBRUSH_TEST_DATA", "../shared/data")


def main():
    if not (Path(DATA) / "MANIFEST.json").is_file():
        sys.exit(f"The benchmarks use real images; set UNDERBRUSH_TEST_DATA (not found: {DATA}).")
    if subprocess.run(
        ["/usr/bin/python3", "-c", "import vigra, h5py"], capture_output=True, check=False
    ).returncode:
        sys.exit(
            "The benchmarks compare with vigra: install python3-vigra, python3-h5py for /usr/bin/python3."
        )
    for arguments in (
        ["features.py", "2d", "3d", "--skimage"],
        ["forest_speed.py", "--data", DATA, "--sklearn"],
        ["stroke_to_view.py", "--data", DATA],
        ["live_loop.py", "--data", DATA],
        ["app.py", "--data", DATA],
        ["session.py"],
        ["commands.py", "--data", DATA, "--large"],
        ["many_images.py", "--data", DATA, "--images", "200", "--alone", "5"],
        ["accuracy.py", "--data", DATA],
    ):
        subprocess.run([sys.executable, str(HERE / arguments[0]), *arguments[1:]], check=True)


if __name__ == "__main__":
    main()
