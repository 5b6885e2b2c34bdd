"""How well forests trained on brush strokes segment real images, ours beside scikit-learn's.

    python benchmarks/accuracy.py --data FOLDER [--kinds em_membrane_2d ...] [--results FILE [--resume]]

A kind is a folder of images with strokes and truth. Of two or more images each is left out in turn: a forest
is trained on the strokes of the others and judged on every pixel of the one left out whose truth is known.
A single image is cut in two along the longer of y and x; each part is an image of its own, so that nothing
of one reaches the other. Images of a folder that come from different sources (`NAME_part` with different
names) are also judged source by source.

Both forests have 100 trees and get the same rows and the same features, `FeatureSelection.all` at the scales
that fit. Ours is also trained on `FeatureSelection.recommended`; where that is the same selection, as in 2D
with up to 4 channels, its scores are the same by definition and are not computed again. The score is the Dice
of the foreground (mean over classes 2, 3, ...), meaned over test images and then over seeds.

Each kind is written to the results file as soon as it is done. Exit status 1 where a criterion is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from statistics import mean, stdev, variance
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underbrush.core.evaluate import Overlap
from underbrush.core.features.catalog import DEFAULT_SCALES, required_size
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.packing import compile_forest
from underbrush.core.forest.predict import predict_block
from underbrush.core.forest.train import TrainingOptions, train_forest
from underbrush.core.geometry import Box, Shape5
from underbrush.engine.arrays import features_array
from underbrush.engine.label_images import check_same_size, class_values, label_blocks
from underbrush.engine.training import Rows, joined, labelled_rows
from underbrush.sources.array import ArrayImage
from underbrush.sources.opening import open_image

TOLERANCE = 0.005
"""By how much of Dice ours may be below scikit-learn's, and Recommended below All."""
CHUNK = 200_000
"""Pixels that scikit-learn predicts at a time."""
ALL, RECOMMENDED, SKLEARN = "all", "recommended", "scikit-learn"


@dataclass(frozen=True)
class Files:
    """Where an image, its strokes and its truth lie."""

    image: Path
    strokes: Path
    truth: Path


@dataclass(frozen=True)
class Picture:
    """An image with strokes and truth, each t c z y x; strokes and truth uint8, 0 = none, c of size 1."""

    pixels: NDArray[Any]
    strokes: NDArray[np.uint8]
    truth: NDArray[np.uint8]

    @property
    def shape(self) -> Shape5:
        t, c, z, y, x = self.pixels.shape
        return t, c, z, y, x

    def halves(self) -> tuple[Picture, Picture]:
        """Two pictures, cut in the middle of the longer of y and x (of y where they are alike)."""
        axis = 4 if self.shape[4] > self.shape[3] else 3
        middle = self.shape[axis] // 2
        first, second = [
            Picture(*(a.take(range(*span), axis) for a in (self.pixels, self.strokes, self.truth)))
            for span in ((0, middle), (middle, self.shape[axis]))
        ]
        return first, second


@dataclass(frozen=True)
class Options:
    """How to train and predict."""

    seeds: int = 5
    n_trees: int = 100
    jobs: int = 2


@dataclass(frozen=True)
class Part:
    """A picture as one selection sees it."""

    picture: Picture
    rows: Rows
    features: NDArray[np.float32]
    """t f z y x"""


def find_kinds(folder: Path) -> dict[str, tuple[Files, ...]]:
    """All kinds below a folder of folders, by name.

    ``X_scribble.tif`` are strokes on ``X.tif``, whose truth is ``X_gt.tif``; ``X_gt3_scribble.tif`` are
    strokes on ``X.tif`` for another truth of three classes, ``X_gt3.tif``.
    """
    found: dict[str, list[Files]] = {}
    for strokes in sorted(folder.glob("*/*_scribble.tif")):
        stem = strokes.name.removesuffix("_scribble.tif")
        base = stem.removesuffix("_gt3")
        kind = strokes.parent.name + ("" if base == stem else ", 3 classes")
        truth = f"{stem}_gt.tif" if base == stem else f"{stem}.tif"
        files = Files(strokes.with_name(f"{base}.tif"), strokes, strokes.with_name(truth))
        found.setdefault(kind, []).append(files)
    kinds = {}
    for kind, members in found.items():
        kinds[kind] = tuple(members)
        series = {k: tuple(g) for k, g in groupby(members, lambda f: f.image.stem.rpartition("_")[0])}
        if len(series) > 1:
            kinds |= {f"{kind}, {name} alone": group for name, group in series.items()}
    return kinds


def read_picture(files: Files) -> Picture:
    """Read an image with its strokes and truth; axes as the image says, of the others the same without c."""
    with open_image(files.image) as image:
        axes = image.axes.replace("c", "")
        maps = []
        for path in (files.strokes, files.truth):
            with open_image(path, axes) as source:
                check_same_size(source, image, "truth")
                maps.append(class_values(source.read(Box.whole(source.shape5)), str(path)))
        return Picture(image.read(Box.whole(image.shape5)), maps[0], maps[1])


def selections(shapes: list[Shape5]) -> dict[str, FeatureSelection]:
    """All and Recommended at the scales that fit every one of the images."""
    t, c, z, y, x = (min(sizes) for sizes in zip(*shapes, strict=True))
    smallest = min((z, y, x) if z > 1 else (y, x))
    fits = tuple(s for s in DEFAULT_SCALES if required_size(s) <= smallest)
    return {ALL: FeatureSelection.all(fits), RECOMMENDED: FeatureSelection.recommended((t, c, z, y, x))}


def prepared(picture: Picture, selection: FeatureSelection, jobs: int) -> Part:
    """Rows under the strokes and features of all pixels."""
    image = ArrayImage(picture.pixels, "tczyx")
    strokes = ArrayImage(picture.strokes, "tczyx")
    rows = labelled_rows(image, label_blocks(strokes, image), selection, jobs)
    return Part(picture, rows, features_array(image, selection, jobs))


def folds(parts: list[Part]) -> Iterator[tuple[Rows, Part]]:
    """Each part left out in turn, with the rows of all others."""
    for i, test in enumerate(parts):
        yield joined([p.rows for k, p in enumerate(parts) if k != i], len(test.features[0])), test


Segmenter = Callable[[Rows, NDArray[np.float32], Options], Iterator[NDArray[np.uint8]]]


def ours(rows: Rows, features: NDArray[np.float32], options: Options) -> Iterator[NDArray[np.uint8]]:
    """Our segmentation of t f z y x features for each seed, t c z y x with c of size 1."""
    frames, n, *space = features.shape
    lines = features.reshape(frames, n, -1, space[-1])
    for seed in range(options.seeds):
        how = TrainingOptions(n_trees=options.n_trees, seed=seed, n_threads=options.jobs)
        forest = train_forest(rows.x, rows.y, how).forest
        packed, classes = compile_forest(forest), forest.classes.astype(np.uint8)
        found = np.empty((frames, *lines.shape[2:]), np.uint8)

        def segment(t: int, part: slice, packed=packed, classes=classes, found=found) -> None:
            votes = np.empty((len(classes), *lines[t, 0, part].shape), np.float32)
            predict_block(packed, lines[t, :, part], votes)
            found[t, part] = classes[votes.argmax(axis=0)]

        edges = np.linspace(0, lines.shape[2], options.jobs + 1).astype(int)
        pieces = [(t, slice(a, b)) for t in range(frames) for a, b in pairwise(edges)]
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(segment, *zip(*pieces, strict=True)))
        yield found.reshape(frames, 1, *space)


def sklearns(rows: Rows, features: NDArray[np.float32], options: Options) -> Iterator[NDArray[np.uint8]]:
    """scikit-learn's segmentation, as `ours`."""
    from sklearn.ensemble import RandomForestClassifier

    frames, n, *space = features.shape
    x = np.ascontiguousarray(rows.x.T)
    for seed in range(options.seeds):
        model = RandomForestClassifier(
            options.n_trees, max_features="sqrt", n_jobs=options.jobs, random_state=seed
        ).fit(x, rows.y)
        found = np.empty((frames, int(np.prod(space))), np.uint8)
        for t, frame in enumerate(features.reshape(frames, n, -1)):
            for a in range(0, frame.shape[1], CHUNK):
                piece = slice(a, a + CHUNK)
                found[t, piece] = model.predict(np.ascontiguousarray(frame[:, piece].T))
        yield found.reshape(frames, 1, *space)


def dices(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean Dice over the classes 2, 3, ... of the truth, and over all its classes."""
    classes = [int(k) for k in np.unique(truth) if k]
    overlap = Overlap.count(truth, found, max(classes))
    each = {k: overlap.dice(k) or 0.0 for k in classes}
    return mean(d for k, d in each.items() if k >= 2), mean(each.values())


def scored(parts: list[Part], segmenter: Segmenter, options: Options) -> dict[str, list[float]]:
    """For each seed the mean over test images: Dice of the foreground, and of all classes."""
    table = np.array(
        [
            [dices(test.picture.truth, found) for found in segmenter(rows, test.features, options)]
            for rows, test in folds(parts)
        ]
    )  # part, seed, score
    foreground, overall = table.mean(axis=0).T.tolist()
    return {"foreground": foreground, "overall": overall}


def judged(name: str, members: tuple[Files, ...], options: Options) -> dict[str, Any]:
    """All scores of a kind, as a record for the results file."""
    began = time.perf_counter()
    whole = [read_picture(f) for f in members]
    pictures = whole if len(whole) > 1 else list(whole[0].halves())
    wanted = selections([p.shape for p in pictures])
    volume, channels = pictures[0].shape[2] > 1, pictures[0].shape[1]
    same = wanted[ALL].terms(volume) == wanted[RECOMMENDED].terms(volume)
    scores, counts = {}, {}
    for label, selection in wanted.items():
        counts[label] = selection.count(channels, volume)
        if label == RECOMMENDED and same:
            scores[label] = scores[ALL]
            continue
        parts = [prepared(p, selection, options.jobs) for p in pictures]
        scores[label] = scored(parts, ours, options)
        if label == ALL:
            scores[SKLEARN] = scored(parts, sklearns, options)
        del parts
    return {
        "kind": name,
        "images": len(whole),
        "halves": len(whole) == 1,
        "volume": volume,
        "classes": max(int(p.truth.max()) for p in whole),
        "tested_pixels": sum(int(np.count_nonzero(p.truth)) for p in pictures),
        "labelled_pixels": sum(int(np.count_nonzero(p.strokes)) for p in pictures),
        "too_large": [s for s in DEFAULT_SCALES if s not in wanted[ALL].scales],
        "features": counts,
        "same_selection": same,
        "scores": scores,
        "seconds": round(time.perf_counter() - began, 1),
    }


def table(records: list[dict[str, Any]]) -> str:
    """The records as a table in Markdown: Dice of the foreground, and differences with standard errors."""
    lines = [
        "| kind | tested on | classes | features | All | Recommended | scikit-learn | All − scikit-learn "
        "| Recommended − All | all classes: All | scikit-learn |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        tested = "each half of 1" if r["halves"] else f"each of {r['images']}"
        counts = r["features"]
        sizes = str(counts[ALL]) if r["same_selection"] else f"{counts[ALL]}, {counts[RECOMMENDED]}"
        recommended = "same" if r["same_selection"] else spread(r["scores"][RECOMMENDED]["foreground"])
        gained = f"{difference(r, RECOMMENDED, ALL):+.4f} ± {error(r, RECOMMENDED, ALL):.4f}"
        gain = "0" if r["same_selection"] else gained
        overall = [f"{mean(r['scores'][k]['overall']):.4f}" for k in (ALL, SKLEARN)]
        cells = [
            r["kind"] + (" (3D)" if r["volume"] else ""),
            tested,
            str(r["classes"]),
            sizes,
            spread(r["scores"][ALL]["foreground"]),
            recommended,
            spread(r["scores"][SKLEARN]["foreground"]),
            f"{difference(r, ALL, SKLEARN):+.4f} ± {error(r, ALL, SKLEARN):.4f}",
            gain,
            *overall,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def difference(record: dict[str, Any], one: str, other: str) -> float:
    """Difference of the Dice of the foreground of two methods, meaned over the seeds."""
    return mean(record["scores"][one]["foreground"]) - mean(record["scores"][other]["foreground"])


def error(record: dict[str, Any], one: str, other: str) -> float:
    """Standard error of `difference`, from the variance over the seeds; NaN for a single seed."""
    both = [record["scores"][k]["foreground"] for k in (one, other)]
    return math.sqrt(sum(variance(v) / len(v) for v in both)) if len(both[0]) > 1 else math.nan


def verdicts(records: list[dict[str, Any]]) -> list[tuple[bool, str]]:
    """Each criterion: whether it holds, and a sentence."""
    gaps = {r["kind"]: difference(r, ALL, SKLEARN) for r in records}
    worst = min(gaps, key=lambda k: gaps[k])
    found = [
        (
            gaps[worst] >= -TOLERANCE,
            f"All against scikit-learn: mean {mean(gaps.values()):+.4f} over {len(gaps)} kinds, "
            f"worst {gaps[worst]:+.4f} ({worst}); at least {-TOLERANCE} wanted of each.",
        )
    ]
    for noun, chosen in (("kinds", records), ("volumes", [r for r in records if r["volume"]])):
        if chosen:
            gain = mean(difference(r, RECOMMENDED, ALL) for r in chosen)
            sentence = f"Recommended against All: mean {gain:+.4f} over {len(chosen)} {noun}; "
            found.append((gain >= -TOLERANCE, sentence + f"at least {-TOLERANCE} wanted."))
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of test data")
    parser.add_argument("--kinds", nargs="*", help="only kinds whose names begin with one of these")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2, help="threads, for both forests")
    parser.add_argument("--results", type=Path, default=Path("build/accuracy.jsonl"))
    parser.add_argument("--resume", action="store_true", help="keep the kinds that the results file has")
    return parser.parse_args()


def main() -> None:
    a = parse_arguments()
    kinds = find_kinds(a.data / "images")
    if a.kinds:
        kinds = {k: v for k, v in kinds.items() if k.startswith(tuple(a.kinds))}
    if not kinds:
        sys.exit(f"No images with strokes and truth below {a.data / 'images'}; give the folder of test data.")
    options = Options(a.seeds, a.trees, a.jobs)
    a.results.parent.mkdir(parents=True, exist_ok=True)
    done = {}
    if a.resume and a.results.exists():
        done = {r["kind"]: r for r in map(json.loads, a.results.read_text().splitlines())}
    else:
        a.results.write_text("")
    for name, members in kinds.items():
        if name not in done:
            done[name] = judged(name, members, options)
            with a.results.open("a") as file:
                file.write(json.dumps(done[name]) + "\n")
        r = done[name]
        gaps = difference(r, ALL, SKLEARN), difference(r, RECOMMENDED, ALL)
        print(
            f"{name:42s} All {mean(r['scores'][ALL]['foreground']):.4f}, {gaps[0]:+.4f} beside scikit-learn, "
            f"Recommended {gaps[1]:+.4f} beside All  ({r['seconds']:.0f} s)",
            flush=True,
        )
    records = [done[name] for name in kinds]
    print(f"\n{table(records)}\n")
    answers = verdicts(records)
    for holds, sentence in answers:
        print(("holds:  " if holds else "MISSED: ") + sentence)
    sys.exit(0 if all(holds for holds, _ in answers) else 1)


if __name__ == "__main__":
    main()
