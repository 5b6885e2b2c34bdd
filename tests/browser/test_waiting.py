"""What the tests in the browser wait with."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PROMISE = re.compile(r"wait_for_function\(\s*[rf]?[\"']{1,3}\s*async")


def test_nobody_waits_with_what_takes_a_promise_for_true() -> None:
    assert PROMISE.search('page.wait_for_function(\n    """async () => false"""')
    found = [
        p.name for p in FOLDER.glob("*.py") if p.name != "test_waiting.py" and PROMISE.search(p.read_text())
    ]
    assert not found, f"{found}: see browser.running.until"
