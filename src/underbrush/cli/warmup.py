"""`underbrush warmup`: compile everything now."""

from __future__ import annotations

import time

import typer


def warmup() -> None:
    """Compile all kernels now, so that the first prediction on this machine does not wait."""
    from underbrush import jit

    begun = time.monotonic()

    def say(done: int, total: int, name: str) -> None:
        if name:
            typer.echo(f"{done + 1}/{total} {name}", err=True)

    jit.warmup(say)
    typer.echo(f"All kernels are ready after {time.monotonic() - begun:.0f} s, kept in {jit.cache_folder()}")
