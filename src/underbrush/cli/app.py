"""`underbrush [PROJECT.ilp | IMAGE... | URL...]`: the app in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def app(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROJECT.ilp | IMAGE... | URL...]",
            help="A project, or images for a new one; nothing for the start screen.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines only get in where it is not loopback.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Port, 0 for any; the next one where it is taken.", show_default="the last used"),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, open no browser.")
    ] = False,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that may be seen; again for more.", show_default="home, current folder"),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Threads that compute.", show_default="all cores")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Peak memory, as in 4GB.", show_default="a quarter of all")
    ] = None,
    certfile: Annotated[
        Path | None, typer.Option(help="Certificate (PEM), to encrypt.", show_default=False)
    ] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its key (PEM).", show_default=False)] = None,
    trusted_host: Annotated[
        list[str] | None,
        typer.Option(help="Name of a proxy in front; again for more.", show_default=False),
    ] = None,
) -> int:
    """Open a project, start one from images, or show the start screen, in the browser."""
    from underbrush.errors import UsageError
    from underbrush.web.addresses import check_net, is_on_the_net

    addresses = tuple(word for word in files or () if is_on_the_net(word))
    for address in addresses:
        check_net(address, confined=bool(root))
    paths = [Path(word).expanduser() for word in files or () if word not in addresses]
    for path in paths:
        if not _may_be_opened(path):
            what = "is a folder" if path.is_dir() else "is neither a file nor a command"
            raise UsageError(f"this {what}", where=path, remedy="see underbrush --help")
        _check_content(path)
    return serve(
        paths,
        addresses=addresses,
        host=host,
        port=port,
        browser=not no_browser,
        roots=tuple(root or ()),
        limits=(jobs, memory),
        certificate=(certfile, keyfile),
        trusted=tuple(trusted_host or ()),
    )


def _check_content(path: Path) -> None:
    """Refuse a file that is neither project nor image here, not in the browser.

    A project that is damaged is opened: the window offers what can be recovered.
    """
    if path.is_file() and not path.name.lower().endswith((".ilp", ".ilp.zip")):
        from underbrush.sources.kinds import kind_of

        kind_of(path, str(path))


def _may_be_opened(path: Path) -> bool:
    """Whether it is a file, a folder that is an image, or names something in one (``cells.h5/raw``)."""
    from underbrush.sources.address import leads_to_file, split_options

    if path.is_dir():
        from underbrush.errors import ImageError
        from underbrush.sources.kinds import kind_of

        try:
            return bool(kind_of(path, str(path)))
        except ImageError:
            return False
    return path.is_file() or leads_to_file(split_options(str(path))[0])


def serve(
    paths: list[Path],
    *,
    addresses: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    roots: tuple[Path, ...] = (),
    limits: tuple[int | None, str | None] = (None, None),
    certificate: tuple[Path | None, Path | None] = (None, None),
    trusted: tuple[str, ...] = (),
    make: Callable[[], object] | None = None,
) -> int:
    """Run the server until it is stopped; gives the exit status.

    ``limits`` are jobs and memory as given; ``make`` makes the project that is named, before it is opened.
    """
    from underbrush.cli.machine import memory_of, usable_cores
    from underbrush.config import load_settings, parse_jobs
    from underbrush.web.starting import Options, run_server

    settings = load_settings()
    return run_server(
        Options(
            paths=tuple(paths),
            addresses=addresses,
            host=host,
            port=port,
            browser=browser,
            roots=roots,
            threads=parse_jobs(limits[0]) or settings.jobs or usable_cores(),
            memory=memory_of(limits[1], settings.memory),
            certificate=certificate[0],
            key=certificate[1],
            trusted=trusted,
            make=make,
        ),
        typer.echo,
    )
