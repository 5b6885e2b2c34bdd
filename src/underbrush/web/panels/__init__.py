"""The pages: start screen and project window. `add_pages` puts them into the app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nicegui import ui

from underbrush.web.panels.gauges import Gauges
from underbrush.web.panels.page_files import CACHE_CONTROL, PARTS, VIEWER, add_preloads, serve_files
from underbrush.web.panels.project_page import build_project_page
from underbrush.web.panels.start_page import build_start_page

if TYPE_CHECKING:
    from fastapi import FastAPI

    from underbrush.web.hub import Hub

LOOK = Path(__file__).parent.parent / "look"
MARK = (LOOK / "mark.svg").read_text(encoding="utf-8")
AWAY = 600
"""Seconds without a network after which a page finds its panels; later it is loaded anew, under the hand."""


def _style() -> None:
    """The look, in the head: the page is never seen without it."""
    css = "\n".join(
        (LOOK / name).read_text(encoding="utf-8")
        for name in (
            "tokens.css",
            "app.css",
            "export.css",
            "features.css",
            "settings.css",
            "images.css",
            "states.css",
        )
    )
    ui.add_head_html(f"<style>\n{css}\n</style>")


def add_pages(app: FastAPI, hub: Hub) -> None:
    """Add ``/`` and ``/p/{ident}`` with NiceGUI behind them; last, for it answers every address."""
    gauges = Gauges(hub.settings.memory)

    @ui.page("/", title="Underbrush", favicon=MARK, dark=True)
    def start() -> None:
        _style()
        add_preloads(PARTS)
        build_start_page(hub, gauges)

    @ui.page("/p/{ident}", title="Underbrush", favicon=MARK, dark=True, reconnect_timeout=AWAY)
    def project(ident: str) -> None:
        _style()
        add_preloads(PARTS, VIEWER)
        build_project_page(hub, gauges, ident)

    serve_files(app)
    ui.run_with(
        app,
        title="Underbrush",
        dark=True,
        tailwind=False,
        cache_control_directives=CACHE_CONTROL,
        gzip_middleware_factory=None,
        reconnect_timeout=30,
        show_welcome_message=False,
    )
