"""What lies outside of this folder and is linked to from it: examples become part of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: Any) -> Files:
    """Take the examples along as files to download."""
    for path in sorted((ROOT / "examples").iterdir()):
        if path.is_file():
            files.append(File.generated(config, f"examples/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that lead out of this folder in the repository lead to the copies in the site."""
    up = "../" * page.file.src_uri.count("/")
    return markdown.replace("](../examples/", f"]({up}examples/") if not up else markdown
