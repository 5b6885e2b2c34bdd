"""`underbrush info`: what an image or a project is, and what is wrong with it."""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underbrush import __version__
from underbrush.cli.machine import counted
from underbrush.errors import UsageError

if TYPE_CHECKING:
    from underbrush.project.schema import Project
    from underbrush.sources.base import Image

SCHEMA = 1


def info(
    file: Annotated[
        str | None, typer.Argument(help="An image or a project (.ilp).", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    axes: Annotated[str | None, typer.Option(help="Read the image's axes in this order, as in zyx.")] = None,
    system: Annotated[bool, typer.Option("--system", help="Versions and machine, for a report.")] = False,
) -> None:
    """Say what an image or a project is: axes, shape, pixel size; classes, strokes, features, problems."""
    if system == (file is not None):
        raise UsageError("name one file, or --system", remedy="write underbrush info FILE")
    if file is None:
        described = describe_system()
    elif Path(file).suffix.lower() == ".ilp":
        from underbrush.engine.current import read_current
        from underbrush.project.stages import stages_of

        stages = stages_of(Path(file))
        described = describe_stages(stages) if stages else describe_project(read_current(Path(file)))
    else:
        from underbrush.sources.opening import open_image

        with open_image(file, axes) as image:
            described = describe_image(image)
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, **described}, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo("\n".join(_lines(described)))


def describe_image(image: Image) -> dict[str, Any]:
    """What `info --json` says of an image."""
    return {
        "kind": "image",
        "location": image.info.location,
        "axes": image.axes,
        "axes_known": image.info.axes_known,
        "shape": list(image.shape),
        "dtype": str(image.dtype),
        "pixel_size": {a: [size, unit] for a, (size, unit) in image.pixel_size.items()},
        "levels": [list(level) for level in image.levels],
        "level_names": list(image.info.level_names),
        "channels": list(image.info.channels),
        "display": [list(window) for window in image.info.display],
        "problems": list(image.info.problems),
    }


def describe_project(project: Project) -> dict[str, Any]:
    """What `info --json` says of a project; images that are missing are among the problems."""
    from underbrush.project.resolve import resolve_source

    problems = list(project.problems)
    lanes = []
    for lane in project.lanes:
        found = resolve_source(lane.raw, project)
        if found.problem:
            problems.append(found.problem)
        lanes.append(
            {
                "nickname": lane.nickname,
                "path": lane.raw.stored,
                "found": found.address,
                "axes": lane.raw.axes,
                "shape": None if lane.raw.shape is None else list(lane.raw.shape),
                "pixel_size": {a: [size, unit] for a, (size, unit) in lane.raw.pixel_size.items()},
                "labels": {str(k): n for k, n in sorted(lane.label_counts.items())},
            }
        )
    forest = project.forest
    selection = project.selection
    return {
        "kind": "project",
        "location": str(project.path),
        "version": project.version,
        "lanes": lanes,
        "classes": [
            {"value": k, "name": c.name, "color": "#{:02x}{:02x}{:02x}".format(*c.colour)}
            for k, c in enumerate(project.classes, start=1)
        ],
        "features": None
        if selection is None
        else {
            "filters": list(selection.filters),
            "scales": list(selection.scales),
            "matrix": [list(row) for row in selection.matrix],
            "in_2d": None if selection.in_2d is None else list(selection.in_2d),
        },
        "classifier": None
        if forest is None
        else {
            "trees": forest.n_trees,
            "features": forest.n_features,
            "classes": [int(k) for k in forest.classes],
            "digest": forest.digest,
        },
        "problems": problems,
    }


def describe_stages(stages: tuple[Project, ...]) -> dict[str, Any]:
    """What `info --json` says of an Autocontext project: the last stage as a project, and each stage."""
    each = [describe_project(project) for project in stages]
    problems = list(dict.fromkeys(problem for stage in each for problem in stage["problems"]))
    return {**each[-1], "problems": problems, "stages": [{**stage, "problems": []} for stage in each]}


def describe_system() -> dict[str, Any]:
    """Versions and machine."""
    packages = ("numpy", "numba", "llvmlite", "h5py", "tifffile", "imagecodecs", "pillow")
    return {
        "kind": "system",
        "underbrush": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "executable": sys.executable,
        "packages": {name: _version(name) for name in packages},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _lines(described: dict[str, Any]) -> list[str]:
    if described["kind"] == "image":
        return _image_lines(described)
    if "stages" in described:
        lines = [described["location"]]
        for k, stage in enumerate(described["stages"], start=1):
            lines += [f"stage {k} of {len(described['stages'])}", *_project_lines(stage)[1:]]
        return lines + [f"  ! {p}" for p in described["problems"]]
    if described["kind"] == "project":
        return _project_lines(described)
    lines = [f"{k:<12}{v}" for k, v in described.items() if k not in ("kind", "packages")]
    return lines + [f"{k:<12}{v}" for k, v in described["packages"].items()]


def _image_lines(d: dict[str, Any]) -> list[str]:
    sizes = " x ".join(str(n) for n in d["shape"])
    lines = [
        d["location"],
        f"  axes        {d['axes']}{'' if d['axes_known'] else '  (not stated by the file)'}",
    ]
    lines += [f"  shape       {sizes}", f"  dtype       {d['dtype']}"]
    if d["pixel_size"]:
        size = ", ".join(f"{a} {v:g} {unit}" for a, (v, unit) in d["pixel_size"].items())
        lines.append(f"  pixel size  {size}")
    if len(d["levels"]) > 1:
        levels = ", ".join("x".join(str(n) for n in level) for level in d["levels"])
        lines.append(f"  levels      {levels}")
        if d["level_names"]:
            lines.append(f"  their keys  {', '.join(d['level_names'])}")
    if d["channels"]:
        lines.append(f"  channels    {', '.join(d['channels'])}")
    if d["display"]:
        lines.append(f"  display     {', '.join(f'{low:g} to {high:g}' for low, high in d['display'])}")
    return lines + [f"  ! {p}" for p in d["problems"]]


def _project_lines(d: dict[str, Any]) -> list[str]:
    lines = [d["location"], f"  version     {d['version']}"]
    for c in d["classes"]:
        n = sum(lane["labels"].get(str(c["value"]), 0) for lane in d["lanes"])
        lines.append(f"  class {c['value']:<6}{c['name']}  {c['color']}  {n} labelled pixels")
    features = d["features"]
    ticked = 0 if features is None else sum(sum(row) for row in features["matrix"])
    lines.append(f"  features    {f'{ticked} of filters x scales chosen' if ticked else 'none chosen'}")
    trained = d["classifier"]
    lines.append(
        "  classifier  "
        + (
            f"{counted(trained['trees'], 'tree')} on {counted(trained['features'], 'feature')}"
            if trained
            else "none stored"
        )
    )
    for lane in d["lanes"]:
        shape = "" if lane["shape"] is None else " x ".join(str(n) for n in lane["shape"])
        strokes = sum(lane["labels"].values())
        axes = "" if lane["axes"] is None else f"({lane['axes']})"
        lines.append(f"  image       {lane['nickname']}  {shape} {axes}  {strokes} labelled pixels")
    return lines + [f"  ! {p}" for p in d["problems"]]
