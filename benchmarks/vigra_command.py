"""A whole prediction with vigra, h5py and the forest of a project, as ilastik drives them without a window.

Run by another benchmark with a Python that has vigra and h5py (Debian: python3-vigra, python3-h5py):

    python3 vigra_command.py PROJECT IMAGE.tif RESULT.h5 THREADS

Blocks as in `vigra_features`: each is read with its halo, becomes all features and is given to the forest
that the project holds; its probabilities go to a dataset of the same chunks and compression as ilastik's
exports, one writer at a time. What ilastik adds to this (its start, its graph of operators) is left out.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import vigra
from vigra_features import BLOCK, HALO, SCALES, features

FOREST = "/PixelClassification/ClassifierForests/Forest0000"
CHUNK_BYTES = 512_000
ROWS = 2048


def columns(ndim):
    """Where the features of `vigra_features` stand, in the order of a project: by filter, then scale."""
    places, k = [[] for _ in range(6)], 0
    for s in SCALES:
        for filter_number, count in enumerate((1,) if s < 0.7 else (1, 1, 1, 1, ndim, ndim)):
            places[filter_number].extend(range(k, k + count))
            k += count
    return [place for of_filter in places for place in of_filter]


def corners(shape, size):
    found = [()]
    for n, b in zip(shape, size, strict=True):
        found = [(*c, k) for c in found for k in range(0, n, b)]
    return found


def chunk(shape):
    """Nearly a cube of about `CHUNK_BYTES` of float32, one class."""
    size = [1] * len(shape)
    while 2 * 4 * np.prod(size) <= CHUNK_BYTES:
        axis = min((a for a in range(len(shape)) if size[a] < shape[a]), key=size.__getitem__, default=None)
        if axis is None:
            break
        size[axis] = min(2 * size[axis], shape[axis])
    return (*size, 1)


def read(path):
    """(y, x) or (z, y, x), as stored."""
    if vigra.impex.numberImages(path) == 1:
        return np.ascontiguousarray(vigra.impex.readImage(path, dtype="NATIVE").squeeze().T.view(np.ndarray))
    return np.ascontiguousarray(vigra.impex.readVolume(path, dtype="NATIVE").squeeze().T.view(np.ndarray))


class Run:
    """One image, one forest, one result."""

    def __init__(self, project, image, data):
        self.image, self.data = image, data
        self.forest = vigra.learning.RandomForest(project, FOREST)
        self.order = columns(image.ndim)
        self.writing = threading.Lock()

    def block(self, corner, size):
        stop = [min(n, c + b) for n, c, b in zip(self.image.shape, corner, size, strict=True)]
        lo = [max(0, c - HALO) for c in corner]
        hi = [min(n, s + HALO) for n, s in zip(self.image.shape, stop, strict=True)]
        where = tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))
        block = np.ascontiguousarray(self.image[where], dtype=np.float32)
        start = [c - a for c, a in zip(corner, lo, strict=True)]
        end = [s - a for s, a in zip(stop, lo, strict=True)]
        shape = [s - c for c, s in zip(corner, stop, strict=True)]
        values = np.empty((len(self.order), *shape), np.float32)
        features(block, start, end, values)
        flat = values.reshape(len(values), -1)
        x = np.empty(flat.shape[::-1], np.float32)
        for k in range(0, len(x), ROWS):  # in pieces that stay in the cache: several times faster than whole
            x[k : k + ROWS] = flat[self.order, k : k + ROWS].T
        del values, flat
        votes = self.forest.predictProbabilities(x)
        with self.writing:
            self.data[tuple(slice(c, s) for c, s in zip(corner, stop, strict=True))] = votes.reshape(
                *shape, -1
            )


def main():
    project, path, target, threads = *sys.argv[1:4], int(sys.argv[4])
    image = read(path)
    size = (BLOCK, BLOCK) if image.ndim == 2 else (*image.shape[:2], -(-image.shape[2] // threads))
    with h5py.File(target, "w") as file:
        n_classes = vigra.learning.RandomForest(project, FOREST).labelCount()
        shape = (*image.shape, n_classes)
        data = file.create_dataset(
            "exported_data",
            shape,
            np.float32,
            chunks=chunk(image.shape),
            compression="gzip",
            compression_opts=1,
        )
        run = Run(project, image, data)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda c: run.block(c, size), corners(image.shape, size)))
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main()
