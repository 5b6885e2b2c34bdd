"""What a result is made of: frozen, hashable, the key under which tiles are kept.

A change of anything makes a new recipe, hence new keys; nothing is ever marked dirty.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.errors import MismatchError


@dataclass(frozen=True)
class Recipe:
    """Channels, level, features, forest and classes."""

    selection: FeatureSelection
    forest: Forest
    n_classes: int
    """Channels of the probabilities; a class without samples in the forest keeps zeros."""
    channels: tuple[int, ...] | None = None
    """Which channels of the image feed the features; None: all."""
    level: int = 0

    @cached_property
    def key(self) -> str:
        """A hash of all that the values depend on, the image and the box excepted."""
        parts = (self.selection, self.forest.digest, self.n_classes, self.channels, self.level)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def pick(self, n_channels: int) -> tuple[int, ...]:
        """The channels in use, of an image that has ``n_channels``."""
        return tuple(range(n_channels)) if self.channels is None else self.channels

    def fits(self, n_channels: int, volume: bool) -> bool:
        """Whether an image gives exactly the features that the forest was trained on."""
        used = self.pick(n_channels)
        count = self.selection.count(len(used), volume)
        return count == self.forest.n_features and max(used) < n_channels

    def check(self, n_channels: int, volume: bool, where: str = "") -> None:
        """Refuse an image whose features are not the ones that the forest was trained on.

        Raises
        ------
        MismatchError
            The number of features differs: another number of channels, or 2D against 3D.
        """
        if self.fits(n_channels, volume):
            return
        used = self.pick(n_channels)
        if max(used) >= n_channels:
            raise MismatchError(
                f"the image has {_count(n_channels, 'channel')}, the project uses channel {max(used)} "
                "(counted from 0)",
                where=where,
                remedy="give an image with the same channels, or name its axes if they were read wrongly",
            )
        have = self.selection.count(len(used), volume)
        need = self.forest.n_features
        fitting = [n for n in range(1, 1 + need) if self.selection.count(n, volume) == need]
        kind = "volume" if volume else "2D image"
        if fitting and fitting[0] != len(used):
            raise MismatchError(
                f"the image has {_count(n_channels, 'channel')}, the project was trained on {fitting[0]}",
                where=where,
                remedy="give an image with the same channels, or name its axes if they were read wrongly",
            )
        raise MismatchError(
            f"this {kind} gives {have} features, the classifier was trained on {need}",
            where=where,
            remedy="give images of the kind that the project was trained on (2D or 3D, same channels)",
        )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
