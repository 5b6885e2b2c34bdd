# ruff: noqa: T201  (it talks to whoever runs the tests)
"""All tests, as `make test` and CI run them; what fell beside others is run once more, alone.

Tests of windows, processes and servers wait for what others do, on a machine that is shared: now and then one
of some thousands waits in vain. A file of those that fell is run again by itself, whole, as its tests share a
window. What falls again is broken; what passes then is named in the last lines, so that somebody mends it.
There is no second run for numbers and formats, nor where more than a few files fell.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
WAITING = (
    "tests/browser/",
    "tests/cli/",
    "tests/conformance/",
    "tests/engine/",
    "tests/faults/",
    "tests/web/",
)
MOST = 3


def run(options: list[str], fallen: Path) -> tuple[int, list[str]]:
    """The exit code of pytest and the names of the tests that failed or broke."""
    fallen.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", *options]
    code = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "UNDERBRUSH_TESTS_FALLEN": str(fallen)}, check=False
    ).returncode
    return code, fallen.read_text().splitlines() if fallen.is_file() else []


def may_run_again(code: int, names: list[str]) -> bool:
    """Whether all that fell is of the kind that waits for others, and not many."""
    chosen = {name.split("::")[0] for name in names}
    return code == 1 and 0 < len(chosen) <= MOST and all(name.startswith(WAITING) for name in chosen)


def main() -> int:
    """Run all tests; 0 if each passed, if need be at its second try."""
    with tempfile.TemporaryDirectory() as folder:
        fallen = Path(folder) / "fallen.txt"
        code, names = run(["-n", "2", "--dist", "loadfile", "-m", "not soak", *sys.argv[1:]], fallen)
        if not may_run_again(code, names):
            return code
        again = sorted({name.split("::")[0] for name in names})
        print(f"\nOnce more, alone: {' '.join(again)}", flush=True)
        code, still = run(["-m", "not soak", *again], fallen)
        for name in names:
            if name not in still:
                print(f"FELL BESIDE OTHERS, PASSED ALONE (mend it): {name}")
        return code


if __name__ == "__main__":
    sys.exit(main())
