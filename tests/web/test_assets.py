"""Files of the page: the same bytes as on the disk, kept for ever under addresses that change with them."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys

import httpx
import pytest
from served import serving
from starlette.applications import Starlette
from starlette.routing import Mount

from underbrush.web.assets import FOR_EVER, Assets, content_key
from underbrush.web.light_imports import without

LONG = b"export const answer = 42;\n" * 2000


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "modules"
    (inner / "deep").mkdir(parents=True)
    (inner / "index.js").write_text("export {};")
    (inner / "deep" / "long.js").write_bytes(LONG)
    (tmp_path / "secret.js").write_text("nobody's")
    return inner


@pytest.fixture
def client(folder):
    app = Starlette(routes=[Mount("/files/key", Assets(folder))])
    transport = httpx.ASGITransport(app)

    async def ask(path, method="GET", **headers):
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=headers)

    def now(*args, **more):
        import asyncio

        return asyncio.run(ask(*args, **more))

    return now


def test_files_are_sent_whole_with_their_kind_and_may_be_kept(client):
    answer = client("/files/key/index.js")
    assert (answer.status_code, answer.text) == (200, "export {};")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == FOR_EVER
    assert "content-encoding" not in answer.headers


def test_long_files_are_packed_for_who_takes_it_only(client):
    packed = client("/files/key/deep/long.js", **{"accept-encoding": "gzip, br"})
    assert packed.content == LONG
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(gzip.compress(LONG, 5)) < len(LONG) / 10
    plain = client("/files/key/deep/long.js", **{"accept-encoding": "identity"})
    assert plain.content == LONG and "content-encoding" not in plain.headers


def test_heads_have_no_body_and_nothing_is_written(client):
    head = client("/files/key/deep/long.js", "HEAD")
    assert head.status_code == 200 and not head.content and int(head.headers["content-length"]) > 100
    assert client("/files/key/index.js", "POST").status_code == 405


@pytest.mark.parametrize(
    "name", ["none.js", "", "deep", "../secret.js", "%2e%2e/secret.js", "deep/../../secret.js"]
)
def test_nothing_else_is_found(client, name):
    answer = client(f"/files/key/{name}")
    assert answer.status_code == 404 and "immutable" not in answer.headers.get("cache-control", "")


def test_a_key_changes_with_any_byte_and_any_name(folder):
    keys = {content_key(folder)}
    (folder / "index.js").write_text("export [];")
    keys.add(content_key(folder))
    (folder / "index.js").rename(folder / "other.js")
    keys.add(content_key(folder))
    (folder / "other.js").rename(folder / "index.js")
    (folder / "index.js").write_text("export {};")
    assert len(keys) == 3 and content_key(folder) in keys


def test_packages_are_hidden_in_the_block_only():
    code = (
        "import sys\nfrom underbrush.web.light_imports import without\n"
        "with without(('wave', 'json')):\n"
        "    import json\n"
        "    try:\n        import wave\n    except ImportError:\n        print('hidden')\n"
        "import wave\nprint(wave.__name__)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", "import json\n" + code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["hidden", "wave"]
    with without(("json",)):
        import json
    assert json.dumps(1) == "1"


def test_no_garbage_is_looked_for_while_something_is_loaded_and_again_after():
    code = (
        "import gc, threading\nfrom underbrush.web.light_imports import uncollected\n"
        "inside, ended = threading.Event(), threading.Event()\n"
        "def other():\n    with uncollected():\n        inside.set()\n        ended.wait(20)\n"
        "thread = threading.Thread(target=other)\nthread.start()\ninside.wait(20)\n"
        "with uncollected():\n    print(gc.isenabled())\n"
        "print(gc.isenabled())\nended.set()\nthread.join()\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 0)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False", "True", "True"]


def test_what_computes_and_clients_of_sockets_are_not_imported_for_the_first_page():
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from underbrush.web.app import make_app\nfrom underbrush.web.browse import Roots\n"
        "from underbrush.web.gate import allowed_hosts\nfrom underbrush.web.hub import Hub, Settings\n"
        "hub = Hub(Settings(1, 10**9, Roots((Path(sys.argv[1]),))))\n"
        "make_app(hub, token='t', port=1, allowed=allowed_hosts((), '127.0.0.1'))\n"
        "print([m for m in ('numba', 'aiohttp', 'requests', 'tornado') if m in sys.modules])\n"
        "import aiohttp\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "."], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("assets"), pages=None) as served:
        yield served


@pytest.mark.parametrize("path", ["/", "/p/aaaaaaaa"])
def test_a_page_fetches_all_its_modules_at_once_also_behind_a_proxy(real, path):
    page = real.get(path, headers={"x-forwarded-prefix": "/user/ana"}).text
    named = re.findall(r'<link rel="modulepreload" href="/user/ana(/[^"]+/esm/[^"]+)"', page)
    assert any(name.endswith("/index.js") for name in named) and len(named) > 30
    imports = re.search(r'"underbrush-panels": ?"/user/ana([^"]+)"', page)
    assert imports is not None and imports[1] in named
    for name in named:
        answer = real.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == FOR_EVER
        for imported in re.findall(r'^import [^;]*"\./([\w.]+)";', answer.text, re.MULTILINE):
            assert f"{name.rpartition('/')[0]}/{imported}" in named


def test_what_nicegui_brings_is_kept_as_well(real):
    static = re.findall(r'/_nicegui/[^"\s]+/static/[\w./-]+', real.get("/").text)
    assert any("quasar" in name for name in static)
    for name in static:
        answer = real.get(name)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, FOR_EVER), name
