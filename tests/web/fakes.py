"""The pages without engine and server: a hub and a session that hold a document, and a stand-in viewer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from fastapi import FastAPI, Response
from nicegui import dependencies

from underbrush.engine.events import SaveChanged, TrainingChanged
from underbrush.errors import ProjectError
from underbrush.web.browse import Roots
from underbrush.web.hub import Preparing

WAITING = TrainingChanged("waiting", "Now a stroke in Foreground.")
SAVED = SaveChanged("saved", "Saved in nuclei.ilp 14:02")
QUIET = Preparing("", 0, 0)
FAKE_VIEWER = Path(__file__).parent / "fake_viewer"


@dataclass
class FakeSession:
    """What the panels ask of a session."""

    path: Path
    document: Any
    shape: tuple[int, int, int, int, int] = (1, 1, 1, 520, 696)
    read_only: str | None = None
    training: TrainingChanged = WAITING
    save_state: SaveChanged = SAVED
    lesson: Any = None
    saved: int = 0
    shown_classifier: str | None = None
    changes: Any = field(default_factory=lambda: SimpleNamespace(changed=None))
    notices: tuple[str, ...] = ()
    told: bool = False
    versions: tuple[Any, ...] = ()
    listeners: list[Callable[[object], None]] = field(default_factory=list)

    def kept_aside(self) -> tuple[Any, ...]:
        return ()

    def listen(self, heard: Callable[[object], None]) -> Callable[[], None]:
        self.listeners.append(heard)
        return lambda: self.listeners.remove(heard)

    def tell(self, event: object) -> None:
        """As the session does: from a thread of its own."""
        told = threading.Thread(target=lambda: [heard(event) for heard in list(self.listeners)])
        told.start()
        told.join()

    def image(self, lane: str) -> Any:
        return SimpleNamespace(shape5=self.shape)

    def save(self) -> None:
        self.saved += 1


@dataclass
class FakeHub:
    """One project, under the id ``abcdefgh``; others are not known."""

    session: FakeSession
    folder: Path
    preparing: Preparing = QUIET
    recents: list[Any] = field(default_factory=list)
    opened: list[Path] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    listeners: list[Callable[[Preparing], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.roots = Roots([self.folder])
        self.recent_list = SimpleNamespace(thumbnail=lambda ident: None)
        self.settings = SimpleNamespace(
            memory=8_000_000_000, threads=1, new_projects=self.folder, confined=False
        )

    def recent(self) -> list[Any]:
        return self.recents

    def open(self, path: Path) -> str:
        self.opened.append(path)
        return "abcdefgh"

    def start_project_from_images(self, paths: list[Path], *, ask: bool = False) -> str:
        self.opened += [Path(path) for path in paths]
        return "abcdefgh"

    def visit(self, ident: str) -> None:
        pass

    def leave(self, ident: str) -> None:
        self.left.append(ident)

    async def ready(self, ident: str) -> FakeSession:
        if ident != "abcdefgh":
            raise ProjectError(
                f"no project is known as {ident!r}", remedy="open its file on the start screen"
            )
        return self.session

    def listen(self, listener: Callable[[Preparing], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


def fake_state(lanes: int = 4, depth: int = 1, times: int = 1) -> dict[str, Any]:
    """The state of web.md for a small project."""
    return {
        "project": "abcdefgh", "name": "nuclei.ilp", "revision": 1, "read_only": None, "live": True,
        "save": {"state": "saved", "sentence": "Saved in nuclei.ilp 14:02"},
        "lanes": [
            {
                "id": f"a{n}", "nickname": f"nuclei_{n:02}", "axes": "yx",
                "shape": [times, 1, depth, 520, 696],
                "dtype": "uint8", "rgb": False, "v": f"v{n}", "levels": 2, "tile": 256,
                "pixel_size": {"x": [0.65, "µm"]}, "channels": ["grey"], "missing": None, "range": None,
                "strokes": {"1": [9, 2414], "2": [7, 856]} if n == 1 else {},
                "location": f"data/nuclei_{n:02}.tif",
            }
            for n in range(1, lanes + 1)
        ],
        "classes": [
            {"id": 1, "value": 1, "name": "Background", "colour": [0, 130, 200], "locked": False},
            {"id": 2, "value": 2, "name": "Foreground", "colour": [255, 225, 25], "locked": False},
        ],
        "features": None, "undo": "Stroke in Foreground", "redo": None, "classifiers": [],
        "training": {"state": "done", "sentence": "Trained in 0.2 s. Wrong somewhere? Paint there."},
    }  # fmt: skip


def fake_app(hub: FakeHub, state: dict[str, Any]) -> FastAPI:
    """The pages in an app of their own, with the few routes that they fetch from."""
    from underbrush.web import panels
    from underbrush.web.panels import add_pages, page_files

    for module in dependencies.esm_modules.values():
        if module.name == "underbrush-viewer":
            module.path = FAKE_VIEWER
    vars(panels)["VIEWER"] = vars(page_files)["VIEWER"] = FAKE_VIEWER.resolve()
    app = FastAPI()

    @app.get("/api/p/{ident}/state")
    def said(ident: str) -> dict[str, Any]:
        return state

    @app.get("/api/p/{ident}/lanes/{lane}/histogram")
    def histogram(ident: str, lane: str) -> dict[str, Any]:
        values = np.random.default_rng(0).gamma(1.2, 25.0, 50_000).clip(0, 255)
        counts, edges = np.histogram(values, 72, (0, 200))
        return {"edges": edges.tolist(), "counts": counts.tolist(), "auto": [11, 151]}

    @app.get("/api/p/{ident}/lanes/{lane}/thumbnail")
    def thumbnail(ident: str, lane: str) -> Response:
        return Response(
            '<svg xmlns="http://www.w3.org/2000/svg"><rect width="99" height="99" fill="#333"/></svg>',
            media_type="image/svg+xml",
        )

    wish = {
        "result": "segmentation", "classifier": None, "format": "tiff", "dtype": None, "rescale": None,
        "axes": None, "region": {}, "pattern": "{project}_results/{nickname}_{result}", "existing": "keep",
        "objects": [],
    }  # fmt: skip

    @app.get("/api/p/{ident}/exports")
    def exports(ident: str) -> dict[str, Any]:
        return {
            "jobs": {},
            "stored": wish,
            "usual": wish,
            "unusual": "",
            "axes": "yx",
            "classifiers": ["fig 2"],
        }

    @app.post("/api/p/{ident}/exports/look")
    def look(ident: str) -> dict[str, Any]:
        return {
            "refusal": "", "formats": {"jpg": "jpg changes pixel values a little"}, "exists": False,
            "shape": [520, 696], "axes": "yx", "dtype": "uint8", "bytes": 361_920, "channels": 1,
            "pixel_size": {"x": [0.65, "µm"]}, "range": None, "settings": {}, "stored": True,
            "path": "/data/nuclei_results/nuclei_01_segmentation.tif",
        }  # fmt: skip

    @app.post("/api/p/{ident}/exports/picture")
    def picture(ident: str) -> Response:
        return Response(status_code=204)

    @app.post("/api/p/{ident}/exports/texts")
    def texts(ident: str) -> dict[str, str]:
        return {
            "command": "underbrush predict",
            "python": "import underbrush",
            "methods": "Images were segmented.",
        }

    @app.get("/api/browse")
    def browse(path: str = "") -> dict[str, Any]:
        return hub.roots.listing(path).to_json()

    add_pages(app, hub)  # type: ignore[arg-type]
    return app


def recent_entry(path: Path, missing: bool = False) -> Any:
    return SimpleNamespace(id="abcdefgh", path=path, opened=datetime.now(UTC), missing=missing)


def nuclei_document() -> Any:
    """Four flat images, two classes, the recommended features, nothing painted."""
    from underbrush.core.features.selection import FeatureSelection
    from underbrush.project.document import document_of
    from underbrush.project.schema import ClassInfo, Lane, Project, Source

    selection = FeatureSelection.recommended((1, 1, 1, 520, 696))
    lanes = tuple(
        Lane(
            f"nuclei_{n:02}",
            Source(kind="file", stored=f"data/nuclei_{n:02}.tif", axes="yx", shape=(520, 696)),
        )
        for n in range(1, 5)
    )
    colours = ((0, 130, 200), (255, 225, 25))
    classes = tuple(ClassInfo(n, c, c) for n, c in zip(("Background", "Foreground"), colours, strict=True))
    return document_of(
        Project(
            lanes=lanes,
            classes=classes,
            selection=selection,
            feature_ids=selection.filters,
            scales=selection.scales,
        )
    )


def nuclei_lesson() -> Any:
    """As after training on the recommended features."""
    names = nuclei_document().settings.selection.names()
    shares = 1 / (1 + np.arange(len(names)))
    return SimpleNamespace(oob=0.012, importances=shares / shares.sum(), feature_names=names)


def serve(folder: Path, port: int) -> None:
    """Run the pages on a port (0: any, it is printed) until the process is ended; for tests in a browser."""
    import socket

    import uvicorn

    session = FakeSession(folder / "nuclei.ilp", nuclei_document(), lesson=nuclei_lesson())
    recents = [recent_entry(folder / "nuclei.ilp"), recent_entry(folder / "old-scans.ilp", missing=True)]
    app = fake_app(FakeHub(session, folder, recents=recents), fake_state())
    listening = socket.create_server(("127.0.0.1", port))
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
