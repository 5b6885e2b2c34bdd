"""What is installed has all that is needed: the wheel starts by itself, with no repository near it."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

import pytest

import underbrush
from underbrush.web.browse import Roots
from underbrush.web.hub import Settings

ROOT = Path(__file__).parents[1]
LINKED = re.compile(r'(?:src|href)="([^"#]+)"')
MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel puts beside the other packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


def environment(installed: Path, home: Path) -> dict[str, str]:
    """A shell that knows the wheel and not the repository, in a home of its own."""
    compiled = {k: v for k, v in os.environ.items() if k == "UNDERBRUSH_CACHE_DIR"}
    if not compiled:
        from underbrush.jit import cache_folder

        compiled = {"UNDERBRUSH_CACHE_DIR": str(cache_folder())}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "UNDERBRUSH_"))}
    return kept | compiled | {"HOME": str(home), "PYTHONPATH": str(installed), "PYTHONUNBUFFERED": "1"}


START = "import sys; sys.path = [p for p in sys.path if p]; from underbrush.cli.main import main; main()"


def test_the_wheel_has_every_file_of_the_window(installed: Path) -> None:
    source = ROOT / "src" / "underbrush"
    kinds = {".js", ".css", ".svg", ".py", ".npz"}
    wanted = [p for p in source.rglob("*") if p.suffix in kinds or p.name == "py.typed"]
    missing = [p for p in wanted if not (installed / "underbrush" / p.relative_to(source)).exists()]
    assert len(wanted) > 300 and not missing
    strange = {p.suffix for p in (installed / "underbrush").rglob("*") if p.is_file()}
    assert strange <= kinds | {".ts", ".typed"}


def test_the_wheel_says_what_it_is(installed: Path) -> None:
    (about,) = installed.glob("*.dist-info")
    text = (about / "METADATA").read_text("utf-8")
    assert f"\nVersion: {underbrush.__version__}\n" in text and "\nLicense-Expression: BSD-3-Clause\n" in text
    scripts = configparser.ConfigParser()
    scripts.read(about / "entry_points.txt")
    assert dict(scripts["console_scripts"]) == {
        "underbrush": "underbrush.cli.main:main",
        "underbrush-ilastik": "underbrush.cli.ilastik:main",
    }
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert underbrush.__version__.partition(".dev")[0] in changes


def test_the_source_archive_has_what_builds_and_tests_it(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for needed in (
        "pyproject.toml",
        "LICENSE",
        "CHANGELOG.md",
        "src/underbrush/__init__.py",
        "tests/conftest.py",
    ):
        assert needed in names
    assert {
        "docs/index.md",
        "mkdocs.yml",
        "packaging/underbrush.desktop",
        "examples/train_and_predict.py",
    } <= names
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {".venv", "node_modules", "build", "site", ".ci", ".git"}


def test_commands_start_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    where = "import underbrush; print(underbrush.__file__)"
    for code, words, said in (
        (where, [], str(installed)),
        (START, ["--version"], f"underbrush {underbrush.__version__}"),
        (START, ["info", "--system"], underbrush.__version__),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=environment(installed, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 and said in done.stdout, done.stderr


@pytest.fixture
def window(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The address that the app of the wheel prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, "--no-browser", "--port", "0"],
        env=environment(installed, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line):
                yield found[0]
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()


def test_the_window_starts_from_the_wheel_and_everything_it_asks_for_is_there(window: str) -> None:
    visitor = build_opener(HTTPCookieProcessor(CookieJar()), ProxyHandler({}))
    page = fetched(visitor, window).decode()
    assert "Underbrush" in page
    asked = {link for link in LINKED.findall(page) if not link.startswith(("http:", "https:", "data:", "//"))}
    mapped = MAP.search(page)
    assert mapped is not None
    asked |= {one for one in json.loads(mapped[1])["imports"].values() if one.endswith(".js")}
    assert len(asked) > 5
    for one in asked:
        assert fetched(visitor, urljoin(window, one)), one


def fetched(visitor: OpenerDirector, address: str) -> bytes:
    """What is at an address; anything but success raises."""
    with visitor.open(address, timeout=240) as answer:
        body: bytes = answer.read()
    return body


# -- the desktop ----------------------------------------------------------------------------------------


def launcher(data: Path, *words: str, program: str = "/opt/a b/100%/underbrush") -> str:
    done = subprocess.run(
        ["sh", str(ROOT / "packaging" / "install-launcher.sh"), *words],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            "XDG_DATA_HOME": str(data),
            "UNDERBRUSH": program,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_entry_for_the_desktop_is_put_there_and_taken_away(tmp_path: Path) -> None:
    launcher(tmp_path)
    entry = configparser.RawConfigParser()
    entry.optionxform = str  # type: ignore[assignment,method-assign]
    entry.read(tmp_path / "applications" / "underbrush.desktop")
    told = dict(entry["Desktop Entry"])
    assert told["Exec"] == '"/opt/a b/100%%/underbrush" %F'
    types = (tmp_path / "mime" / "packages" / "underbrush-mime.xml").read_text("utf-8")
    assert f'type="{told["MimeType"].rstrip(";")}"' in types and 'pattern="*.ilp"' in types
    assert (tmp_path / "icons/hicolor/scalable/apps/underbrush.svg").read_text("utf-8").startswith("<svg")
    launcher(tmp_path, "--remove")
    assert not [path for path in tmp_path.rglob("underbrush*") if path.is_file()]


def test_the_container_runs_what_is_there() -> None:
    """Its file cannot be built here; what it copies and calls exists, and it does not run as root."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    for line in (line for line in lines if line.startswith("COPY ") and "--from" not in line):
        for name in line.split()[1:-1]:
            assert (ROOT / name).exists() and f"!{name}" in ignored, name
    users = [number for number, line in enumerate(lines) if line == "USER ${USER_ID}"]
    assert users and users[0] < next(n for n, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    new_projects = f"/home/brush/{Settings(1, 1, Roots(())).new_projects.name}"
    assert any(line.strip(" &") == f"ln -s /data {new_projects}" for line in lines), "they are lost with it"
    options = json.loads(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD "))
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    assert all(f"| `{one}` |" in page for one in options if one.startswith("--"))
