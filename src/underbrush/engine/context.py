"""What commands may ask beyond the document: images, history, the forest in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from underbrush.core.forest.nodes import Forest
from underbrush.core.geometry import Box, Shape5
from underbrush.engine.lane_images import LaneImages
from underbrush.engine.lanes import open_lane
from underbrush.engine.project_import import read_other
from underbrush.errors import UnderbrushError
from underbrush.project.document import Document
from underbrush.project.history import History
from underbrush.project.schema import Lane, Project, Source


@dataclass(frozen=True)
class SessionContext:
    """What commands may ask of a session, as it is now."""

    document: Document
    history: History
    """Who can undo what."""
    images: LaneImages
    in_force: Forest | None
    """The forest that was trained for the document."""

    def shape(self, lane: str) -> Shape5 | None:
        """Sizes t c z y x of an image; None: it cannot be read."""
        try:
            return self.images.image(lane).shape5
        except UnderbrushError:
            return None

    def read(self, lane: str, box: Box) -> NDArray[Any]:
        """Values of an image, t c z y x."""
        return self.images.image(lane).read(box)

    def forest(self) -> Forest | None:
        """The forest that is in force."""
        return self.document.forest if self.in_force is None else self.in_force

    def sized(self, source: Source) -> Source:
        """The source with axes, shape and pixel size as its image says."""
        with open_lane(Lane(source.name, source), self.document.base) as image:
            size = source.pixel_size or MappingProxyType(dict(image.pixel_size))
            return replace(source, axes=image.axes, shape=image.shape, pixel_size=size)

    def other(self, path: Path) -> tuple[Project, str]:
        """The pixel classification of another project as it is now, and the name of its workflow."""
        return read_other(path)
