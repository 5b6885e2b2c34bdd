"""What the pages load, from memory and under addresses that change with it: NiceGUI's files, our modules."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import nicegui
from nicegui import dependencies, ui

from underbrush.web.assets import FOR_EVER, Assets, content_key, modules, preloads
from underbrush.web.gate import checked_prefix

if TYPE_CHECKING:
    from fastapi import FastAPI

PARTS = Path(__file__).parent / "parts"
VIEWER = (Path(__file__).parent.parent / "viewer").resolve()
CACHE_CONTROL = FOR_EVER
_BASE = f"/_nicegui/{nicegui.__version__}"


def serve_files(app: FastAPI) -> None:
    """Answer for these files before NiceGUI does, which reads each from the disk behind a dozen layers.

    Our folders of modules are keyed by their content; NiceGUI itself looks at the time of the folder, which
    an edit of a file does not change.
    """
    app.mount(f"{_BASE}/static", Assets(Path(nicegui.__file__).parent / "static"))
    for folder in (PARTS, VIEWER):
        app.mount(_address(folder), Assets(folder))


def add_preloads(*folders: Path) -> None:
    """Have the page of the present client fetch all modules of ``folders`` at once."""
    prefix = checked_prefix({k.lower(): v for k, v in ui.context.client.request.headers.items()})
    addresses = [f"{prefix}{_address(folder)}/{name}" for folder in folders for name in _modules(folder)]
    # Behind the scripts that are needed first.
    ui.add_body_html(preloads(addresses))


@cache
def _modules(folder: Path) -> list[str]:
    return modules(folder)


@cache
def _address(folder: Path) -> str:
    """Where the modules of a folder are, below the prefix of a proxy; from the first call on."""
    for key, module in list(dependencies.esm_modules.items()):
        if module.path.resolve() == folder:
            ours = content_key(folder)
            dependencies.esm_modules[ours] = dependencies.esm_modules.pop(key)
            return f"{_BASE}/esm/{ours}"
    raise RuntimeError(f"no part of a page uses the modules of {folder}")
