"""What waits for a browser that reads slowly."""

from __future__ import annotations

import asyncio

import pytest

from underbrush.web.outbox import Outbox, OverflowedError


def drained(outbox: Outbox, n: int) -> list:
    async def take():
        return [await asyncio.wait_for(outbox.next(), 5) for _ in range(n)]

    return asyncio.run(take())


def test_what_is_put_keeps_its_order_and_goes_first():
    outbox = Outbox()
    outbox.replace("tile", b"old")
    outbox.put("one")
    outbox.put("two")
    assert drained(outbox, 3) == ["one", "two", b"old"]


def test_of_one_place_only_the_newest_is_sent_in_the_place_of_the_first():
    outbox = Outbox()
    for k in range(1000):
        outbox.replace("a", b"a%d" % k)
        outbox.replace("b", b"b%d" % k)
    assert drained(outbox, 2) == [b"a999", b"b999"]
    assert list(outbox.keys()) == []


def test_what_is_not_in_sight_any_more_is_not_sent():
    outbox = Outbox()
    for name in ("main", "other"):
        for k in range(3):
            outbox.replace(("tile", name, k), b"x")
    outbox.drop(lambda key: key[1] == "main")
    assert {key[1] for key in outbox.keys()} == {"other"}  # noqa: SIM118


def test_somebody_who_never_reads_is_cut_off():
    outbox = Outbox(limit=1000)
    for _ in range(9):
        outbox.put("x" * 100)
        outbox.replace("same", b"y" * 50)
    assert drained(outbox, 1) == ["x" * 100]
    for _ in range(9):
        outbox.put("x" * 100)
    with pytest.raises(OverflowedError):
        drained(outbox, 1)


def test_replacing_does_not_count_twice():
    outbox = Outbox(limit=1000)
    for _ in range(500):
        outbox.replace("same", b"y" * 900)
    assert drained(outbox, 1) == [b"y" * 900]
    outbox.replace("same", b"y" * 900)
    outbox.drop(lambda key: True)
    outbox.put("z" * 900)
    assert drained(outbox, 1) == ["z" * 900]


def test_next_waits_until_there_is_something():
    async def later():
        outbox = Outbox()
        waiting = asyncio.ensure_future(outbox.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.put("now")
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(later()) == "now"
