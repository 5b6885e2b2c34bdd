"""Amounts of memory, and the cap."""

from __future__ import annotations

import pytest

from underbrush.engine import memory
from underbrush.errors import UsageError


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4GB", 4_000_000_000),
        ("2GiB", 2 * 2**30),
        ("800 mb", 800_000_000),
        ("1.5g", 1_500_000_000),
        ("600000000", 600_000_000),
    ],
)
def test_amounts(text, amount):
    assert memory.parse_memory(text) == amount


@pytest.mark.parametrize("text", ["", "much", "4 XB", "-4GB", "511MB", "4iB"])
def test_no_amounts(text):
    with pytest.raises(UsageError):
        memory.parse_memory(text)


def test_the_cap_is_a_quarter_but_never_less_than_the_least(monkeypatch):
    monkeypatch.setattr(memory, "total_memory", lambda: 16_000_000_000)
    assert memory.memory_cap(None) == 4_000_000_000
    monkeypatch.setattr(memory, "total_memory", lambda: 1_000_000_000)
    assert memory.memory_cap(None) == memory.LEAST
    assert memory.memory_cap("3GB") == 3_000_000_000
