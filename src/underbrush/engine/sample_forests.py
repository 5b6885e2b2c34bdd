"""The forests of the samples, as they were trained: a first look at them waits for no training.

They lie beside this file as plain numbers; `packaging/train_samples.py` trains them and writes the file.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from underbrush.core.forest.nodes import Forest

FILE = Path(__file__).with_suffix(".npz")
PROCESSOR = "processor"
"""The name in the file of the kind of processor that they were trained on."""
NAMES = tuple(field.name for field in fields(Forest))
_NUMBER = "n_features"


def stored_forests() -> dict[str, Forest]:
    """The forests by ``project/classifier``; the classifier that is in force has no name."""
    with np.load(FILE, allow_pickle=False) as stored:
        keys = {key.rpartition("/")[0] for key in stored.files if key != PROCESSOR}
        return {
            key: Forest(
                **{name: stored[f"{key}/{name}"] for name in NAMES if name != _NUMBER},
                n_features=int(stored[f"{key}/{_NUMBER}"]),
            )
            for key in sorted(keys)
        }
