"""What the documents say is so: tests and keys that they name, options, links, commands to be typed."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import llvmlite.binding
import numpy as np
import pytest
import tifffile

import underbrush as ub
from underbrush import config
from underbrush.cli import main
from underbrush.engine.sample_forests import FILE, PROCESSOR, stored_forests
from underbrush.engine.sample_project import BRIGHTNESS, FINE, make_sample, trained_forests

ROOT = Path(__file__).parents[1]
NODE = shutil.which("node")
NAMED = re.compile(r"`(test_\w+\.py|\w+\.test\.mjs)(?:: (\w+))?`")
RUNS = re.compile(r"<!-- runs -->\n( *)```(console|python)\n(.*?)\n *```", re.DOTALL)
LINKED = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


@pytest.mark.parametrize(
    "document", ["inventory.md", "app.md", "formats.md", "callers.md", "from-ilastik.md"]
)
def test_every_test_that_is_named_exists(document: str) -> None:
    files = {path.name: path for path in (ROOT / "tests").rglob("*.*") if path.suffix in {".py", ".mjs"}}
    missing = []
    for file, name in NAMED.findall((ROOT / "docs" / document).read_text("utf-8")):
        text = files[file].read_text("utf-8") if file in files else ""
        if not text or (name and f"def test_{name}(" not in text):
            missing.append(f"{file}: {name}")
    assert not missing


def test_the_inventory_says_of_each_feature_how_it_is_and_where() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "inventory.md").read_text("utf-8").splitlines()
        if line.startswith("|") and not line.startswith(("|---", "| feature |"))
    ]
    assert len(rows) > 100
    for feature, how, where in rows:
        assert how in {"yes", "better", "partly", "not yet"}, feature
        assert where, feature
        assert how in {"partly", "not yet"} or NAMED.search(where), f"{feature}: no test is named"


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in LINKED.findall(document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_keys_of_the_guide_are_those_of_the_window() -> None:
    page = reference().keys_page()
    assert page == (ROOT / "docs/reference/keys.md").read_text("utf-8"), "run docs/make_reference.py"


def test_the_page_of_options_is_what_the_commands_say() -> None:
    page = reference().commands_page()
    assert page == (ROOT / "docs/reference/commands.md").read_text("utf-8"), "run docs/make_reference.py"
    for command in main.COMMANDS - {main.WINDOW}:
        assert f"## underbrush {command}\n" in page


def test_every_setting_is_in_its_page() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    for name in set(re.findall(r"UNDERBRUSH_[A-Z]+(?:_[A-Z]+)*", sources)) - {"UNDERBRUSH_"}:
        assert name in page, name
    for field in dataclasses.fields(config.Settings):
        assert f"`{field.name}`" in page


def reference() -> ModuleType:
    """The script that writes pages from the code."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_in_the_menu_of_the_site_and_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert re.search(rf"[ :]{page.relative_to(ROOT / 'docs').as_posix()}$", menu, re.MULTILINE), page
    for page in tmp_path.rglob("*.html"):
        asked = re.findall(r'(?:src|href)="(https?://[^"/]+)', page.read_text("utf-8"))
        fetched = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', page.read_text("utf-8"))
        assert not fetched, f"{page.name} fetches from elsewhere: {asked}"
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", page.read_text("utf-8"), flags=re.DOTALL)
        assert not re.search(r"\|\s*:?-{3}", text), f"{page.name}: a table is left as text"
        assert not re.search(r"<th[^>]*></th>\s*<th[^>]*></th>", text), f"{page.name}: a table without heads"


# -- what stands in the documents is done ---------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader of the documents stands: with the sample beside."""
    made = tmp_path_factory.mktemp("reader")
    make_sample(made / "sample")
    return made


def runnable(page: Path) -> list[tuple[str, str]]:
    """The marked blocks of a page: language and text."""
    return [(block[2], textwrap.dedent(block[3])) for block in RUNS.finditer(page.read_text("utf-8"))]


@pytest.mark.parametrize(
    "page", [p for p in sorted((ROOT / "docs").rglob("*.md")) if runnable(p)], ids=lambda page: page.stem
)
def test_commands_in_the_documents_work(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for language, text in runnable(page):
        if language == "python":
            exec(compile(text, page.name, "exec"), {"__name__": "document"})
            continue
        for line in text.replace("\\\n", " ").splitlines():
            assert line.startswith("$ underbrush "), line
            status = main.run(words_of(line)[2:])
            assert status == 0, f"{line}\n{capsys.readouterr().err}"


def words_of(line: str) -> list[str]:
    """The words of a command line as a shell gives them: patterns become files, but for those in quotes."""
    words = []
    for word in shlex.split(line, posix=False):
        pattern = "*" in word and word[0] not in "'\""
        words += sorted(map(str, Path().glob(word))) if pattern else [word.strip("'\"")]
    return words


def test_the_sample_teaches_what_the_tutorial_says(folder: Path) -> None:
    """Its classifier is good on images that it has not seen, and better than those kept beside it."""
    with ub.open_project(folder / "sample" / "sample.ilp") as project:
        assert [c.name for c in project.classes] == ["background", "nucleus"]
        assert project.classifier is not None, "nothing has to be trained before it is seen"
        tried = {"": project.classifier} | {name: project.kept(name) for name in (BRIGHTNESS, FINE)}
        scores = {}
        for name, classifier in tried.items():
            overlap = []
            for number in (3, 4):
                pixels = tifffile.imread(folder / f"sample/unseen/nuclei_{number}.tif")
                truth = tifffile.imread(folder / f"sample/truth/nuclei_{number}_truth.tif") == 2
                result = classifier.predict(pixels, axes="yx") == 2
                overlap.append(2 * (result & truth).sum() / (result.sum() + truth.sum()))
            scores[name] = min(overlap)
    assert scores[""] > 0.9 > max(scores[BRIGHTNESS], scores[FINE] - 0.01)
    with ub.open_project(folder / "sample" / "tissue.ilp") as project, project.image(0) as image:
        assert (image.axes, len(project.classes)) == ("yxc", 3)
        assert all((project.labels(0) == value).sum() > 200 for value in (1, 2, 3))


def test_the_classifiers_of_the_sample_are_what_training_gives(folder: Path) -> None:
    stored, trained = stored_forests(), trained_forests(folder / "sample", 2)
    assert set(stored) == set(trained) and len(stored) == 4
    again = "run packaging/train_samples.py"
    with np.load(FILE, allow_pickle=False) as file:
        same_processor = str(file[PROCESSOR]) == llvmlite.binding.get_host_cpu_name()
    for name, forest in trained.items():
        if same_processor:
            assert stored[name].digest == forest.digest, again
        # On another kind sums are rounded otherwise, and some thresholds lie a little elsewhere.
        assert abs(len(stored[name].feature) / len(forest.feature) - 1) < 0.1, again
