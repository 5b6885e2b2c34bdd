"""The house: imports point one way, no room knows a room below it, not even inside a function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "underbrush"

# A room may import rooms of a smaller number, and itself.
FLOORS = {
    "errors": 0,
    "files": 1,
    "config": 1,
    "jit": 1,
    "log": 1,
    "core": 2,
    "sources": 3,
    "sinks": 3,
    "project": 4,
    "engine": 5,
    "api": 6,
    "compat": 7,
    "web": 7,
    "cli": 8,
}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write it whole"
            base = node.module or ""
            names = [f"{base}.{a.name}" for a in node.names] if base == "underbrush" else [base]
            found += names
        elif isinstance(node, ast.Import):
            found += [a.name for a in node.names]
    return [m for m in found if m.split(".")[0] == "underbrush"]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_up_the_list(path: Path) -> None:
    here = path.relative_to(SOURCE).with_suffix("").parts[0]
    if here in {"__init__", "__main__"}:
        return
    for module in _imports(path):
        room = _room(module)
        if room in {"", "__version__", here}:
            continue
        assert room in FLOORS, f"{path.name} imports {module}, a room without a floor"
        assert FLOORS[room] < FLOORS[here], f"{path.name} ({here}) imports {module}: not allowed to know it"


def test_every_room_has_a_floor() -> None:
    rooms = {p.stem if p.is_file() else p.name for p in SOURCE.iterdir() if not p.name.startswith("_")}
    assert rooms - {"py"} <= set(FLOORS)


def test_no_file_outgrows_the_house() -> None:
    long = {
        str(p.relative_to(SOURCE)): n
        for p in SOURCE.rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 600
    }
    assert not long, f"over 600 lines: {long}; split by noun"
