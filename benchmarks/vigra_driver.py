"""vigra's random forest as ilastik drives it, timed in a process of its own.

Run by another benchmark with a Python that has vigra (Debian: /usr/bin/python3 and python3-vigra):

    python3 vigra_driver.py FOLDER

FOLDER holds ``x.npy`` (n, n_features) float32, ``y.npy`` (n,) uint32 and ``features.npy`` (n_features,
height, width) float32. Commands come on stdin, one a line; each is answered by one line of JSON:

    train N     two forests of 50 trees side by side on the first N rows   {"seconds": ...}
    predict     probabilities of all pixels, 512 x 512 blocks, 2 threads   {"seconds": ...}
    score       predicted class of each pixel against ``truth.npy``        {"accuracy": ...}
    quit
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import vigra

N_THREADS = 2
TREES = 100
BLOCK = 512


def train(x, y):
    """ilastik shares out the trees over its threads and makes one forest of each share."""

    def one(_):
        forest = vigra.learning.RandomForest(TREES // N_THREADS)
        forest.learnRF(x, y[:, None])
        return forest

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(one, range(N_THREADS)))


def predict(forests, features):
    """The mean of the forests' probabilities, block by block."""
    n, height, width = features.shape
    out = np.empty((height, width, forests[0].labelCount()), np.float32)

    def one(corner):
        rows, columns = slice(corner[0], corner[0] + BLOCK), slice(corner[1], corner[1] + BLOCK)
        block = features[:, rows, columns]
        x = np.ascontiguousarray(block.reshape(n, -1).T)
        votes = sum(f.predictProbabilities(x) * np.float32(f.treeCount()) for f in forests)
        out[rows, columns] = (votes / np.float32(TREES)).reshape(*block.shape[1:], -1)

    corners = [(y, x) for y in range(0, height, BLOCK) for x in range(0, width, BLOCK)]
    with ThreadPoolExecutor(N_THREADS) as pool:
        list(pool.map(one, corners))
    return out


def main():
    folder = Path(sys.argv[1])
    x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")
    features = np.load(folder / "features.npy")
    forests, n = [], len(y)
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "quit":
            break
        if command == "train":
            n = int(arguments[0])
            rows, answers = np.ascontiguousarray(x[:n]), np.ascontiguousarray(y[:n])
            start = time.perf_counter()
            forests = train(rows, answers)
            answer = {"seconds": time.perf_counter() - start}
        elif command == "predict":
            start = time.perf_counter()
            predict(forests, features)
            answer = {"seconds": time.perf_counter() - start}
        else:
            classes = np.unique(y[:n])
            guess = classes[predict(forests, features).argmax(axis=-1)]
            answer = {"accuracy": float((guess == np.load(folder / "truth.npy")).mean())}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
