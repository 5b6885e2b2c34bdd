"""In which order files of tests begin."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
DEAR = (
    "browser/test_course.py",
    "browser/test_kinds_of_images.py",
    "browser/test_interruptions.py",
    "browser/test_export_browser.py",
    "browser/test_keyboard.py",
    "engine/test_exporting.py",
    "browser/test_first_slice.py",
    "faults/test_resume.py",
    "browser/test_training_browser.py",
    "conformance/test_sink_conformance.py",
    "equivalence/test_cluster.py",
    "web/test_viewer.py",
    "browser",
    "web/test_painting.py",
    "web/test_strokes_kept.py",
    "faults/test_power_cut.py",
    "test_jit.py",
    "web/test_modules.py",
    "project/test_journal_folding.py",
    "web/test_events.py",
    "test_packaging.py",
    "cli",
    "web",
)
"""Files and rooms that take longest, as they begin: in the end both workers have something left to do."""


def place(path: Path) -> int:
    """Where a file stands in the order: small numbers begin early."""
    file = path.relative_to(HERE).as_posix() if path.is_relative_to(HERE) else ""
    found = (n for n, dear in enumerate(DEAR) if file == dear or file.startswith(f"{dear}/"))
    return next(found, len(DEAR))
