"""What lanes of a document mean for who lends their images: opened otherwise, masked otherwise, gone."""

from __future__ import annotations

from functools import partial

from underbrush.engine.lane_images import LaneImages, image_key
from underbrush.engine.lanes import open_lane
from underbrush.engine.masks import open_mask
from underbrush.project.document import Document
from underbrush.project.entries import LaneEntry
from underbrush.project.resolve import resolve_source
from underbrush.project.schema import Lane, Project, Source
from underbrush.sources.base import Image


class BroughtLanes:
    """Keeps the images of a session those of its document."""

    def __init__(self, images: LaneImages) -> None:
        self._images = images
        self._entries: dict[str, LaneEntry] = {}
        self._keys: dict[str, str] = {}

    def bring(self, document: Document) -> list[str]:
        """Follow the document; gives the lanes whose pixels, sizes of pixels or masks are others now."""
        for lane in [known for known in self._entries if known not in document.lanes]:
            del self._entries[lane], self._keys[lane]
            self._images.drop(lane)
        return [lane for lane, entry in document.lanes.items() if self._bring(lane, entry, document.base)]

    def forget(self) -> None:
        """The document is about to become another one altogether."""
        for lane in self._entries:
            self._images.drop(lane)
        self._entries.clear()
        self._keys.clear()

    @property
    def pixels(self) -> tuple[str, ...]:
        """Stand for the pixels of each image and of its mask."""
        return tuple(self._keys.values())

    def _bring(self, lane: str, entry: LaneEntry, project: Project) -> bool:
        """Whether something of it changed."""
        known = self._entries.get(lane)
        self._entries[lane] = entry
        same = known is not None and _same_pixels(known.raw, entry.raw)
        sized = known is not None and known.raw.pixel_size == entry.raw.pixel_size
        masked = known is not None and known.mask == entry.mask
        if not same or not sized:
            opener = partial(open_lane, Lane(entry.nickname, entry.raw), project)
            self._images.put(lane, _key(entry.raw, project), opener, anew=not sized)
        if not same or not masked:
            self._bring_mask(lane, entry, project)
        self._keys[lane] = self._images.results_key(lane)
        return not (same and sized and masked)

    def _bring_mask(self, lane: str, entry: LaneEntry, project: Project) -> None:
        source = entry.mask
        if source is None:
            self._images.put_mask(lane, "", None)
            return

        def opened(source: Source = source) -> Image:
            return open_mask(source, project, self._images.image(lane))

        # How a mask that does not say its axes is read follows its image.
        self._images.put_mask(lane, f"{_key(source, project)} {_key(entry.raw, project)}", opened)


def _key(source: Source, project: Project) -> str:
    found = resolve_source(source, project)
    # What lies in the project stays as it is under its name, however often the project is saved.
    files = () if source.kind == "embedded" else tuple(str(file) for file in found.files)
    return image_key(f"{found.address or source.stored}#{source.level}", source.axes, files)


def _same_pixels(one: Source, other: Source) -> bool:
    """Whether two sources are the same image read in the same way; how it is displayed does not count."""
    return (one.kind, one.stored, one.inner, one.axes, one.level, one.dataset_id) == (
        other.kind, other.stored, other.inner, other.axes, other.level, other.dataset_id,
    )  # fmt: skip
