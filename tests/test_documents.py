"""What the documents say of tests and keys is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NODE = shutil.which("node")
NAMED = re.compile(r"`(test_\w+\.py|\w+\.test\.mjs)(?:: (\w+))?`")
KEYS = re.compile(r"<!-- keys -->\n(.*?)<!-- end of keys -->", re.DOTALL)
LINKED = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


@pytest.mark.parametrize("document", ["inventory.md", "app.md", "formats.md"])
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
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in LINKED.findall(document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_keys_of_the_guide_are_those_of_the_window() -> None:
    module = (ROOT / "src/underbrush/web/viewer/keytable.js").as_uri()
    script = f"""
        import {{ UNDERBRUSH, caps }} from "{module}";
        const told = (row) => ({{ ...row, keys: row.keys.map((key) => caps(key, false)) }});
        console.log(JSON.stringify(UNDERBRUSH.map(told)));
    """
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    )
    expected = keys_table(json.loads(done.stdout))
    found = KEYS.search((ROOT / "docs" / "app.md").read_text("utf-8"))
    assert found is not None
    assert found[1] == expected, f"put this between the marks:\n{expected}"


def keys_table(rows: list[dict[str, object]]) -> str:
    """The table in Markdown, the nine classes as one row."""
    lines = ["| | what | keys |", "|---|---|---|"]
    group = ""
    for row in rows:
        action, title = str(row["action"]), str(row["title"])
        if re.fullmatch(r"class:[2-9]", action):
            continue
        keys = row["keys"]
        assert isinstance(keys, list)
        said = " or ".join(" ".join(f"`{cap}`" for cap in caps) for caps in keys)
        if action == "class:1":
            title, said = "Class 1 to 9", "`1` ... `9`"
        if row.get("note"):
            said += f" ({row['note']})"
        lines.append(f"| {'' if row['group'] == group else row['group']} | {title} | {said} |")
        group = str(row["group"])
    return "\n".join(lines) + "\n"
