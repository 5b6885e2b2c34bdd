"""Parts of the page: own Vue elements, all from one JavaScript module, each with its data from Python.

What the viewer knows already (classes, images, position, tool, saving) the parts take from the viewer, so
that they answer at once and go on while the connection is away; what takes the session comes as data.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from nicegui.element import Element
from nicegui.events import GenericEventArguments

Act = Callable[[dict[str, Any]], Awaitable[None] | None]


class Part(
    Element, component="part.js", esm={"underbrush-panels": "parts", "underbrush-viewer": "../viewer"}
):
    """One part, by its name in ``parts/index.js``.

    Parameters
    ----------
    part
        The name.
    on_act
        Called with what the part wants done in Python: a dict with ``name`` and what belongs to it.
    data
        The part's own properties.
    """

    def __init__(self, part: str, on_act: Act | None = None, **data: Any) -> None:
        super().__init__()
        self._props["part"] = part
        self._props["data"] = data
        if on_act is not None:
            act = on_act

            def heard(event: GenericEventArguments) -> Awaitable[None] | None:
                args = event.args
                return act(args) if isinstance(args, dict) and isinstance(args.get("name"), str) else None

            self.on("act", heard)

    @property
    def data(self) -> dict[str, Any]:
        """What was last sent."""
        return dict(self._props["data"])

    def set(self, **data: Any) -> None:
        """Send what differs from what the browser has; nothing when all is there or the window is gone."""
        if self.is_deleted:
            return  # what is told from other threads may come while a window is taken down
        before = self._props["data"]
        now = {**before, **data}
        if now != before:
            self._props["data"] = now
            self.update()

    def say(self, sentence: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Show a sentence at the bottom of the window."""
        if self.is_deleted:
            return
        self.run_method("say", sentence, level)
