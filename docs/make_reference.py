"""Write the pages of options and keys from the code: ``python docs/make_reference.py``.

``tests/test_documents.py`` says when a page is out of date.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import SUPPRESS
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
KEYTABLE = DOCS.parent / "src/underbrush/web/viewer/keytable.js"
WINDOW = "app"


def commands_page() -> str:
    """All commands with all options, as ``underbrush COMMAND --help`` knows them."""
    import typer  # noqa: PLC0415

    from underbrush.cli.main import application  # noqa: PLC0415

    commands: dict[str, Any] = typer.main.get_command(application()[0]).commands  # type: ignore[attr-defined]
    lines = [
        "# All options",
        "",
        "Made from the program by `docs/make_reference.py`; [Commands](../commands.md) explains them.",
        "`underbrush --version` prints the version, `--help` behind any command this.",
    ]
    for name, command in sorted(commands.items(), key=lambda item: item[0] != WINDOW):
        title = "underbrush" if name == WINDOW else f"underbrush {name}"
        lines += ["", f"## {title}", "", _one_line(command.help), ""]
        rows = [row for one in command.params if (row := _option(one))]
        if rows:
            lines += ["| | meaning | default |", "|---|---|---|", *rows]
    return "\n".join([*lines, "", *_drop_in(), ""])


def _option(one: Any) -> str:
    if "--help" in one.opts or getattr(one, "hidden", False):
        return ""
    named = [option for option in (*one.opts, *one.secondary_opts) if option.startswith("-")]
    said = " / ".join(f"`{option}`" for option in named) or _code(one.metavar or one.name.upper())
    shown = getattr(one, "show_default", None)
    default = ""
    if isinstance(shown, str):
        default = _code(shown) if set(shown) & set("{/~") else shown
    elif shown and one.default is not None and not isinstance(one.default, bool | list | tuple):
        default = f"`{one.default}`"
    if getattr(one, "required", False):
        default = "needed"
    return f"| {_cell(said)} | {_cell(one.help or '')} | {_cell(default)} |"


def _drop_in() -> list[str]:
    """The options of ilastik's command line."""
    from underbrush.cli import ilastik_options as drop_in  # noqa: PLC0415

    lines = [
        "## underbrush-ilastik",
        "",
        "ilastik's own command line; [From ilastik](../from-ilastik.md) says what is alike and what differs.",
        "",
        "| | meaning |",
        "|---|---|",
    ]
    parsers = (
        drop_in.app_parser(), drop_in.workflow_parser(), drop_in.export_parser(), drop_in.input_parser(),
    )  # fmt: skip
    seen: set[str] = set()
    for action in (action for parser in parsers for action in parser._actions):
        names = action.option_strings or [str(action.metavar or action.dest)]
        if names[0] in seen or "--help" in names or action.help == SUPPRESS:
            continue
        seen.add(names[0])
        said = " / ".join(f"`{name}`" for name in names)
        lines.append(f"| {_cell(said)} | {_cell(_one_line(action.help).replace('%%', '%'))} |")
    return lines


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _code(text: str) -> str:
    """As code in a cell; a bar cannot be escaped alike for the site and for what else shows Markdown."""
    return f"<code>{text.replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def keys_page() -> str:
    """The keys of the window, from its own table. Needs node."""
    script = f"""
        import {{ ILASTIK, UNDERBRUSH, caps }} from "{KEYTABLE.as_uri()}";
        const told = (row) => ({{ ...row, keys: row.keys.map((key) => caps(key, false)) }});
        const other = Object.fromEntries(
          Object.entries(ILASTIK).map(([k, keys]) => [k, keys.map((key) => caps(key, false))]));
        console.log(JSON.stringify({{ rows: UNDERBRUSH.map(told), other }}));
    """
    done = subprocess.run(
        [str(shutil.which("node")), "--input-type=module", "-e", script],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    titles = {str(row["action"]): str(row["title"]) for row in told["rows"]}
    lines = [
        "# Keys",
        "",
        "Made from the table that the window listens by; `?` shows it there. On macOS Cmd stands for Ctrl.",
        "",
        keys_table(told["rows"]).rstrip("\n"),
        "",
        "Besides: Ctrl S saves now. In lists arrows move, Enter chooses, Del deletes, Esc closes; F2 renames",
        "a class or a kept classifier.",
        "",
        "Letters are read by what is printed on the key; digits and brackets also by their place, so that",
        "they work on keyboards where they need another key to be held.",
        "",
        "## ilastik's",
        "",
        "The table has a second set, in which these are other keys:",
        "",
        "| what | keys |",
        "|---|---|",
        *(f"| {titles[action]} | {_caps(keys)} |" for action, keys in told["other"].items()),
        "",
    ]
    return "\n".join(lines)


def keys_table(rows: list[dict[str, Any]]) -> str:
    """The table in Markdown, the nine classes as one row."""
    lines = ["| | what | keys |", "|---|---|---|"]
    group = ""
    for row in rows:
        action, title = str(row["action"]), str(row["title"])
        if action.startswith("class:") and action != "class:1":
            continue
        said = _caps(row["keys"])
        if action == "class:1":
            title, said = "Class 1 to 9", "`1` ... `9`"
        if row.get("note"):
            said += f" ({row['note']})"
        lines.append(f"| {'' if row['group'] == group else row['group']} | {title} | {said} |")
        group = str(row["group"])
    return "\n".join(lines) + "\n"


def _caps(keys: list[list[str]]) -> str:
    return " or ".join(" ".join(f"`{cap}`" for cap in caps) for caps in keys)


def main() -> None:
    """Write both pages."""
    pages = {"commands.md": commands_page()}
    if shutil.which("node"):
        pages["keys.md"] = keys_page()
    else:
        sys.stderr.write("node is not installed: the page of keys stays as it is\n")
    for name, text in pages.items():
        (DOCS / "reference" / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
