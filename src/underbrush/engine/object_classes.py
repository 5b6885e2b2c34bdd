"""Which classes objects are made of: ids in a wish, values in a segmentation, words in a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbrush.engine.export_wish import Wish
from underbrush.engine.objects import chosen_classes
from underbrush.errors import UsageError
from underbrush.project.document import Document
from underbrush.project.normal_form import clean

if TYPE_CHECKING:
    from underbrush.engine.model import Model


@dataclass(frozen=True, slots=True)
class Chosen:
    """The classes of a model that objects are made of; all empty for other results."""

    values: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """What says them to a command, see `chosen_classes`; none: the usual ones, all but the first."""


NOT_CHOSEN = Chosen()
"""Of results that are no objects."""


def chosen_of(wish: Wish, document: Document, model: Model | None) -> Chosen:
    """The classes that a wish for objects means, of the model that computes them.

    A kept classifier has those of the same name, as where it is looked at.

    Raises
    ------
    UsageError
        One is no longer in the project, or not in the kept classifier, or cannot be said to a command.
    """
    if wish.result != "objects" or model is None:
        return NOT_CHOSEN
    names = model.class_names
    usual = chosen_classes(names, ())
    values = usual
    if wish.objects:
        values = tuple(
            sorted({v for class_id in wish.objects for v in _values(class_id, wish, document, names)})
        )
    words = () if values == usual else words_for(names, values)
    return Chosen(values, tuple(names[v - 1] for v in values if v <= len(names)), words)


def _values(class_id: int, wish: Wish, document: Document, names: tuple[str, ...]) -> tuple[int, ...]:
    entry = document.classes.get(class_id)
    if entry is None:
        raise UsageError(
            "a class that objects are made of is no longer in the project",
            remedy="choose their classes again",
        )
    known = [clean(name) for name in names]
    name = clean(entry.info.name)
    if wish.classifier is None:
        if known != [clean(document.classes[k].info.name) for k in document.class_order]:
            raise UsageError("the classes were changed just now", remedy="try again")
        return (int(document.values[class_id]),)
    found = tuple(value for value, one in enumerate(known, 1) if one == name)
    if not found:
        raise UsageError(
            f"the classifier {wish.classifier!r} has no class {name!r}, which objects are made of",
            remedy="choose their classes again, or another classifier",
        )
    return found


def words_for(names: tuple[str, ...], values: Sequence[int]) -> tuple[str, ...]:
    """Words of which `chosen_classes` makes exactly these values, and `--classes` too: names, else numbers.

    Raises
    ------
    UsageError
        Neither the name nor the number of a class tells it from the others.
    """
    return tuple(_word(names, value) for value in values)


def _word(names: tuple[str, ...], value: int) -> str:
    for word in (names[value - 1], str(value)):
        if not word.strip() or "," in word:  # a comma parts the classes of a command
            continue
        try:
            if chosen_classes(names, (word,)) == (value,):
                return word
        except UsageError:
            continue
    raise UsageError(
        f"the class {names[value - 1]!r} cannot be told from the others by name or number",
        remedy="rename it in step 3",
    )


def known_classes(wish: Wish, document: Document) -> list[dict[str, Any]] | None:
    """The classes of the kept classifier that makes objects, by value; None: those of the project.

    Each with its ``id`` (0 where the project has none of its name now), ``name`` and ``colour``.
    """
    kept = None if wish.classifier is None else document.frozen.get(wish.classifier)
    if wish.result != "objects" or kept is None or kept.use is None or not kept.use.classes:
        return None
    ids = {clean(document.classes[k].info.name): k for k in document.class_order}
    found = []
    for info in kept.use.classes:
        class_id = ids.get(clean(info.name), 0)
        colour = document.classes[class_id].info.colour if class_id else info.colour
        found.append({"id": class_id, "name": info.name, "colour": list(colour)})
    return found
