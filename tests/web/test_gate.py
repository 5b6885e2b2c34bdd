"""Who may speak to the server: each refusal by a real request to a real server."""

from __future__ import annotations

import socket

import httpx
import pytest
from served import Served, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("gate"), trusted=["hub.example.org"]) as running:
        yield running


SOCKETS = ("/api/p/aaaaaaaa/ws?client=a", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket")


def test_without_a_token_a_plain_page_says_where_the_address_is(served: Served):
    answer = httpx.get(served.base + "/")
    assert answer.status_code == 401
    assert "Open the address that" in answer.text
    assert "<script" not in answer.text
    assert served.token not in answer.text


@pytest.mark.parametrize("path", ["/", "/p/aaaaaaaa", "/api/browse", "/api/p/aaaaaaaa/state", "/_nicegui/x"])
def test_nothing_is_answered_without_a_token(served: Served, path):
    assert httpx.get(served.base + path).status_code == 401


@pytest.mark.parametrize("token", ["", "x" * 43, "t" * 42, "t" * 44, "\u00fc", "%00", "T" * 43])
def test_a_wrong_token_is_refused(served: Served, token):
    answer = httpx.get(served.base + "/", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_wrong_cookie_is_refused(served: Served):
    name = f"underbrush_{served.port}"
    for value in ("", "x" * 43, f'"{served.token}"'):
        assert httpx.get(served.base + "/", headers={"cookie": f"{name}={value}"}).status_code == 401
    # The cookie of a server on another port is not ours, whatever it holds.
    assert httpx.get(served.base + "/", headers={"cookie": f"underbrush_1={served.token}"}).status_code == 401


def test_the_token_becomes_a_cookie_that_scripts_cannot_read(served: Served):
    answer = httpx.get(served.base + f"/?token={served.token}&a=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?a=1"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"underbrush_{served.port}={served.token};")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/;" in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_cookie_opens_the_page_with_security_headers(served: Served):
    answer = served.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "object-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_odd_cookies_of_other_programs_do_not_hide_ours(served: Served):
    both = '{"a": [1]}=x; _ga="; ' + served.cookie["cookie"] + "; theme=dark"
    assert httpx.get(served.base + "/", headers={"cookie": both}).status_code == 200


def test_a_token_in_the_address_of_a_project_leads_to_the_project(served: Served):
    answer = httpx.get(served.base + f"/p/aaaaaaaa?token={served.token}")
    assert answer.headers["location"] == "/p/aaaaaaaa"


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example/p"])
def test_a_token_leads_to_no_other_host(served: Served, path):
    with httpx.Client(base_url=served.base) as client:
        answer = client.send(client.build_request("GET", f"{served.base}{path}?token={served.token}"))
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_a_token_that_works_once_works_once(served: Served):
    once = "a-token-for-the-browser-that-is-opened"
    served.server.config.app.admit_once(once)
    first = httpx.get(served.base + f"/?token={once}")
    assert first.status_code == 303
    assert served.token in first.headers["set-cookie"]
    assert httpx.get(served.base + f"/?token={once}").status_code == 401


def test_a_token_is_not_taken_from_a_post(served: Served):
    assert httpx.post(served.base + f"/?token={served.token}").status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]"],
)
def test_a_foreign_host_is_refused(served: Served, host):
    host = host.format(port=served.port)
    assert served.get("/", {"host": host}).status_code == 421
    assert httpx.get(served.base + f"/?token={served.token}", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "host", ["localhost:{port}", "127.0.0.1:9999", "[::1]:{port}", "hub.example.org", "HUB.example.org:443"]
)
def test_own_names_tunnels_and_trusted_proxies_are_answered(served: Served, host):
    assert served.get("/", {"host": host.format(port=served.port)}).status_code == 200


def test_an_address_of_another_machine_is_refused_on_loopback(served: Served):
    assert served.get("/", {"host": f"192.168.1.7:{served.port}"}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://", "x"]
)
def test_a_foreign_origin_is_refused(served: Served, origin):
    assert served.get("/", {"origin": origin}).status_code == 403
    assert served.post("/api/open", {"origin": origin}, json={"paths": []}).status_code == 403


def test_the_own_origin_and_that_of_a_trusted_proxy_are_answered(served: Served):
    assert served.get("/", {"origin": served.base}).status_code == 200
    assert served.get("/", {"origin": "https://hub.example.org"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_fetch_from_another_site_is_refused(served: Served, site):
    assert served.get("/api/browse", {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}).status_code == 403
    framed = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert served.get("/", framed).status_code == 403
    posted = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert served.post("/api/open", posted, json={"paths": []}).status_code == 403


def test_a_link_on_another_site_may_be_followed(served: Served):
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert served.get("/", followed).status_code == 200


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-Forwarded-Prefix": "/<script>"},
    ],
    ids=lambda h: " ".join(f"{k}={v}" for k, v in h.items()),
)
def test_both_websockets_refuse_foreign_pages(served: Served, path, headers):
    with pytest.raises(InvalidStatus) as refused, served.websocket(path, headers):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", SOCKETS)
def test_both_websockets_refuse_a_foreign_host(served: Served, path):
    address = f"ws://evil.example:{served.port}{path}"
    raw = socket.create_connection(("127.0.0.1", served.port))
    with raw, pytest.raises(InvalidStatus), connect(address, sock=raw, additional_headers=served.cookie):
        pass


@pytest.mark.parametrize("path", SOCKETS)
def test_both_websockets_tell_a_page_without_a_cookie_and_end(served: Served, path):
    with connect(f"ws://{served.host}{path}") as ws:
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=120)
        assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize(
    "prefix",
    ["/<script>", "/a b", "//evil.example", "/..", "/a/../b", "a", '/"', "/a\\b", "/x" * 400, "/a?b", "/a#b"],
)
@pytest.mark.parametrize("header", ["X-Forwarded-Prefix", "X-ProxyContextPath"])
def test_a_bad_prefix_is_refused(served: Served, prefix, header):
    assert served.get("/", {header: prefix}).status_code == 400


def test_a_good_prefix_goes_into_cookie_and_location(served: Served):
    prefix = "/user/ana@lab.org/proxy/8642"
    answer = httpx.get(served.base + f"/?token={served.token}", headers={"X-ProxyContextPath": prefix + "/"})
    assert answer.headers["location"] == prefix + "/"
    assert f"Path={prefix};" in answer.headers["set-cookie"]


def test_a_header_that_is_decided_on_may_not_come_twice(served: Served):
    headers = [
        ("cookie", served.cookie["cookie"]),
        ("origin", served.base),
        ("origin", "http://evil.example"),
    ]
    assert httpx.get(served.base + "/", headers=headers).status_code == 400


def test_a_body_that_is_too_large_is_refused_unread(served: Served):
    head = (
        f"POST /api/open HTTP/1.1\r\nHost: {served.host}\r\nCookie: {served.cookie['cookie']}\r\n"
        f"Content-Length: {1 << 40}\r\n\r\n{{"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=120) as raw:
        raw.sendall(head.encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")
