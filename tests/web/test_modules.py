"""The viewer's modules: their own tests under node, and their types."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
TSC = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests" / "web" / "js").glob("*.test.mjs"))


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("module", TESTS, ids=lambda path: path.name)
def test_modules_pass_their_own_tests(module: Path) -> None:
    done = subprocess.run(
        [str(NODE), "--test", str(module)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    NODE is None or not TSC.exists(), reason="typescript is not installed: `make check` does it"
)
def test_modules_have_no_type_errors() -> None:
    done = subprocess.run(
        [str(NODE), str(TSC), "--noEmit"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
