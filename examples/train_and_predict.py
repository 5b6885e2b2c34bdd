"""Train on brush strokes, classify another image, save a project that the window opens.

    python examples/train_and_predict.py [FOLDER]

Writes nuclei.ilp and nuclei_segmentation.tif into the folder (by default the current one).
"""

from __future__ import annotations

import sys
from pathlib import Path

import tifffile

import underbrush as ub
from underbrush.engine.sample import sample_images


def main(folder: Path) -> None:
    """Two made-up images of nuclei: learn from the strokes in one, classify the other."""
    trained, other = sample_images()
    # Strokes are an array of the image's size: 0 is unlabelled, 1 background, 2 nucleus.
    classifier = ub.PixelClassifier(features="recommended", n_jobs=-1)
    classifier.fit(trained.pixels, trained.strokes, axes="yx")
    segmentation = classifier.predict(other.pixels, axes="yx")
    right = (segmentation == other.truth).mean()
    print(f"{right:.1%} of the pixels of the other image are right")

    ranked = sorted(
        zip(classifier.feature_importances_, classifier.feature_names_, strict=True), reverse=True
    )
    print("most useful features:", ", ".join(name for _, name in ranked[:3]))

    tifffile.imwrite(folder / "nuclei_segmentation.tif", segmentation)
    names = ["background", "nucleus"]
    classifier.save(folder / "nuclei.ilp", trained.pixels, trained.strokes, axes="yx", class_names=names)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
