"""A run on many machines: the same tasks, given to the workers of a Dask cluster.

What travels is in `cluster_tasks`. A task that is given out twice, because its worker was lost, writes the
same bytes again.

Dask itself lets who reaches a cluster run programs as its user. So one is joined over TLS, on this machine,
or where the user says that the network is closed; and one that is started here takes certificates of its own.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from underbrush.core.pieces import Share
from underbrush.engine.batch import Limits, Request
from underbrush.engine.cluster_tasks import BLANK, Lesson, absolute, in_hand, message_of, work
from underbrush.engine.comparing import Difference
from underbrush.engine.label_images import open_beside
from underbrush.engine.many import Outcome, Task, Watch, explained
from underbrush.engine.memory import LEAST
from underbrush.engine.model import Model
from underbrush.engine.pieced import complete, discard, is_pieced
from underbrush.engine.resuming import work_key
from underbrush.errors import OutputError, UnderbrushError, UsageError
from underbrush.log import tell
from underbrush.sources.opening import open_image

if TYPE_CHECKING:
    from distributed import Client, Future

MOST_WORKERS = 256
SHARES_A_WORKER = 4
"""Into how many shares for each worker few large images are divided."""
AHEAD = 3
"""Tasks for each worker that are given out before they are needed."""
GONE_S = 60.0
"""How long a cluster that was lost is waited for."""
CONNECT_S = 20
QUIET_S = 15.0
"""After how long without a worker that is said."""
STOPPING_S = 5.0
LOOK_S = 0.5


class ClusterError(UnderbrushError):
    """A cluster that cannot be reached, or whose workers cannot do what is asked."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that was joined."""

    client: Client
    address: str
    threads: int | None = None
    """That a worker started here may use; None: as its own configuration says."""
    memory: int | None = None

    @property
    def workers(self) -> int:
        """How many there are now."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])


# -- joining --------------------------------------------------------------------------------------------


@contextmanager
def connected(address: str, limits: Limits, trusted: bool = False) -> Iterator[Cluster]:
    """A cluster to work on.

    Parameters
    ----------
    address
        ``tls://host:port``, ``tcp://127.0.0.1:port``, the name of a scheduler file, or ``local:4`` for four
        processes that are started here.
    limits
        Of processes that are started here, all together.
    trusted
        Who can reach the cluster is trusted, so that ``tcp://`` to another machine is allowed.

    Raises
    ------
    UsageError
        The address cannot be, or is not safe; or Dask is not installed.
    ClusterError
        No cluster answers.
    """
    try:
        import distributed  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "--cluster needs Dask, which is not installed", remedy="pip install 'underbrush[cluster]'"
        ) from None
    match = re.fullmatch(r"local:(\d{1,4})", address)
    if address.startswith("local") and match is None:
        raise UsageError(f"--cluster {address!r} is not understood", remedy="write it as in local:4")
    with _started(int(match[1]), limits) if match else _joined(address, trusted) as cluster:
        yield cluster


@contextmanager
def _started(n: int, limits: Limits) -> Iterator[Cluster]:
    """Processes of our own, on this machine; nobody else can use them."""
    import dask  # noqa: PLC0415
    from distributed import Client, LocalCluster  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    if not 1 <= n <= MOST_WORKERS:
        raise UsageError(f"--cluster local:{n} is no number of processes", remedy=f"use 1 to {MOST_WORKERS}")
    each = (limits.memory - LEAST // 2) // n
    if each < LEAST * 3 // 4:
        needed = (n * LEAST * 3 // 4 + LEAST // 2) / 1e9
        raise UsageError(
            f"{n} processes need {needed:.1f} GB, {limits.memory / 1e9:.1f} GB are allowed",
            remedy="allow more with --memory, or use fewer processes",
        )
    quiet: dict[str, object] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with dask.config.set(quiet), ExitStack() as stack:
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=n,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                security=Security.temporary(),
                memory_limit=0,  # the cap is kept by planning; being killed near it would not help
                silence_logs=logging.CRITICAL,
            )
        )
        client = stack.enter_context(Client(cluster, set_as_default=False))
        yield Cluster(client, f"local:{n}", max(1, limits.threads // n), each)


@contextmanager
def _joined(address: str, trusted: bool) -> Iterator[Cluster]:
    from distributed import Client  # noqa: PLC0415

    text = _scheduler_of(address)
    check_safe(text, trusted)
    if text.startswith(("tls://", "wss://")):
        _check_certificates(text)
    with ExitStack() as stack:
        # That a cluster is gone is said in our words.
        logger = logging.getLogger("distributed.client")
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)
        stack.enter_context(warnings.catch_warnings())
        # Other versions of its libraries are Dask's own affair; ours is asked for by every task.
        warnings.simplefilter("ignore")
        try:
            client = stack.enter_context(Client(text, set_as_default=False, timeout=CONNECT_S))
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}".split("\n", 1)[0][:300]
            raise ClusterError(
                f"no cluster answers ({reason})",
                where=text,
                remedy="check that its scheduler runs, and for tls:// the certificates in Dask's settings",
            ) from None
        yield Cluster(client, text)


def _check_certificates(address: str) -> None:
    """Refuse TLS without certificates, at which Dask itself stumbles half-way."""
    from distributed.security import Security  # noqa: PLC0415

    remedy = "set distributed.comm.tls (ca-file, and cert and key of client) in Dask's settings"
    try:
        found = Security().get_connection_args("client")["ssl_context"]
    except (OSError, ValueError) as error:  # errors of ssl are OSErrors
        problem = f"the certificates that Dask's settings name cannot be used ({error})"
        raise ClusterError(problem, where=address, remedy=remedy) from None
    if found is None:
        raise ClusterError("Dask knows no certificates on this machine", where=address, remedy=remedy)


def _scheduler_of(address: str) -> str:
    """The address in a scheduler file, or the address itself."""
    if "://" in address:
        return address
    path = Path(address)
    if not path.is_file():
        if re.fullmatch(r"[\w.-]+:\d+", address):
            return f"tcp://{address}"
        raise UsageError(
            "this is neither an address nor a scheduler file",
            where=address,
            remedy="give --cluster tls://host:8786, a scheduler file, or local:4",
        )
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            "this is no scheduler file",
            where=address,
            remedy="give the file of dask scheduler --scheduler-file",
        ) from None


def check_safe(address: str, trusted: bool) -> None:
    """Refuse a cluster in which anybody of the network could run programs as this user.

    Raises
    ------
    UsageError
        It is on another machine, without TLS, and not said to be in a closed network.
    """
    scheme, _, rest = address.partition("://")
    if scheme not in ("tls", "tcp", "ws", "wss", "ucx", "ucxx"):
        raise UsageError(f"there is no cluster at {scheme}://", where=address, remedy="use tls:// or tcp://")
    host = rest.rpartition(":")[0].strip("[]")
    here = host == "localhost"
    with suppress(ValueError):
        here = here or ipaddress.ip_address(host).is_loopback
    if scheme in ("tls", "wss") or here or trusted:
        return
    raise UsageError(
        "who reaches this cluster can run programs as you: it has no TLS",
        where=address,
        remedy="start it with TLS, or add --trusted-network if its network is closed",
    )


# -- giving out -----------------------------------------------------------------------------------------


def run_on(
    cluster: Cluster, lesson: Lesson, model: Model, tasks: Sequence[Task], watch: Watch
) -> Generator[Outcome, None, None]:
    """What comes of each task, as it is there; see `many.run_many`.

    Few results of many files are divided into shares, and completed here.

    Raises
    ------
    ClusterError
        The cluster is gone, or its workers cannot read the project.
    """
    asked, tasks = tasks, [replace(task, request=absolute(task.request)) for task in tasks]
    wanted = SHARES_A_WORKER * max(1, cluster.workers)
    shares = -(-wanted // max(1, len(tasks)))
    divided = [shares > 1 and is_pieced(task.request.format) for task in tasks]
    gathered = {n: _Gathered(model, task, n, shares) for n, task in enumerate(tasks) if divided[n]}
    sent: list[tuple[int, Task]] = []
    for n, task in enumerate(tasks):
        if n in gathered:
            sent += [(n, replace(task, share=Share(k + 1, shares), keep=True)) for k in range(shares)]
        else:
            sent.append((n, task))
    try:
        for one in gathered.values():
            one.begin()

        def message(n: int) -> str:
            place, task = sent[n]
            watch.begin(place, task)
            return message_of(lesson, task, cluster.threads, cluster.memory)

        for n, said in given_out(cluster, work, len(sent), message):
            outcome = _outcome(*sent[n], said)
            place = outcome.number
            if place not in gathered:
                yield replace(outcome, task=asked[place])
                continue
            watch.share(place, *gathered[place].add(outcome))
            whole = gathered[place].ended()
            if whole is not None:
                yield replace(whole, task=asked[place])
    finally:
        for one in gathered.values():
            one.close()


def _outcome(place: int, task: Task, said: dict[str, Any]) -> Outcome:
    """What a worker said, as an outcome of the task that was meant."""
    if "died" in said:
        died = OutputError(said["died"], where=task.request.image, remedy="see the logs of the workers")
        said = {**BLANK, "state": "failed", "error": str(died), "exit_code": 1}
    if "refused" in said:
        raise ClusterError(str(said["refused"]))
    return Outcome(
        place,
        task,
        said["state"],
        float(said["seconds"]),
        int(said["tiles"]),
        tuple(said["notices"]),
        tuple(Difference(cast("Any", kind), sentence) for kind, sentence in said["differs"]),
        str(said["error"]),
        int(said["exit_code"]),
    )


class _Gathered:
    """A result that is written in shares by several workers."""

    def __init__(self, model: Model, task: Task, number: int, shares: int) -> None:
        self._model, self._task, self._number, self._shares = model, task, number, shares
        self._key = work_key(model, task.request)
        self._outcomes: list[Outcome] = []
        self._completed = False

    def begin(self) -> None:
        """Without ``keep``, what an earlier run left is thrown away first."""
        if not self._task.keep:
            with suppress(UnderbrushError, OSError):  # an image that cannot be opened is told by its shares
                self._discard()

    def add(self, outcome: Outcome) -> tuple[int, int]:
        """A share is over; gives how many are, of how many."""
        self._outcomes.append(outcome)
        return len(self._outcomes), self._shares

    def ended(self) -> Outcome | None:
        """The whole, once all shares are over."""
        if len(self._outcomes) < self._shares:
            return None
        shares = self._outcomes
        failed = [o for o in shares if o.state == "failed"]
        request = self._task.request
        error, code = (failed[0].error, failed[0].exit_code) if failed else self._complete()
        self._completed = not error
        return Outcome(
            self._number,
            self._task,
            "failed" if error else "done",
            sum(o.seconds for o in shares),
            sum(o.tiles for o in shares),
            tuple(dict.fromkeys(n for o in shares for n in o.notices)),
            shares[0].differs,
            error and (error if failed else f"{request.image}: {error}"),
            code,
        )

    def close(self) -> None:
        """Leave nothing of a result that was not completed, unless it is to be gone on with."""
        if not self._completed and not self._task.keep:
            with suppress(UnderbrushError, OSError):
                self._discard()

    def _discard(self) -> None:
        with ExitStack() as stack:
            discard(self._model, self._task.request, _opened(stack, self._task.request), self._key)

    def _complete(self) -> tuple[str, int]:
        try:
            with ExitStack() as stack:
                opened = _opened(stack, self._task.request)
                if not complete(self._model, self._task.request, opened, self._key):
                    raise OutputError(
                        "pieces of it are missing",
                        where=self._task.request.output,
                        remedy="give the same command with --resume",
                    )
        except Exception as error:  # noqa: BLE001  (told as of any image)
            return explained(error, self._task.request)
        return "", 0


def _opened(stack: ExitStack, request: Request) -> tuple[Any, Any]:
    image = stack.enter_context(open_image(request.image, request.axes))
    return image, stack.enter_context(open_beside(request.mask, image)) if request.mask else None


def given_out(
    cluster: Cluster, function: Callable[[str], str], count: int, message: Callable[[int], str]
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Number and answer of each of ``count`` calls as it is over; not all are given out at once.

    Parameters
    ----------
    cluster
        Where.
    function
        Called on workers with a text; answers with a JSON object. It has to be importable there.
    count, message
        How many calls, and the text of each, asked for when its turn comes.

    Returns
    -------
    The answers; ``{"died": sentence}`` where workers died of a call or it raised something.

    Raises
    ------
    ClusterError
        The cluster is gone.
    """
    client, answers = cluster.client, SimpleQueue[int]()
    futures: dict[int, Future] = {}
    following = iter(range(count))
    quiet = _Quiet(cluster)

    def give_out() -> None:
        most = AHEAD * max(1, cluster.workers)
        while len(futures) < most:
            n = next(following, None)
            if n is None:
                return
            key = f"underbrush-{n}-{time.time_ns():x}"
            futures[n] = client.submit(function, message(n), pure=False, key=key)
            await_answer(n)

    def await_answer(n: int) -> None:
        futures[n].add_done_callback(lambda _: answers.put(n))

    try:
        give_out()
        while futures:
            try:
                n = answers.get(timeout=LOOK_S)
            except Empty:
                quiet.look()
                continue
            quiet.heard()
            if futures[n].status == "lost":
                # Its worker died with the answer: the scheduler gives it out again.
                await_answer(n)
                continue
            yield n, _answer(futures.pop(n), cluster)
            give_out()
    finally:
        _stop(client, list(futures.values()))


class _Quiet:
    """Watches a cluster from which nothing is heard."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._gone: float | None = None
        self._empty: float | None = None
        self._said = False

    def heard(self) -> None:
        """An answer came."""
        self._gone = self._empty = None

    def look(self) -> None:
        """Nothing came for a moment.

        Raises
        ------
        ClusterError
            The cluster has been gone for long.
        """
        now = time.monotonic()
        if self._cluster.client.status != "running":
            self._gone = self._gone or now
            if now - self._gone > GONE_S or self._cluster.client.status == "closed":
                raise _gone(self._cluster)
            return
        self._gone = None
        if self._said or self._cluster.workers:
            self._empty = None
            return
        self._empty = self._empty or now
        if now - self._empty > QUIET_S:
            self._said = True
            tell(f"{self._cluster.address} has no workers yet; waiting for one.")


def _gone(cluster: Cluster) -> ClusterError:
    return ClusterError(
        "the cluster is gone", where=cluster.address, remedy="start it again and go on with --resume"
    )


def _answer(future: Future, cluster: Cluster) -> dict[str, Any]:
    """What a worker said; that it died of a task is an answer too."""
    if future.status == "cancelled":
        raise _gone(cluster)
    try:
        return cast("dict[str, Any]", json.loads(future.result()))
    except Exception as error:  # noqa: BLE001  (whatever came instead of an answer)
        kind = type(error).__name__
        if kind == "KilledWorker":
            return {"died": "several workers died of it, perhaps for want of memory"}
        return {"died": f"its worker failed ({kind}: {error})".split("\n", 1)[0][:500]}


def _stop(client: Client, futures: list[Future]) -> None:
    """Take back what is given out, and wait a little for what is in hand."""
    if not futures:
        return
    with suppress(Exception):  # a cluster that is gone has nothing in hand
        client.cancel(futures)
        until = time.monotonic() + STOPPING_S
        while time.monotonic() < until and any(client.run(in_hand, on_error="ignore").values()):
            time.sleep(0.1)
