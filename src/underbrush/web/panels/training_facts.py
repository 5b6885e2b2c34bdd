"""What step 3 says beyond the state and does in Python: strokes, uncertain places, kept classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from underbrush.engine.stroke_table import stroke_rows

if TYPE_CHECKING:
    from underbrush.engine.change_meter import Changed
    from underbrush.engine.session import Session
    from underbrush.engine.uncertain import Spot

SETTLED = 0.005
"""Below this share of changed pixels another image teaches more than another stroke."""
MOST_ROWS = 1000


class TrainingFacts:
    """Reads one session for the parts of step 3 of one window."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._listing = False
        self._rows: tuple[object, dict[str, Any]] | None = None
        self._where = ""

    def read(self) -> dict[str, dict[str, Any]]:
        """Data of the parts, by name. Call it in a thread."""
        session = self._session
        shown = session.shown_classifier
        return {
            "Quality": {
                "changed": changed_sentence(session.changes.changed, len(session.document.lanes)),
                "where": self._where,
            },
            "Classifiers": {"shown": shown or ""},
            "ShownClassifier": {"name": shown or ""},
            "Strokes": self._strokes(),
        }

    def act(self, wanted: Mapping[str, Any]) -> list[tuple[str, str, list[Any]]]:
        """Do what a part asked for; gives what is called then, as (part, method, arguments). In a thread.

        Raises
        ------
        UnderbrushError
            It is not possible.
        """
        name = wanted["name"]
        if name == "strokes":
            self._listing = wanted.get("open") is True
            return []
        if name == "show":
            chosen = wanted.get("classifier")
            self._session.show_classifier(chosen if isinstance(chosen, str) and chosen else None)
            return []
        return self._next()

    def _next(self) -> list[tuple[str, str, list[Any]]]:
        session = self._session
        if session.lesson is None:
            return [("Toast", "say", ["Nothing is trained yet: paint a stroke in each class.", "info"])]
        spot = session.uncertain.next()
        if spot is None or spot.lane not in session.document.lanes:
            said = session.uncertain.problem or "No uncertain place is left in the sample: try another image."
            return [("Toast", "say", [said, "info"])]
        self._where = f"Now in {self._place(spot)}"
        return [("ViewerFrame", "goTo", [spot.lane, spot.t, spot.z, spot.y, spot.x])]

    def _place(self, spot: Spot) -> str:
        entry = self._session.document.lanes[spot.lane]
        shape = self._session.image(spot.lane).shape5
        words = [entry.nickname]
        if shape[2] > 1:
            words.append(f"z {spot.z}")
        if shape[0] > 1:
            words.append(f"t {spot.t}")
        return ", ".join(words)

    def _strokes(self) -> dict[str, Any]:
        if not self._listing:
            return {"rows": [], "total": 0}
        document = self._session.document
        key = (document.labels, document.lanes)
        if self._rows is None or self._rows[0] != key:
            rows, total = stroke_rows(document, MOST_ROWS)
            self._rows = (
                key,
                {"rows": [[r.lane, r.class_id, r.t, r.z, r.y, r.x, r.pixels] for r in rows], "total": total},
            )
        return self._rows[1]


def changed_sentence(changed: Changed | None, images: int) -> str:
    """What the last strokes changed, and what follows; empty where nothing was measured."""
    if changed is None or not changed.strokes:
        return ""
    percent = 100 * changed.share
    number = "no" if not percent else "under 0.1 % of the" if percent < 0.1 else f"{percent:.1f} % of the"
    which = "The last stroke" if changed.strokes == 1 else f"The last {changed.strokes} strokes"
    said = f"{which} changed {number} pixels in view"
    if changed.strokes < 3 or changed.share >= SETTLED:
        return f"{said}."
    return f"{said}: try another {'image' if images > 1 else 'place'}."
