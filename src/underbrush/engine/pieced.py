"""A result of many pieces, written by one process or several, at once or one after the other.

Each writes whole pieces of its share into a folder beside the result; who finds all there completes it.
"""

from __future__ import annotations

import logging
import threading
import time

from underbrush.core.pieces import WHOLE, Share
from underbrush.engine.batch import Clock, Done, Limits, Prepared, Progress, Request
from underbrush.engine.model import Model
from underbrush.engine.objects import WHOLE_RESULTS
from underbrush.errors import OutputError
from underbrush.sinks.formats import find_format, open_part, unit_of
from underbrush.sources.base import Image

_log = logging.getLogger(__name__)


def is_pieced(format: str) -> bool:
    """Whether results of a format are folders of many files.

    Raises
    ------
    OutputError
        There is no such format.
    """
    return find_format(format).folder


def is_divided(request: Request) -> bool:
    """Whether several processes can write a result, piece by piece.

    Raises
    ------
    OutputError
        There is no such format.
    """
    return is_pieced(request.format) and request.result not in WHOLE_RESULTS


def predict_pieces(
    model: Model,
    request: Request,
    opened: tuple[Image, Image | None],
    limits: Limits,
    part: Part,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Done:
    """Compute what is missing of a share; the whole is completed, a share waits for the others.

    Raises
    ------
    UnderbrushError
        Anything that the user can mend. What was finished stays where ``part.keep`` says so.
    """
    begun = time.monotonic()
    run = Prepared.of(model, request, *opened)
    unit = unit_of(run.spec, request.format)
    if unit is None:
        raise OutputError(f"{request.format} is one file", where=request.output, remedy="write it whole")
    sink = open_part(run.spec, request.format, part.key)
    if sink.joined and not part.keep:
        sink.abort()
        sink = open_part(run.spec, request.format, part.key)
    with sink:
        try:
            grid = run.pieces(limits, unit, part.share, sink.finished)
            clock = Clock()
            _log.info("%s -> %s: share %s, %d tiles of %s", request.image, request.output, part.share,
                      len(grid), grid.tile)  # fmt: skip
            report, tiles = run.carry_out(grid, sink, limits, progress, cancel)
            _log.info("%s: computed %s, %d tiles", request.output, clock, tiles)
            clock = Clock()
            if part.share == WHOLE:
                sink.commit()
                _log.info("%s: written %s", request.output, clock)
        except BaseException:
            if not part.keep:
                sink.abort()
            raise
    said = (*report.sentences, *opened[0].notices)
    notices = (*run.notices, *(f"{request.image}: {sentence}" for sentence in said))
    return Done(request.output, time.monotonic() - begun, notices, tiles)


class Part:
    """What is asked of one process.

    Parameters
    ----------
    key
        Of all that the result depends on, see `resuming.work_key`.
    share
        Which part of the work.
    keep
        What an earlier process finished is used, and what is finished stays if this one is stopped.
    """

    __slots__ = ("keep", "key", "share")

    def __init__(self, key: str, share: Share = WHOLE, keep: bool = True) -> None:
        self.key, self.share, self.keep = key, share, keep


def discard(model: Model, request: Request, opened: tuple[Image, Image | None], key: str) -> None:
    """Throw away what is there of a result that has not been completed.

    Raises
    ------
    UnderbrushError
        It cannot be.
    """
    run = Prepared.of(model, request, *opened)
    with open_part(run.spec, request.format, key) as sink:
        sink.abort()


def complete(model: Model, request: Request, opened: tuple[Image, Image | None], key: str) -> bool:
    """Give a result its name if all of its pieces are there; False, and nothing is changed, if not.

    Raises
    ------
    UnderbrushError
        It cannot be written.
    """
    run = Prepared.of(model, request, *opened)
    with open_part(run.spec, request.format, key) as sink:
        if next(sink.missing(), None) is not None:
            return False
        sink.commit()
    return True
