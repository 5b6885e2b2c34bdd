"""Underbrush: a few brush strokes grow a forest that segments your images.

Images come in through `sources`, become features and probabilities in `core`, are asked for by `engine`,
and leave through `sinks` or `web`; `project` remembers. Imports point one way:

    errors, files, config -> core -> sources, sinks, project -> engine -> api -> cli, web
"""

from __future__ import annotations

__version__ = "0.1.0.dev0"
