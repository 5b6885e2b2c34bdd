"""Train the classifiers of the samples anew: ``python packaging/train_samples.py``.

Where strokes, features or training changed, a test asks for it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import llvmlite.binding
import numpy as np

from underbrush.engine.sample_forests import FILE, NAMES, PROCESSOR, stored_forests
from underbrush.engine.sample_project import make_sample, trained_forests


def main() -> None:
    """Write the file of which a test says that it is what training gives."""
    with tempfile.TemporaryDirectory() as folder:
        make_sample(Path(folder))
        forests = trained_forests(Path(folder), 2)
    arrays = {f"{key}/{name}": getattr(forest, name) for key, forest in forests.items() for name in NAMES}
    np.savez_compressed(FILE, **arrays, **{PROCESSOR: np.array(llvmlite.binding.get_host_cpu_name())})
    print(f"{FILE}: {len(stored_forests())} forests, {FILE.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
