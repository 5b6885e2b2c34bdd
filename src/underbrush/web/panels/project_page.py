"""The window of one project: the viewer and all panels round it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import background_tasks, ui

from underbrush import __version__
from underbrush.engine.views import ViewProgress
from underbrush.errors import SeveralImagesError, UnderbrushError
from underbrush.web.addresses import is_on_the_net
from underbrush.web.panels.embed_acts import EMBED_ACTS, EmbedActs
from underbrush.web.panels.feature_cost import told_cost
from underbrush.web.panels.gauges import Gauges
from underbrush.web.panels.image_acts import acted, adding, first_features
from underbrush.web.panels.image_choices import image_choices, level_choices
from underbrush.web.panels.image_facts import ImageFacts
from underbrush.web.panels.import_acts import IMPORT_ACTS, ImportActs
from underbrush.web.panels.label_acts import LabelActs
from underbrush.web.panels.opening import expanded
from underbrush.web.panels.parts import Part
from underbrush.web.panels.place_acts import PLACE_ACTS, PlaceActs
from underbrush.web.panels.preparing import follow_preparing
from underbrush.web.panels.project_reader import ProjectReader
from underbrush.web.panels.start_page import defect, open_named, open_sample
from underbrush.web.panels.training_facts import TrainingFacts
from underbrush.web.panels.version_acts import copy_place, restore_named, save_copy, version_data

if TYPE_CHECKING:
    from nicegui.client import Client

    from underbrush.engine.session import Session
    from underbrush.web.hub import Hub

_LOG = logging.getLogger(__name__)

IMAGE_ACTS = EMBED_ACTS | {"sequence", "replace", "mask", "repair", "link", "level"}
"""What step 1 asks for beyond adding images."""
SAFETY_ACTS = frozenset({"start", "save", "told", "versions", "restore", "copy", "copyPlace"})
"""What keeps things from being lost; see `version_acts`."""
LABEL_ACTS = frozenset({"labels", "labelsLook", "labelsImport", "labelsLeave"})


def build_project_page(hub: Hub, gauges: Gauges, ident: str) -> None:
    """Build the page for the client that asked for it; the session is waited for behind it."""
    page = _ProjectPage(hub, ident, ui.context.client)
    page.build(gauges)
    background_tasks.create(page.join(), name=f"window of {ident}")


class _ProjectPage:
    """One window: its parts, and what it hears of the session."""

    def __init__(self, hub: Hub, ident: str, client: Client) -> None:
        self._hub = hub
        self._ident = ident
        self._client = client
        self._parts: dict[str, Part] = {}
        self._session: Session | None = None
        self._reading: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._places = PlaceActs(hub, self._parts.__getitem__, ident)
        self._embedding = EmbedActs(self._parts.__getitem__)
        self._importing = ImportActs(hub, self._parts.__getitem__)

    # -- layout ---------------------------------------------------------------------------------------

    def build(self, gauges: Gauges) -> None:
        """All parts; those that need the session are empty until it is there."""
        self._frame = ui.element("div").classes("app").props("data-step=3")
        with self._frame:
            bar = self._part("Topbar", version=__version__, **gauges.texts())
            self._part("Banner", retry=True, elsewhere=True)
            self._build_left()
            self._build_main()
            with ui.element("aside").classes("right").props('aria-label="Layers and quality"'):
                with ui.element("div").classes("scroll unfolded").props("data-for=3"):
                    self._part("Layers")
                    self._part("Quality")
                with ui.element("div").classes("scroll unfolded").props("data-for=2"):
                    self._part("FeatureImages")
                with ui.element("div").classes("scroll").props("data-for=1"):
                    self._part("ImageProperties")
                with ui.element("div").classes("scroll").props("data-for=4"):
                    self._part("ExportFacts")
                with ui.element("div").classes("scroll").props("data-for=5"):
                    self._part("BatchFacts")
                self._part("Rail")
            status = self._part("Status")
            for name in ("KeysDialog", "SettingsDialog", "FilesDialog", "ImageChoice", "LabelImport"):
                self._part(name)
            for name in ("FoundNotices", "VersionsDialog", "CopyDialog", "ProjectPlace", "ProjectImport"):
                self._part(name)
            self._part("DropZone", project=self._ident)
        follow_preparing(self._hub, status)
        self._timer = ui.timer(2.0, lambda: bar.set(**gauges.texts()))

    def _build_left(self) -> None:
        with ui.element("aside").classes("left").props('aria-label="Step"'):
            self._part("Steps")
            with ui.element("div").classes("scroll").props("data-for=1"):
                self._part("AddImages")
            with ui.element("div").classes("scroll").props("data-for=2"):
                for name in ("Presets", "FeatureChannels", "FeatureScales"):
                    self._part(name)
            with ui.element("div").classes("scroll").props("data-for=3"):
                self._part("Tools")
                self._part("Classes")
                self._part("Classifiers")
                self._part("Strokes")
            with ui.element("div").classes("scroll").props("data-for=4"):
                self._part("ExportChoice")
            with ui.element("div").classes("scroll").props("data-for=5"):
                self._part("BatchChoice")

    def _build_main(self) -> None:
        with ui.element("main").classes("main"):
            with ui.element("div").classes("stack"):
                with ui.element("div").classes("viewer-area"):
                    self._part("ViewerFrame", project=self._ident)
                    self._part("ShownClassifier")
                    self._part("KeysOffer")
                    self._part("Toast")
                self._part("Dims")
                self._part("Lanes")
            for step, name in (
                ("1", "ImageTable"),
                ("2", "FeatureTable"),
                ("4", "ExportPage"),
                ("5", "BatchPage"),
            ):
                see = "page-of see" if step == "2" else "page-of"
                with ui.element("div").classes(see).props(f"data-for={step}"):
                    self._part(name)

    def _part(self, name: str, **data: Any) -> Part:
        part = Part(name, self.act, **data)
        self._parts[name] = part
        return part

    # -- the session ----------------------------------------------------------------------------------

    async def join(self) -> None:
        """Wait for the project, show what it is, and listen to it as long as the window is there."""
        try:
            self._hub.visit(self._ident)
            session = await self._hub.ready(self._ident)
        except UnderbrushError as error:
            self._show_failure(error.sentence)
            return
        except Exception as error:  # noqa: BLE001  (nobody else would tell the person)
            _LOG.exception("a project could not be opened")
            self._show_failure(defect(error))
            return
        if self._gone():
            return
        self._session = session
        loop = asyncio.get_running_loop()

        def heard(event: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._heard, event)

        self._client.on_delete(session.listen(heard))
        self._reader = ProjectReader(session)
        self._facts = ImageFacts(session)
        self._training = TrainingFacts(session)
        self._labels = LabelActs(session)
        self._labels_turn = asyncio.Lock()
        if not session.told:
            self._parts["FoundNotices"].set(notices=list(session.notices))
        self._read_soon()

    def _show_failure(self, sentence: str) -> None:
        if self._gone():
            return
        self._timer.cancel()
        self._frame.delete()
        with self._client, ui.element("div").classes("failed"), ui.element("div").classes("empty"):
            ui.html(tag="h1", content="This project cannot be opened", sanitize=False).classes("strong")
            with ui.element("p"):
                ui.label(sentence)
            ui.link("Back to the start", "/")

    def _heard(self, event: object) -> None:
        # Tiles and views come by the dozen and say nothing that the panels show.
        kind = type(event).__name__
        complete = isinstance(event, ViewProgress) and event.done == event.total
        if complete or kind in {"LabelsChanged", "DocumentChanged", "TrainingChanged"}:
            self._read_soon()

    def _read_soon(self) -> None:
        """Read the session again, at most four times a second, never twice at once."""
        self._wanted.set()
        if self._reading is None or self._reading.done():
            self._reading = background_tasks.create(self._read(), name=f"panels of {self._ident}")

    def _gone(self) -> bool:
        """Whether the window was closed; it can be at every await."""
        return self._client.is_deleted

    async def _read(self) -> None:
        while self._wanted.is_set() and not self._gone():
            self._wanted.clear()
            try:
                found = await asyncio.to_thread(self._read_all)
            except UnderbrushError as error:
                self._parts["Toast"].say(error.sentence, "error")
                return
            except Exception as error:  # noqa: BLE001  (the panels would be silently old)
                _LOG.exception("the panels could not be read")
                self._parts["Toast"].say(defect(error), "error")
                return
            if self._gone():
                return
            for name, data in found.items():
                self._parts[name].set(**data)
            await asyncio.sleep(0.25)
            if self._facts.more:
                self._wanted.set()

    def _read_all(self) -> dict[str, dict[str, Any]]:
        found = {**self._reader.read(), **self._facts.read()}
        for name, data in self._training.read().items():
            found[name] = {**found.get(name, {}), **data}
        return found

    # -- what is wanted of Python ---------------------------------------------------------------------

    async def act(self, wanted: dict[str, Any]) -> None:
        """What a part cannot do in the browser: files, saving, leaving."""
        name, paths = wanted["name"], wanted.get("paths")
        named = isinstance(paths, list) and all(isinstance(p, str) for p in paths)
        try:
            if name in SAFETY_ACTS:
                await self._keep_safe(wanted)
            elif name in PLACE_ACTS:
                await self._places.act(wanted, self._session)
            elif name == "sample":
                await self._go(lambda: open_sample(self._hub))
            elif name == "open" and named and isinstance(paths, list):
                await self._go(lambda: open_named(self._hub, paths))
            elif name == "add" and named and isinstance(paths, list):
                await self._add(paths, wanted)
            elif name == "cost" and self._session is not None and not self._hub.preparing.running:
                table = self._parts["FeatureTable"]
                data = table.data
                cost = await asyncio.to_thread(
                    told_cost, wanted, data.get("channels", 1), data.get("volume", False)
                )
                if cost is not None and not self._gone():
                    table.set(cost=cost)
            elif name in {"next", "show", "strokes"} and self._session is not None:
                for part, method, values in await asyncio.to_thread(self._training.act, wanted):
                    self._parts[part].run_method(method, *values)
                self._read_soon()
            elif name in LABEL_ACTS | IMPORT_ACTS and self._session is not None:
                await self._import(self._session, wanted, list(paths or []) if named else [])
            elif name in IMAGE_ACTS and self._session is not None:
                await self._change_images(self._session, wanted, list(paths or []) if named else [])
        except SeveralImagesError as several:
            await self._choose(several, wanted)
        except UnderbrushError as error:
            self._parts["Toast"].say(error.sentence, "error")
        except Exception as error:  # noqa: BLE001  (a click that does nothing says nothing)
            _LOG.exception("%s failed", name)
            self._parts["Toast"].say(defect(error), "error")

    async def _keep_safe(self, wanted: dict[str, Any]) -> None:
        """Saving, leaving, what was found at opening, earlier versions, a copy elsewhere."""
        name, session = wanted["name"], self._session
        if name == "start":
            if session is not None:
                # Saved, unlocked, and the other windows are told.
                await asyncio.to_thread(self._hub.leave, self._ident)
            if not self._gone():
                ui.navigate.to("/")
        elif session is None:
            return
        elif name == "save":
            await asyncio.to_thread(session.save)
            self._parts["Toast"].say("Saved.")
        elif name == "told":
            session.told = True
        elif name in {"versions", "restore"}:
            await self._restore(session, wanted)
        else:
            await self._copy(session, wanted)

    async def _restore(self, session: Session, wanted: dict[str, Any]) -> None:
        dialog = self._parts["VersionsDialog"]
        try:
            if wanted["name"] == "restore":
                said = await asyncio.to_thread(restore_named, session, wanted.get("version"))
                self._parts["Toast"].say(said)
                dialog.set(done=dialog.data.get("done", 0) + 1)
        finally:
            data = await asyncio.to_thread(version_data, session)
            dialog.set(**data, answers=dialog.data.get("answers", 0) + 1)

    async def _copy(self, session: Session, wanted: dict[str, Any]) -> None:
        dialog, roots = self._parts["CopyDialog"], self._hub.roots
        if wanted["name"] == "copyPlace":
            dialog.set(place=await asyncio.to_thread(copy_place, session, roots), problem="")
            return
        try:
            said = await asyncio.to_thread(save_copy, session, wanted.get("path"), roots)
        except UnderbrushError as error:
            dialog.set(problem=error.sentence)
            return
        dialog.set(problem="", done=dialog.data.get("done", 0) + 1)
        self._parts["Toast"].say(said)

    async def _go(self, begin: Callable[[], str]) -> None:
        """To another project."""
        ident = await asyncio.to_thread(begin)
        await self._hub.ready(ident)
        ui.navigate.to(f"/p/{ident}")

    async def _expanded(self, paths: list[str]) -> list[str]:
        return await asyncio.to_thread(expanded, paths, self._hub.roots, self._hub.settings.confined)

    async def _choose(self, several: SeveralImagesError, wanted: dict[str, Any]) -> None:
        """A file holds several images: the person says which, then the same is wanted of those."""
        files = await self._expanded(list(wanted.get("paths") or []))
        data = await asyncio.to_thread(image_choices, several, {**wanted, "paths": files})
        if not self._gone():
            self._parts["ImageChoice"].set(several=data, asked=data["asked"])

    async def _add(self, paths: list[str], wanted: dict[str, Any]) -> None:
        """The images are read here, and added by the viewer: as commands of this tab, which it can undo."""
        files = await self._expanded(paths)
        if len(files) == 1 and is_on_the_net(files[0]) and not wanted.get("levelled"):
            levels = await asyncio.to_thread(level_choices, files[0], {**wanted, "paths": files})
            if levels is not None:
                if not self._gone():
                    self._parts["ImageChoice"].set(several=levels, asked=levels["asked"])
                return
        if any(path.lower().endswith((".ilp", ".ilp.zip")) for path in files):
            self._parts["Toast"].say(
                "A project is not added to another; open it from the Project menu.", "error"
            )
            return
        folder = self._session.path.parent if self._session is not None else self._hub.settings.new_projects
        answered = self._facts.answers() if self._session is not None else None
        commands = await asyncio.to_thread(adding, files, folder, answered)
        self._send(commands)

    async def _import(self, session: Session, wanted: dict[str, Any], paths: list[str]) -> None:
        """Labels of a file, or what another project has."""
        files = await self._expanded(paths) if paths else []
        if wanted["name"] in IMPORT_ACTS:
            await self._importing.act(wanted, session, files)
            return
        async with self._labels_turn:  # answers come in the order of the questions
            for part, method, values in await asyncio.to_thread(self._labels.act, wanted, files):
                self._parts[part].run_method(method, *values)
            self._parts["LabelImport"].set(**self._labels.data)

    async def _change_images(self, session: Session, wanted: dict[str, Any], paths: list[str]) -> None:
        """Masks, other files, links, sequences: read here, and sent by the viewer as what this tab did."""
        if wanted["name"] in EMBED_ACTS:
            await self._embedding.act(wanted, session)
            return
        files = await self._expanded(paths) if paths else []
        commands, said = await asyncio.to_thread(acted, session, wanted, files)
        self._send(commands, said)

    def _send(self, commands: list[dict[str, Any]], *said: str) -> None:
        """What the tab of this window does; the first images of a project choose features for it."""
        if self._session is not None:
            commands = [*commands, *first_features(self._session.document, commands)]
        self._parts["ViewerFrame"].run_method("commands", commands, *said)
