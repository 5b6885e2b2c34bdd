"""No stroke of a browser is lost or applied twice, whatever breaks: tried in Chromium."""

from __future__ import annotations

import pytest

from web.painting_pages import (
    FOREGROUND,
    READY,
    Open,
    arrived,
    chromium,
    colour,
    drag,
    near,
    opened,
    server,
    silence,
)
from web.painting_server import PaintingServer

pytest.importorskip("playwright.sync_api")
__all__ = ["chromium", "opened", "server"]  # fixtures


def test_a_server_that_is_killed_gets_every_stroke_once_when_it_is_back(
    opened: Open, server: PaintingServer
) -> None:
    page = opened()
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
    server.stop()
    page.wait_for_function("app.connection.banner")
    assert "what you paint is kept here" in page.evaluate("app.connection.sentence")
    for i in range(5):
        drag(page, (100, 150 + 30 * i), (300, 150 + 30 * i))
    assert page.evaluate("app.snapshot().unsent.count") == 5
    assert near(colour(page, 200, 180), FOREGROUND)
    server.start()
    arrived(server, 6)
    silence(page)
    assert [number for _, number, _ in server.project.applied] == [1, 2, 3, 4, 5, 6]
    page.wait_for_function("!app.connection.banner")


def test_no_banner_comes_under_a_stroke(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("void app.on('connection', (one) => said.push(['connection', one]))")
    page.mouse.move(100, 100)
    page.mouse.down()
    server.stop()
    page.wait_for_function("app.connection.banner")
    page.mouse.move(200, 100)
    heard = "said.filter(([name]) => name === 'connection').length"
    assert page.evaluate(heard) == 0
    page.mouse.up()
    assert page.evaluate(heard) >= 1
    server.start()
    arrived(server, 1)


def test_a_state_that_does_not_come_is_asked_for_again(opened: Open, server: PaintingServer) -> None:
    server.busy = 3
    page = opened(ready=False)
    page.wait_for_function(READY)
    assert server.busy == 0


def test_a_page_that_is_loaded_again_sends_what_it_had(opened: Open, server: PaintingServer) -> None:
    page = opened()
    client = page.evaluate("app.client")
    server.mode = "silent"
    drag(page, (100, 100), (200, 100))
    drag(page, (100, 200), (200, 200))
    page.evaluate("app.outbox.writing")
    page.reload()
    page.wait_for_function(READY)
    assert page.evaluate("app.client") == client
    assert page.evaluate("app.outbox.count") == 2
    page.evaluate("app.viewer.settled()")
    assert near(colour(page, 150, 200), FOREGROUND), "what waits is shown"
    server.mode = "ack"
    page.evaluate("app.connection.lost(); app.connection.hurry()")
    arrived(server, 2)
    silence(page)
    page.evaluate("app.outbox.writing")
    left = page.evaluate("app.outbox.store.commands('PPPPPPPP', app.client)")
    assert left == []


def test_an_answer_that_was_lost_applies_nothing_twice(opened: Open, server: PaintingServer) -> None:
    page = opened()
    server.mode = "cut"
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
    server.mode = "ack"
    drag(page, (100, 200), (200, 200))
    arrived(server, 2)
    silence(page)
    assert [number for _, number, _ in server.project.applied] == [1, 2]


def test_the_strokes_of_a_closed_tab_are_handed_in_by_the_next(opened: Open, server: PaintingServer) -> None:
    page, other = opened(), opened()
    client = page.evaluate("app.client")
    server.stop()
    drag(page, (100, 100), (200, 100))
    drag(page, (100, 200), (200, 200))
    page.evaluate("app.outbox.writing")
    page.close()
    server.start()
    other.wait_for_function("app.connection.state === 'online'")
    other.evaluate("app.courier.round()")
    arrived(server, 2)
    assert [(who, number) for who, number, _ in server.project.applied] == [(client, 1), (client, 2)]
    other.wait_for_function("app.viewer.readPixel(150, 200)[2] < 60")
    assert near(colour(other, 150, 200), FOREGROUND)


def test_two_tabs_have_clients_of_their_own_and_see_each_other(opened: Open, server: PaintingServer) -> None:
    one, two = opened(), opened()
    assert one.evaluate("app.client") != two.evaluate("app.client")
    one.evaluate("app.setBrushSize(11)")
    drag(one, (100, 100), (200, 100))
    silence(one)
    two.wait_for_function("app.viewer.readPixel(150, 100)[2] < 60")
    assert near(colour(two, 150, 100), FOREGROUND)
    two.evaluate("app.undo()")  # what others did is not undone
    two.wait_for_function(
        "said.some(([name, one]) => name === 'notice' && /nothing to undo/.test(one.sentence))"
    )
    assert server.project.labels["a1"].any()


def test_later_is_tried_again_and_refused_is_said(opened: Open, server: PaintingServer) -> None:
    page = opened()
    server.mode = "later"
    drag(page, (100, 100), (200, 100))
    page.wait_for_function(
        "said.some(([name, one]) => name === 'notice' && /disk is full/.test(one.sentence))"
    )
    assert near(colour(page, 150, 100), FOREGROUND)
    server.mode = "ack"
    arrived(server, 1)
    server.mode = "refuse"
    page.evaluate("app.setBrushSize(11)")
    drag(page, (100, 300), (200, 300))
    page.wait_for_function("said.some(([name, one]) => name === 'notice' && /locked/.test(one.sentence))")
    assert not near(colour(page, 150, 300), FOREGROUND)
    assert page.evaluate("app.outbox.count") == 0


def test_undo_and_redo_also_without_a_server(opened: Open, server: PaintingServer) -> None:
    page = opened()
    page.evaluate("app.setBrushSize(11)")
    drag(page, (100, 100), (200, 100))
    silence(page)
    page.keyboard.press("Control+z")
    arrived(server, 2)
    assert not server.project.labels["a1"].any()
    page.keyboard.press("Control+Shift+z")
    arrived(server, 3)
    assert server.project.labels["a1"].any()
    server.stop()
    page.wait_for_function("app.connection.state !== 'online'")
    drag(page, (100, 300), (200, 300))
    assert near(colour(page, 150, 300), FOREGROUND)
    titles = "(({ undo, redo }) => [undo, redo])(app.snapshot().state)"
    assert page.evaluate(titles) == ["Stroke in Foreground", None]
    page.keyboard.press("Control+z")
    assert page.evaluate(titles) == ["Stroke", "Stroke in Foreground"]
    assert not near(colour(page, 150, 300), FOREGROUND)
    page.keyboard.press("Control+y")
    assert near(colour(page, 150, 300), FOREGROUND)
    server.start()
    arrived(server, 4)
    assert server.project.applied[-1][2]["type"] == "paint"


def test_without_storage_painting_goes_on_under_a_warning(opened: Open, server: PaintingServer) -> None:
    page = opened(ready=False)
    page.add_init_script(
        "Object.defineProperty(window, 'indexedDB', { get() { throw new Error('forbidden') } })"
    )
    page.reload()
    page.wait_for_function(READY)
    storage = page.evaluate("app.snapshot().storage")
    assert storage["durable"] is False and "leave this window open" in storage["sentence"]
    drag(page, (100, 100), (200, 100))
    arrived(server, 1)
    silence(page)
