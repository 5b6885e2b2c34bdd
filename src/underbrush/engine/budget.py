"""How much of the machine an open project takes for what."""

from __future__ import annotations

from dataclasses import dataclass

PROGRAM = 400_000_000
"""Bytes of the program itself, its compiled code and its server, about."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of the machine a session may use."""

    threads: int = 1
    memory: int = 2_000_000_000
    """Bytes that the whole process may hold."""

    @property
    def rows(self) -> int:
        """Bytes of remembered features of labelled pixels."""
        return self._share(0.2, 512_000_000)

    @property
    def tiles(self) -> int:
        """Bytes of results that are kept."""
        return self._share(0.25, 1_000_000_000)

    @property
    def pixels(self) -> int:
        """Bytes of pixels of images that are kept."""
        return self._share(0.15, 512_000_000)

    @property
    def images(self) -> int:
        """Files that stay open; each may keep decoded pieces."""
        return 4 if self.memory >= 2_000_000_000 else 2

    def _share(self, part: float, most: int) -> int:
        """A part of what is left beside the program itself; the rest is for what is being computed."""
        return int(max(24_000_000, min(part * (self.memory - PROGRAM), most)))
