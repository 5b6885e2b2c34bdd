"""The plain page for who may not pass: what happened and what to do, without any script."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Underbrush</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  html {{ color-scheme: dark; background: #17181a; color: #e6e6e6; font: 15px/1.5 system-ui, sans-serif; }}
  main {{ max-width: 34em; margin: 18vh auto 0; padding: 0 24px; }}
  h1 {{ font-size: 20px; font-weight: 600; margin: 0 0 8px; }}
  p {{ margin: 0 0 12px; color: #b9bbbe; }}
  code {{ color: #e6e6e6; }}
</style></head>
<body><main><h1>{head}</h1>{text}</main></body></html>
"""

_WITHOUT_TOKEN = (
    "<p>Open the address that <code>underbrush</code> printed in the terminal where it was started; "
    "it ends in <code>?token=…</code>.</p>"
    "<p>Only then does the server know that it is you, and no other page or person on this computer.</p>"
)


def refusal_page(status: int, sentence: str) -> str:
    """The page for a status and a sentence; 401 tells where the right address is."""
    if status == 401:
        return _PAGE.format(head="Underbrush is running, but this address lacks its key", text=_WITHOUT_TOKEN)
    return _PAGE.format(head="Underbrush refused this request", text=f"<p>{escape(sentence)}</p>")
