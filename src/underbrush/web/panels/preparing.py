"""The line about code that is being compiled, once on each computer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nicegui import ui

from underbrush.web.panels.parts import Part

if TYPE_CHECKING:
    from underbrush.web.hub import Hub, Preparing


def preparing_data(state: Preparing) -> dict[str, object]:
    """For the parts ``Status`` and ``StartStatus``."""
    if not state.running or not state.sentence:
        return {"preparing": "", "prepared": None}
    return {"preparing": state.sentence, "prepared": round(100 * state.done / max(1, state.total))}


def follow_preparing(hub: Hub, part: Part) -> None:
    """Keep ``part`` told while its client is there."""
    loop = asyncio.get_running_loop()
    client = ui.context.client

    def show(state: Preparing) -> None:
        if not client.is_deleted:
            part.set(**preparing_data(state))

    def heard(state: Preparing) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(show, state)

    client.on_delete(hub.listen(heard))
    show(hub.preparing)
