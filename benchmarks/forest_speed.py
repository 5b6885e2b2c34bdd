"""Training and prediction against vigra (as ilastik drives it) and scikit-learn, on real features.

    python benchmarks/forest_speed.py --data FOLDER [--rows 1000,5000,20000] [--classes 2,3,10]

All competitors have 2 threads and 100 trees, take turns in one run, and get the same rows and pixels.
Medians of ``--rounds`` turns. Prediction is of a 1024 x 1024 image with 49 features in float32, in blocks
of 512 x 512.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from forest_data import LabelledImage, labelled_image
from sklearn.ensemble import RandomForestClassifier

from underbrush.core.forest.packing import compile_forest
from underbrush.core.forest.predict import predict_block
from underbrush.core.forest.train import TrainingOptions, train_forest

N_THREADS = 2
BLOCK = 512


class Vigra:
    """The driver's process."""

    def __init__(self, python: str, folder: Path) -> None:
        driver = Path(__file__).with_name("vigra_driver.py")
        self._process = subprocess.Popen(
            [python, str(driver), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, command: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return next(iter(json.loads(self._process.stdout.readline()).values()))

    def close(self) -> None:
        self._process.communicate("quit\n")


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def predict(packed, features) -> np.ndarray:
    _, height, width = features.shape
    out = np.empty((packed.n_classes, height, width), np.float32)

    def one(corner) -> None:
        rows, columns = slice(corner[0], corner[0] + BLOCK), slice(corner[1], corner[1] + BLOCK)
        predict_block(packed, features[:, rows, columns], out[:, rows, columns])

    with ThreadPoolExecutor(N_THREADS) as pool:
        list(pool.map(one, [(y, x) for y in range(0, height, BLOCK) for x in range(0, width, BLOCK)]))
    return out


def compare(image: LabelledImage, n: int, rounds: int, python: str, with_sklearn: bool) -> dict[str, float]:
    """Median seconds and accuracy of each competitor for one number of rows."""
    x, y = image.rows(n)
    x_rows = np.ascontiguousarray(x.T)
    options = TrainingOptions(n_threads=N_THREADS)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, array in (
            ("x", x_rows), ("y", y.astype(np.uint32)), ("features", image.features), ("truth", image.truth)
        ):  # fmt: skip
            np.save(folder / f"{file}.npy", array)
        vigra = Vigra(python, folder)
        packed = compile_forest(train_forest(x, y, options).forest)
        predict(packed, image.features)
        for _ in range(rounds):
            t, trained = timed(train_forest, x, y, options)
            seconds.setdefault("train", []).append(t)
            seconds.setdefault("vigra train", []).append(vigra.ask(f"train {n}"))
            t, packed = timed(compile_forest, trained.forest)
            seconds.setdefault("compile", []).append(t)
            t, out = timed(predict, packed, image.features)
            seconds.setdefault("predict", []).append(t)
            seconds.setdefault("vigra predict", []).append(vigra.ask("predict"))
        result = {k: median(v) for k, v in seconds.items()}
        result["accuracy"] = float((packed_classes(trained)[out.argmax(axis=0)] == image.truth).mean())
        result["vigra accuracy"] = vigra.ask("score")
        vigra.close()
    if with_sklearn:
        model = RandomForestClassifier(100, n_jobs=N_THREADS, random_state=0)
        result["sklearn train"], _ = timed(model.fit, x_rows, y)
        pixels = np.ascontiguousarray(image.features.reshape(len(image.features), -1).T)
        result["sklearn predict"], p = timed(model.predict_proba, pixels)
        result["sklearn accuracy"] = float((model.classes_[p.argmax(axis=1)] == image.truth.ravel()).mean())
    return result


def packed_classes(trained) -> np.ndarray:
    return trained.forest.classes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of test data")
    parser.add_argument("--rows", default="1000,5000,20000")
    parser.add_argument("--classes", default="2,3,10")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vigra-python", default="/usr/bin/python3")
    parser.add_argument("--sklearn", action="store_true", help="scikit-learn too, once")
    a = parser.parse_args()
    for n_classes in (int(k) for k in a.classes.split(",")):
        image = labelled_image(a.data, n_classes)
        for n in (int(r) for r in a.rows.split(",")):
            r = compare(image, n, a.rounds, a.vigra_python, a.sklearn)
            print(f"{n_classes} classes, {n} rows:")
            for work in ("train", "predict"):
                line = f"  {work:8s}{1e3 * r[work]:8.0f} ms   vigra {1e3 * r['vigra ' + work]:7.0f} ms "
                line += f"= {r['vigra ' + work] / r[work]:5.1f} x"
                if a.sklearn:
                    other = r["sklearn " + work]
                    line += f"   scikit-learn {1e3 * other:7.0f} ms = {other / r[work]:5.1f} x"
                print(line)
            scores = ", ".join(f"{k} {v:.4f}" for k, v in r.items() if k.endswith("accuracy"))
            print(f"  compile {1e3 * r['compile']:.1f} ms; {scores}", flush=True)


if __name__ == "__main__":
    main()
