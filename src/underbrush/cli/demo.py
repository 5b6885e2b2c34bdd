"""`underbrush demo`: a sample project in the app, or a picture of it and of its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from underbrush.engine.model import Model


NAME = "sample.ilp"


def demo(
    out: Annotated[
        Path | None, typer.Option(help="Folder for the sample.", show_default="~/Underbrush/sample")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, open no browser.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="Port, 0 for any; the next one where it is taken.", show_default="the last used"),
    ] = None,
    picture: Annotated[
        bool, typer.Option("--picture", help="Classify the images and draw a picture; no app.")
    ] = False,
) -> int:
    """Make a sample project (images, classes, strokes) and open it in the app."""
    from underbrush.cli.app import serve
    from underbrush.cli.machine import usable_cores

    folder = out or Path.home() / "Underbrush" / "sample"
    project = folder / NAME

    def make() -> None:
        from underbrush.engine.sample_project import make_sample

        # A sample that somebody has worked on is theirs: it is used as it is.
        if not project.exists():
            make_sample(folder)

    typer.echo(f"Sample project: {project}")
    if not picture:
        return serve([project], port=port, browser=not no_browser, make=make)
    from underbrush.engine.model import model_of
    from underbrush.project.read import read_project
    from underbrush.web.starting import can_show_browser

    make()
    drawn = draw_sample(model_of(read_project(project), usable_cores()), folder, usable_cores())
    typer.echo(f"Picture of image, strokes and result: {drawn}")
    if not no_browser and can_show_browser():
        typer.launch(str(drawn))
    return 0


def draw_sample(model: Model, folder: Path, threads: int) -> Path:
    """Classify the sample's images and draw the first one; gives the path of the picture in ``folder``."""
    import numpy as np

    from underbrush.core.geometry import Box
    from underbrush.core.labels import paint
    from underbrush.engine import picture
    from underbrush.engine.batch import Limits, Request, predict_file
    from underbrush.engine.memory import memory_cap
    from underbrush.engine.naming import DEFAULT_PATTERN, Naming, output_path
    from underbrush.project.read import read_project
    from underbrush.project.resolve import resolve_source
    from underbrush.sinks.base import OutputSpec
    from underbrush.sinks.formats import open_sink
    from underbrush.sources.opening import open_image

    project = read_project(model.path)
    panels: list[picture.Picture] = []
    for lane in project.lanes:
        found = resolve_source(lane.raw, project)
        address = found.address or lane.raw.stored
        output = output_path(DEFAULT_PATTERN, address, Naming(model.path, "segmentation"), ".tif")
        done = predict_file(model, Request(address, output, "tiff"), Limits(threads, memory_cap(None)))
        typer.echo(f"Result: {done.output} ({done.seconds:.1f} s)")
        if panels:
            continue
        with open_image(address, lane.raw.axes) as image, open_image(output) as result:
            grey = picture.grey_picture(image.read()[0, 0, 0])
            strokes = paint(lane.labels, image.shape5)[0, 0, 0]
            classes = result.read()[0, 0, 0]
        panels = [
            grey,
            picture.with_strokes(grey, strokes, model.class_colors),
            picture.with_segmentation(grey, classes, model.class_colors),
        ]
    sheet = picture.side_by_side(panels, ("Image", "A few strokes", "Every pixel classified"))
    path = folder / "sample.png"
    block = np.ascontiguousarray(sheet.transpose(2, 0, 1))[None, :, None]
    spec = OutputSpec(path=path, shape=(1, 3, 1, *sheet.shape[:2]), axes="yxc", dtype=sheet.dtype)
    with open_sink(spec, "png") as sink:
        sink.write(Box.whole(spec.shape), block)
    return path
