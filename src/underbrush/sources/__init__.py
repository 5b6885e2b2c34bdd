"""A file or URL becomes an image that reads boxes: ``open_image("a.tif").read(box)``.

The readers' libraries are imported when a file of their family is opened, so importing this is cheap.
"""

from underbrush.sources.base import Image, ImageInfo
from underbrush.sources.opening import open_image

__all__ = ["Image", "ImageInfo", "open_image"]
