"""Small members of a project file, written the way ilastik writes them."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from underbrush.project.schema import Colour

_TEXT = h5py.string_dtype("utf-8")


def write_text(group: h5py.Group, name: str, text: str) -> None:
    """One text of variable length."""
    group.create_dataset(name, data=text.encode(), dtype=_TEXT)


def write_list(
    group: h5py.Group, name: str, values: Sequence[str] | Sequence[Colour], *, marked: bool = True
) -> None:
    """A list of texts or of colours; ``marked`` adds the attribute that tells an empty one.

    An empty marked list is one number that means nothing, an empty list without mark is left out.
    """
    if not values and not marked:
        return
    if not values:
        group[name] = np.zeros(1)
    elif isinstance(values[0], str):
        texts = np.array([str(v).encode() for v in values], dtype=object)
        group.create_dataset(name, data=texts, dtype=_TEXT)
    else:
        group[name] = np.array(values, np.int64)
    if marked:
        group[name].attrs["isEmpty"] = not values
