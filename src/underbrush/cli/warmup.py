"""`underbrush warmup`: compile everything now."""

from __future__ import annotations

import time

import typer

from underbrush.cli.machine import load_compiler, usable_cores


def warmup() -> None:
    """Compile all kernels now, so that the first prediction on this machine does not wait."""
    begun = time.monotonic()
    load_compiler()
    from underbrush import jit
    from underbrush.engine.memory import memory_cap
    from underbrush.web.compiling import TOGETHER, help_along

    def say(done: int, total: int, name: str) -> None:
        if name:
            typer.echo(f"{done + 1}/{total} {name}", err=True)

    ours, others = TOGETHER
    help_along(memory_cap(None), usable_cores(), others)
    jit.warmup(say, names=ours)
    typer.echo(f"All kernels are ready after {time.monotonic() - begun:.0f} s, kept in {jit.cache_folder()}")
