"""The websocket of the viewer: commands and views come in, answers, changes and tiles go out.

Everything that may wait (a disk, a lock of the session) runs in threads; the event loop only passes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from numpy.typing import NDArray

from underbrush.engine.events import (
    Closed,
    DocumentChanged,
    LabelsChanged,
    Notice,
    SaveChanged,
    SessionClosedError,
    TrainingChanged,
)
from underbrush.engine.views import TileDone, View, ViewNotice, ViewProgress
from underbrush.errors import OutputError, ProjectError, UnderbrushError
from underbrush.project.commands import Fill, Lasso, Paint, command_from_json
from underbrush.web import frames
from underbrush.web.confinement import check_command
from underbrush.web.hub import Hub, Preparing
from underbrush.web.messages import (
    CLIENT,
    Live,
    Look,
    MessageError,
    Numbered,
    Said,
    Unlook,
    Update,
    parse_message,
)
from underbrush.web.outbox import Outbox, OverflowedError
from underbrush.web.state import state_of, training_json

if TYPE_CHECKING:
    from underbrush.engine.session import Session

NO_PROJECT = 4404
NOT_ALLOWED = 4403
OVERFLOWED = 1013
STATE_PAUSE = 0.4
"""Seconds in which changes of labels are gathered into one new state."""
_WAITING = 1000
"""Commands of one connection that may wait; the browser sends one at a time."""
_LOG = logging.getLogger(__name__)


def add_events(app: FastAPI, hub: Hub) -> None:
    """Add the websocket of each project."""
    channels: dict[str, Channel] = {}
    pool = ThreadPoolExecutor(8, "underbrush-commands")

    @app.websocket("/api/p/{ident}/ws")
    async def socket(ws: WebSocket, ident: str, client: str = "") -> None:
        await ws.accept()
        if not CLIENT.fullmatch(client):
            return await ws.close(NOT_ALLOWED, "the address lacks the client's id")
        try:
            session = await hub.ready(ident)
        except UnderbrushError as error:
            await ws.send_text(frames.text("notice", level="error", sentence=str(error)))
            return await ws.close(NO_PROJECT, "no such project")
        channel = channels.get(ident)
        if channel is None or channel.session is not session:
            if channel is not None:
                channel.end()
            channel = channels[ident] = Channel(ident, session, hub, pool)
        await Connection(ws, channel, client).serve()


class Channel:
    """All connections to one project: what the session tells is made into frames once and given to each."""

    def __init__(self, ident: str, session: Session, hub: Hub, pool: ThreadPoolExecutor) -> None:
        self.ident = ident
        self.session = session
        self.hub = hub
        self.pool = pool
        self.connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ids: dict[str, NDArray[np.uint8]] = {}
        self._stops = [session.listen(self._heard), hub.listen(self._prepared)]

    def end(self) -> None:
        """The session was closed and opened anew: hear no more of the old one."""
        for stop in self._stops:
            stop()

    def leave(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)

    def has(self, client: str) -> bool:
        """Whether somebody is connected under this id."""
        return any(one.client == client for one in self.connections)

    def _post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Run on the event loop; after its end there is nobody to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def _heard(self, event: object) -> None:
        """From any thread."""
        if isinstance(event, TileDone):
            self._post(self._tile, event, *self._tile_bytes(event))
        elif isinstance(event, LabelsChanged):
            self._post(self._broadcast, frames.labels_frame(event))
            self._post(self._state_soon)
        elif isinstance(event, DocumentChanged):
            self._post(self._send_state)
        elif isinstance(event, TrainingChanged):
            self._post(self._newest, "training", frames.training_frame(event))
        elif isinstance(event, SaveChanged):
            self._post(self._newest, "save", frames.save_frame(event))
        elif isinstance(event, Notice):
            self._post(self._broadcast, frames.notice_frame(event))
        elif isinstance(event, Closed):
            self._post(self._close_all, event.sentence)
        elif isinstance(event, ViewProgress):
            key = ("progress", event.viewer[1])
            self._post(self._to_viewer, event.viewer, key, frames.progress_frame(event))
        elif isinstance(event, ViewNotice):
            key = ("view-notice", event.viewer[1])
            self._post(self._to_viewer, event.viewer, key, frames.notice_frame(event))

    def _tile_bytes(self, event: TileDone) -> tuple[dict[str, Any], bytes]:
        ids = self._ids.get(event.key)
        if ids is None:
            # Once for each recipe: asking waits for whoever is being made safe on the disk.
            self._ids = {event.key: self.session.class_ids(event.key)}
            ids = self._ids[event.key]
        said, pixels = frames.tile_pixels(event, ids)
        return {**frames.tile_head(event, _layer_by_id(event.layer, ids)), **said}, pixels

    def _prepared(self, state: Preparing) -> None:
        self._post(self._newest, "preparing", frames.preparing_frame(state))

    def _broadcast(self, frame: str) -> None:
        for one in self.connections:
            one.outbox.put(frame)

    def _close_all(self, sentence: str) -> None:
        for one in self.connections:
            if not one.farewell.done():
                one.farewell.set_result(sentence)

    def _newest(self, key: Hashable, frame: str) -> None:
        for one in self.connections:
            one.outbox.replace(key, frame)

    def _to_viewer(self, viewer: tuple[str, str], key: Hashable, frame: str) -> None:
        for one in self.connections:
            if one.client == viewer[0]:
                one.outbox.replace(key, frame)

    def _tile(self, event: TileDone, said: dict[str, Any], pixels: bytes) -> None:
        for client, name in event.viewers:
            takers = [one for one in self.connections if one.client == client]
            if takers:
                frame = frames.binary({**said, "view": name}, pixels)
                for one in takers:
                    one.outbox.replace(("tile", name, *frames.tile_place(event)), frame)

    def _state_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(STATE_PAUSE, self._send_state)

    def _send_state(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in self.connections:
            one.state_wanted.set()


def _layer_by_id(layer: str, ids: NDArray[np.uint8]) -> str:
    """The layer of the engine, which counts classes by value, as browsers name it: by id."""
    kind, _, value = layer.partition(":")
    return f"probability:{ids[int(value)]}" if kind == "probability" else layer


def _layer_by_value(layer: str, order: tuple[int, ...]) -> str | None:
    """The other way round; None for a class that is gone."""
    kind, _, ident = layer.partition(":")
    if kind != "probability":
        return layer
    return f"probability:{order.index(int(ident)) + 1}" if int(ident) in order else None


def _is_elsewhere(key: Hashable, look: Look) -> bool:
    """Whether a tile that waits is of what this view does not show any more."""
    if not isinstance(key, tuple) or key[:2] != ("tile", look.name):
        return False
    lane, _, place = key[2:]
    shown = (look.lane, look.t, look.plane, look.slice, look.level)
    return bool((lane, place.t, place.plane, place.slice, place.level) != shown)


class Connection:
    """One websocket of one browser tab."""

    def __init__(self, ws: WebSocket, channel: Channel, client: str) -> None:
        self.client = client
        self.outbox = Outbox()
        self.state_wanted = asyncio.Event()
        self.farewell: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the project was closed, once it is."""
        self._ws = ws
        self._channel = channel
        self._session = channel.session
        self._commands: asyncio.Queue[Numbered] = asyncio.Queue(_WAITING)
        self._looked = False

    async def serve(self) -> None:
        """Until either side ends it."""
        self._channel.connections.add(self)
        works = (self._receive, self._send, self._carry_out, self._tell_state, self._part)
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._channel.leave(self)
            if self._looked and not self._channel.has(self.client):
                await self._in_thread(self._session.unlook, self.client, None)
        for task in done:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, WebSocketDisconnect | OverflowedError):
                _LOG.error("a connection ended", exc_info=error)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it may be closed already
            await self._ws.close(NO_PROJECT if self.farewell.done() else OVERFLOWED)

    async def _part(self) -> None:
        """Until the project is closed by a person; says so."""
        sentence = await asyncio.shield(self.farewell)
        await self._ws.send_text(frames.text("notice", level="warning", sentence=sentence))

    async def _tell_state(self) -> None:
        """The state whenever it is wanted, however often that was meanwhile; answers do not wait for it."""
        while True:
            await self.state_wanted.wait()
            self.state_wanted.clear()
            self.outbox.replace("state", await self._in_thread(self._state))

    def _state(self) -> str:
        return frames.text("state", **state_of(self._channel.ident, self._session, self.client))

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._channel.pool, call, *arguments)

    # -- coming in ------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            message = await self._ws.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("text") if message.get("text") is not None else message.get("bytes")
            try:
                if not isinstance(data, str):
                    raise MessageError("a message is binary, and none is to be")
                if len(data) > 1 << 16:  # long enough to be felt by all others
                    said = await self._in_thread(parse_message, data, self.client)
                else:
                    said = parse_message(data, self.client)
            except MessageError as error:
                self._refuse(error.number, str(error))
                continue
            if isinstance(said, Numbered):
                await self._commands.put(said)
            else:
                await self._heard(said)

    async def _heard(self, said: Said) -> None:
        try:
            if isinstance(said, Look):
                self._looked = True
                self.outbox.drop(lambda key: _is_elsewhere(key, said))
                await self._in_thread(self._look, said)
            elif isinstance(said, Unlook):
                self.outbox.drop(lambda key: isinstance(key, tuple) and key[:2] == ("tile", said.name))
                await self._in_thread(self._session.unlook, self.client, said.name)
            elif isinstance(said, Live):
                await self._in_thread(self._session.set_live, said.on)
            elif isinstance(said, Update):
                await self._in_thread(self._session.update)
            else:
                await self._welcome()
        except UnderbrushError as error:
            self.outbox.put(frames.text("notice", level="error", sentence=str(error)))

    async def _welcome(self) -> None:
        session = self._session
        last = await self._in_thread(session.last_number, self.client)
        self.outbox.put(frames.text("welcome", revision=session.revision, last=last))
        self.outbox.replace("save", frames.save_frame(session.save_state))
        self.outbox.replace("training", frames.text("training", **training_json(session.training)))
        if self._channel.hub.preparing.running:
            self.outbox.replace("preparing", frames.preparing_frame(self._channel.hub.preparing))

    def _look(self, said: Look) -> None:
        order = self._session.document.class_order
        layers = tuple(layer for name in said.layers if (layer := _layer_by_value(name, order)) is not None)
        self._session.look(
            View(
                self.client,
                said.name,
                said.lane,
                said.t,
                said.plane,
                said.slice,
                said.level,
                said.box,
                layers,
            )
        )

    def _refuse(self, number: int | None, sentence: str) -> None:
        if number is None:
            self.outbox.put(frames.text("notice", level="error", sentence=sentence))
        else:
            self.outbox.put(frames.text("refused", number=number, sentence=sentence))

    # -- commands -------------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        """The commands, one after the other, in the order they came."""
        while True:
            said = await self._commands.get()
            try:
                self.outbox.put(await self._in_thread(self._answer, said))
            except SessionClosedError:
                # No answer: the browser keeps the command, comes back, and finds the project opened again.
                return

    def _answer(self, said: Numbered) -> str:
        """Apply a command and give the frame that answers it. In a thread; syncing a disk takes its time."""
        session = self._session
        try:
            command = command_from_json(said.command)
            hub = self._channel.hub
            check_command(command, hub.roots, session.path, hub.settings.confined)
            ack = session.apply(said.client, said.number, command)
        except OutputError as error:
            return frames.text("later", number=said.number, sentence=str(error))
        except MemoryError:
            sentence = "There is not enough memory for this now; it is tried again."
            return frames.text("later", number=said.number, sentence=sentence)
        except SessionClosedError:
            raise
        except UnderbrushError as error:
            if isinstance(error, ProjectError) and isinstance(command, Paint | Lasso | Fill):
                # Painted while it could be written: it stays in the browser until it can be again.
                return frames.text("later", number=said.number, sentence=str(error))
            return frames.text("refused", number=said.number, sentence=str(error))
        except Exception as error:  # noqa: BLE001  (the next command must be answered too)
            _LOG.exception("a defect in a command")
            sentence = f"A defect in Underbrush ({type(error).__name__}: {error}); please report it."
            return frames.text("refused", number=said.number, sentence=sentence)
        for notice in ack.notices:
            self._channel._post(self.outbox.put, frames.text("notice", level="info", sentence=notice))
        return frames.text(
            "ack",
            number=said.number,
            revision=ack.revision,
            sequence=ack.sequence,
            title=ack.title,
            changed=ack.changed,
            undo=session.undo_title(self.client),
            redo=session.redo_title(self.client),
        )

    # -- going out ------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            data = await self.outbox.next()
            if isinstance(data, str):
                await self._ws.send_text(data)
            else:
                await self._ws.send_bytes(data)
