"""An export in words that can be copied: a command, a few lines of Python, a sentence for the paper."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from underbrush import __version__
from underbrush.core.features.selection import FeatureSelection
from underbrush.core.forest.nodes import Forest
from underbrush.engine.batch import Request
from underbrush.engine.export_wish import FREE_AXES, Wish, full_pattern
from underbrush.engine.model import Model
from underbrush.engine.naming import Naming, output_path
from underbrush.engine.object_classes import NOT_CHOSEN, Chosen
from underbrush.engine.own import TRAINED
from underbrush.errors import UnderbrushError
from underbrush.project.document import Document

Group = tuple[str, str | None, list[Request]]
"""A path or pattern, an order of axes, and the requests that share them."""
RESULT_WORDS = {
    "segmentation": "segmented",
    "probabilities": "turned into class probabilities",
    "uncertainty": "turned into maps of uncertainty",
    "features": "turned into feature images",
    "objects": "segmented into objects",
    "labels": "labelled",
}
FILTER_WORDS = {
    "GaussianSmoothing": "Gaussian smoothing",
    "LaplacianOfGaussian": "Laplacian of Gaussian",
    "GaussianGradientMagnitude": "Gaussian gradient magnitude",
    "DifferenceOfGaussians": "difference of Gaussians",
    "StructureTensorEigenvalues": "eigenvalues of the structure tensor",
    "HessianOfGaussianEigenvalues": "eigenvalues of the Hessian of Gaussian",
}


def _groups(wish: Wish, project: Path, requests: Sequence[Request]) -> list[Group]:
    """Requests that one command writes: the pattern gives their paths, or each has its own."""
    pattern = full_pattern(wish) + wish.suffix
    found: list[Group] = []
    shared: dict[tuple[str | None, bool], Group] = {}
    for request in requests:
        try:
            plain = output_path(pattern, request.image, Naming(project, wish.result), wish.suffix)
        except UnderbrushError:
            plain = None
        if plain != request.output:
            found.append((str(request.output), request.axes, [request]))
            continue
        key = (request.axes, request.mask is None)
        if key not in shared:
            shared[key] = (pattern, request.axes, [])
            found.append(shared[key])
        shared[key][2].append(request)
    return found


def _options(wish: Wish) -> dict[str, str]:
    """Options by their names in Python, as texts; those that are as by default are left out."""
    dtype, ranges = wish.stored_dtype, wish.ranges
    said = {
        "result": wish.result,
        "format": wish.format,
        "dtype": "" if dtype is None else dtype.name,
        "rescale": "" if ranges is None else ",".join(f"{a:.17g}:{b:.17g}" for a, b in ranges),
        "region": ",".join(
            f"{a}={'' if p is None else p}:{'' if q is None else q}" for a, (p, q) in wish.region.items()
        ),
        "output_axes": (wish.axes or "") if wish.format in FREE_AXES else "",
        "classifier": wish.classifier or "",
    }
    return {name: value for name, value in said.items() if value}


def _classes(group: Sequence[Request]) -> dict[str, str]:
    """The option that names the classes of objects, where they are not the usual ones."""
    words = group[0].manner.objects
    return {"classes": ",".join(words)} if words else {}


def _left_out(names: Sequence[str]) -> list[str]:
    """Lines about images that only the project knows how to put together from their files."""
    return [
        f"# {name!r} is not here: only the window knows how its files are laid together." for name in names
    ]


def command_text(wish: Wish, project: Path, requests: Sequence[Request], left_out: Sequence[str] = ()) -> str:
    """What writes the same files from a shell, a line for each group of images."""
    lines = _left_out(left_out)
    for output, axes, group in _groups(wish, project, requests):
        words = ["underbrush", "predict", str(project), *(r.image for r in group), "--output", output]
        # Strokes are written with the axes of the project.
        named = {"axes": axes} if axes and wish.result != "labels" else {}
        for name, value in {**_options(wish), **_classes(group), **named}.items():
            words += [f"--{name.replace('_', '-')}", value]
        if wish.result != "labels":
            words += [word for r in group if r.mask for word in ("--mask", r.mask)]
        lines.append(shlex.join(words))
    return "\n".join(lines)


def python_text(wish: Wish, project: Path, requests: Sequence[Request], left_out: Sequence[str] = ()) -> str:
    """What writes the same files from Python; empty for labels."""
    if wish.result == "labels":
        return ""
    lines = [*_left_out(left_out), "import underbrush", ""]
    for output, axes, group in _groups(wish, project, requests):
        images = [r.image for r in group]
        masks = [r.mask for r in group if r.mask]
        extra: dict[str, Any] = {**_options(wish), **({"axes": axes} if axes else {})}
        if group[0].manner.objects:
            extra["classes"] = list(group[0].manner.objects)
        if masks:
            extra["masks"] = masks
        lines += ["underbrush.predict_files(", f"    {str(project)!r},", "    ["]
        lines += [f"        {image!r}," for image in images]
        lines += ["    ],", f"    {output!r},"]
        lines += [f"    {name}={value!r}," for name, value in extra.items()]
        lines.append(")")
    return "\n".join(lines) + "\n"


def stroke_counts(document: Document) -> dict[str, Any]:
    """Strokes, labelled pixels and images with strokes of a document."""
    strokes = pixels = images = 0
    for lane in document.lane_order:
        labels = document.map_of(lane)
        if not labels:
            continue
        images += 1
        for n_strokes, n_pixels in labels.strokes.by_class.values():
            strokes, pixels = strokes + n_strokes, pixels + n_pixels
    return {"strokes": strokes, "pixels": pixels, "images": images}


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def features_text(selection: FeatureSelection) -> str:
    """``Gaussian smoothing and Laplacian of Gaussian at sigma 0.7 to 10 px``."""
    used = [i for i, row in enumerate(selection.matrix) if any(row)]
    filters = [FILTER_WORDS.get(selection.filters[i], selection.filters[i]) for i in used]
    scales = sorted(
        {s for row in selection.matrix for s, on in zip(selection.scales, row, strict=True) if on}
    )
    return f"{_listed(filters)} at sigma {_listed([f'{s:g}' for s in scales])} px"


def methods_text(wish: Wish, document: Document, facts: Mapping[str, Any]) -> str:
    """A sentence or two for a paper: versions, features, strokes, seed.

    ``facts`` has ``selection``, ``features`` (their number), ``trees``, ``seed``, ``classes``, ``objects``
    (names of their classes) and ``came``: the classifier came with the project file, and nothing else is
    known of its training.
    """
    now = [document.classes[k].info.name for k in document.class_order]
    names = _listed(facts.get("classes") or now or ["no class"])
    counts = stroke_counts(document)
    painted = (
        f"{_counted(counts['strokes'], 'stroke')} ({_counted(counts['pixels'], 'pixel')}) "
        f"in {_counted(counts['images'], 'image')}"
    )
    if wish.result == "labels":
        return f"Pixels were labelled by hand with Underbrush {__version__} as {names}: {painted}."
    how = features_text(facts["selection"])
    made = RESULT_WORDS[wish.result]
    if wish.result == "objects":
        made = f"segmented into objects of {_listed(facts['objects'])} that hang together"
    forest = f"random forest, {_counted(facts['trees'], 'tree')}, seed {facts['seed']}"
    if wish.classifier is None:
        source = f"trained on {painted}"
    else:
        source = f"the classifier kept as {wish.classifier!r}"
        forest = f"random forest, {_counted(facts['trees'], 'tree')}"
    if wish.classifier is None and facts["came"]:
        source = "the classifier that came with the project"
        forest = f"random forest, {_counted(facts['trees'], 'tree')}"
    return (
        f"Images were {made} by pixel classification with Underbrush {__version__} "
        f"({forest}; {source}; classes {names}). "
        f"Pixels were described by {_counted(facts['features'], 'feature')}: {how}."
    )


def method_facts(model: Model | None, document: Document, objects: Chosen = NOT_CHOSEN) -> dict[str, Any]:
    """The facts that `methods_text` takes; none for labels."""
    if model is None:
        return {}
    forest = model.recipe.forest
    return {
        "selection": model.recipe.selection,
        "features": forest.n_features,
        "trees": forest.n_trees,
        "seed": document.settings.seed,
        "came": came_with_file(forest, document),
        "classes": list(model.class_names),
        "objects": list(objects.names),
    }


def came_with_file(forest: Forest, document: Document) -> bool:
    """Whether a forest was in the project file when it was opened, and not trained by this program."""
    stored = document.trained
    return (
        stored is not None
        and stored.forest.digest == forest.digest
        and document.base.own.get(TRAINED) != forest.digest
    )
