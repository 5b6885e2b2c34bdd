"""run.json beside results: what they were made with, and which of them need not be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from underbrush import __version__
from underbrush.engine.export_jobs import now_text
from underbrush.engine.export_texts import came_with_file, stroke_counts
from underbrush.engine.export_wish import Wish
from underbrush.engine.model import Model
from underbrush.engine.object_classes import NOT_CHOSEN, Chosen
from underbrush.errors import OutputError, UnderbrushError
from underbrush.files import Replacing
from underbrush.project.document import Document
from underbrush.sinks import places
from underbrush.sources.address import parse_address

NAME = "run.json"
OTHER_NAME = "underbrush-run.json"
"""Where `NAME` is taken by a file of another program."""
SCHEMA = 1
MOST_BYTES = 64_000_000


def run_key(wish: Wish, model: Model | None, labels: str = "", objects: Chosen = NOT_CHOSEN) -> str:
    """A hash of all that a result depends on, the image excepted: recipe, classes, how it is written."""
    apart = ("pattern", "existing", "classifier", "objects")
    said = {k: v for k, v in wish.to_json().items() if k not in apart}
    if objects.words:  # values and not ids, which may be given to other classes
        said["objects"] = list(objects.values)
    parts = [json.dumps(said, sort_keys=True), labels]
    if model is not None:
        parts += [model.recipe.key, repr(model.class_names), repr(model.class_colors)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def stamp_of(address: str | None) -> list[Any] | None:
    """Size and time of the file behind an address; None where it is none, or not there."""
    if address is None:
        return None
    try:
        return file_stamp(parse_address(address).path)
    except (OSError, ValueError, UnderbrushError):  # an address of the web
        return None


def file_stamp(path: Path) -> list[Any] | None:
    """Size and time of a file, or of what stands for it; None where there is none."""
    try:
        return places.stamp_of(path)
    except OSError:
        return None


def file_digest(path: Path) -> str:
    """sha256 of a file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Record:
    """The runs whose results lie in one folder."""

    path: Path
    runs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record of a folder, empty where there is none. A file that is not ours stays as it is."""
        runs = _runs(folder / NAME)
        if runs is not None:
            return cls(folder / NAME, runs)
        return cls(folder / OTHER_NAME, _runs(folder / OTHER_NAME) or [])

    @staticmethod
    def read_file(path: Path) -> list[dict[str, Any]]:
        """The runs of one file; empty where it is not there or not ours."""
        return _runs(path) or []

    def done_before(self, key: str, image: str, stamps: list[Any]) -> dict[str, Any] | None:
        """The result of an image that a run of this key left, if image and result are as they were."""
        for run in self.runs:
            if run.get("key") != key:
                continue
            for name, result in run.get("results", {}).items():
                output = self.path.parent / name
                if result.get("image") != image or result.get("stamps") != stamps or None in stamps[:1]:
                    continue
                if result.get("output_stamp") == file_stamp(output):
                    return {**result, "output": str(output)}
        return None

    def add(self, key: str, facts: Mapping[str, Any], name: str, result: Mapping[str, Any]) -> None:
        """A result was written; earlier runs no longer have a file of this name."""
        for other in self.runs:
            other.get("results", {}).pop(name, None)
        run: dict[str, Any] = next((r for r in self.runs if r.get("key") == key), {})
        if not run:
            run = {"key": key, "results": {}}
            self.runs.append(run)
        done = run["results"]
        done[name] = dict(result)
        run.update({**facts, "results": done})
        self.runs = [r for r in self.runs if r.get("results")]

    def write(self) -> None:
        """Put it on the disk, complete or not at all.

        Raises
        ------
        OutputError
            The disk is full or gone.
        """
        text = json.dumps({"schema": SCHEMA, "program": "underbrush", "runs": self.runs}, indent=1)
        file = Replacing(self.path)
        try:
            file.file.write(text.encode())
            file.commit()
        except BaseException:
            file.abort()
            raise


def _runs(path: Path) -> list[dict[str, Any]] | None:
    """The runs of a file; empty where there is no file, None where it is not ours."""
    try:
        if not path.exists():
            return []
        if path.stat().st_size > MOST_BYTES:
            return None
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("program") != "underbrush" or said.get("schema") != SCHEMA:
        return None
    runs = said.get("runs")
    proper = isinstance(runs, list) and all(
        isinstance(r, dict) and isinstance(r.get("results"), dict) for r in runs
    )
    return runs if proper else None


def check_record(folder: Path) -> None:
    """Refuse a folder in which no record can be kept.

    Raises
    ------
    OutputError
        Both names are taken by files that are not ours.
    """
    if _runs(folder / NAME) is None and _runs(folder / OTHER_NAME) is None:
        raise OutputError(
            f"both {NAME} and {OTHER_NAME} are files of another program", where=folder,
            remedy="choose another folder",
        )  # fmt: skip


def run_facts(
    wish: Wish, project: Path, model: Model | None, document: Document, objects: Chosen = NOT_CHOSEN
) -> dict[str, Any]:
    """What run.json says of a run beside its results."""
    came = model is not None and not wish.classifier and came_with_file(model.recipe.forest, document)
    said: dict[str, Any] = {
        "software": f"underbrush {__version__}",
        "numpy": np.__version__,
        "project": str(project),
        "project_sha256": file_digest(project),
        "wish": wish.to_json(),
        "classes": [document.classes[k].info.name for k in document.class_order],
        "strokes": None if wish.classifier or came else stroke_counts(document),
        "began": now_text(),
    }
    if objects.names:
        said["objects_of"] = list(objects.names)
    if model is None:
        return said
    return {
        **said,
        **model_facts(model),
        "came_with_project": came,
        "seed": None if wish.classifier or came else document.settings.seed,
    }


def model_facts(model: Model) -> dict[str, Any]:
    """What run.json says of classes, features and forest."""
    recipe = model.recipe
    selection = recipe.selection
    return {
        "classes": list(model.class_names),
        "recipe": recipe.key,
        "classifier": recipe.forest.digest,
        "trees": recipe.forest.n_trees,
        "features": {
            "count": recipe.forest.n_features,
            "filters": list(selection.filters),
            "scales": list(selection.scales),
            "matrix": [list(map(bool, row)) for row in selection.matrix],
            "in_2d": None if selection.in_2d is None else list(selection.in_2d),
            "channels": None if recipe.channels is None else list(recipe.channels),
        },
        "notices": list(model.notices),
    }
