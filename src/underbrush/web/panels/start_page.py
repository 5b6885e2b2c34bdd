"""The start screen: drop, browse, path, open, recent, sample."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import background_tasks, ui

from underbrush import __version__
from underbrush.errors import SeveralImagesError, UnderbrushError
from underbrush.web.hub import load_engine
from underbrush.web.panels.gauges import Gauges
from underbrush.web.panels.image_choices import image_choices
from underbrush.web.panels.opening import expanded
from underbrush.web.panels.parts import Part
from underbrush.web.panels.place_acts import PLACE_ACTS, PlaceActs
from underbrush.web.panels.preparing import follow_preparing

if TYPE_CHECKING:
    from underbrush.web.hub import Hub

_LOG = logging.getLogger(__name__)


def recent_rows(hub: Hub) -> list[dict[str, Any]]:
    """The five projects that were opened last, as the part ``Start`` shows them. Looks at the disk."""
    return [
        {
            "project": one.id,
            "path": str(one.path),
            "name": one.path.name,
            "date": one.opened.isoformat(),
            "missing": one.missing,
            "thumbnail": _picture(hub, one.id),
        }
        for one in hub.recent()
    ]


def _picture(hub: Hub, ident: str) -> str:
    """The address of the picture that is kept of a project; empty where there is none."""
    return "" if hub.recent_list.thumbnail(ident) is None else f"/api/recent/{ident}/thumbnail"


def build_start_page(hub: Hub, gauges: Gauges) -> None:
    """Build the page for the client that asked for it."""
    page = _StartPage(hub)
    with ui.element("div").classes("app plain"):
        bar = Part("Topbar", page.act, bare=True, version=__version__, **gauges.texts())
        with ui.element("main").classes("main start-main"):
            page.start = Part("Start", page.act, recent=recent_rows(hub), busy="")
        status = Part("StartStatus")
        page.toast = Part("Toast")
        Part("FilesDialog", page.act)
        page.place = Part("ProjectPlace", page.act)
        page.choice = Part("ImageChoice", page.act)
        Part("DropZone", page.act)
    follow_preparing(hub, status)
    ui.timer(2.0, lambda: bar.set(**gauges.texts()))


class _StartPage:
    """What the start screen does for one client."""

    start: Part
    toast: Part
    choice: Part
    place: Part

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._opening = False
        self._places = PlaceActs(hub, lambda name: self.toast if name == "Toast" else self.place)

    async def act(self, wanted: dict[str, Any]) -> None:
        """Open what was chosen; one thing at a time."""
        if wanted["name"] in PLACE_ACTS:
            await self._places.act(wanted, None)
            return
        if self._opening:
            return
        paths, project = wanted.get("paths"), wanted.get("project")
        if wanted["name"] == "sample":
            await self._open("the sample", lambda: open_sample(self._hub))
        elif wanted["name"] == "recent" and isinstance(project, str):
            # By its id: it may lie outside the folders that are shown, and was opened before all the same.
            await self._open("the project", lambda: self._again(project))
        elif wanted["name"] == "open" and isinstance(paths, list) and all(isinstance(p, str) for p in paths):
            first = paths[0].replace("\\", "/").rpartition("/")[2] if paths else ""
            await self._open(first, lambda: open_named(self._hub, paths), wanted)

    def _again(self, project: str) -> str:
        """Somebody wants it: also where it was closed before."""
        self._hub.visit(project)
        return project

    async def _open(self, what: str, begin: Callable[[], str], wanted: dict[str, Any] | None = None) -> None:
        self._opening = True
        late = background_tasks.create(self._say_late(what), name="slow opening")
        try:
            ident = await asyncio.to_thread(begin)
            await self._hub.ready(ident)
        except SeveralImagesError as several:
            await self._choose(several, wanted or {})
            return
        except UnderbrushError as error:
            self.toast.say(error.sentence, "error")
            return
        except Exception as error:  # noqa: BLE001  (a click that does nothing says nothing)
            _LOG.exception("opening failed")
            self.toast.say(defect(error), "error")
            return
        finally:
            late.cancel()
            self._opening = False
            self.start.set(busy="", recent=await asyncio.to_thread(recent_rows, self._hub))
        ui.navigate.to(f"/p/{ident}")

    async def _choose(self, several: SeveralImagesError, wanted: dict[str, Any]) -> None:
        """A file holds several images: the person says which of them begin the project."""
        named = [path for path in wanted.get("paths") or [] if isinstance(path, str)]
        files = await asyncio.to_thread(expanded, named, self._hub.roots, self._hub.settings.confined)
        data = await asyncio.to_thread(image_choices, several, {"name": "open", "paths": files})
        self.choice.set(several=data, asked=data["asked"])

    async def _say_late(self, what: str) -> None:
        await asyncio.sleep(0.3)
        self.start.set(busy=f"Opening {what} ...")


def defect(error: Exception) -> str:
    """The sentence for what should not have happened; the log has the rest."""
    return f"A defect in Underbrush ({type(error).__name__}: {error}); please report it."


def open_named(hub: Hub, paths: list[str]) -> str:
    """Begin to open a project, or images as a new one; gives its id.

    Raises
    ------
    UnderbrushError
        A path may not be seen, or nothing fits, or the folder for new projects cannot be written.
    """
    from underbrush.web.routes import open_paths  # noqa: PLC0415  (the routes import much)

    return open_paths(hub, expanded(paths, hub.roots, hub.settings.confined), ask=True)


def open_sample(hub: Hub) -> str:
    """Begin to open the sample; it is made if it is not there yet."""
    load_engine()
    from underbrush.engine.sample_project import PROJECT_NAME, make_sample  # noqa: PLC0415  (numba: late)

    folder = hub.settings.new_projects / "sample"
    path = folder / PROJECT_NAME
    if not path.exists():
        make_sample(folder)
    return hub.open(path)
