"""Option types that several commands share."""

from __future__ import annotations

from typing import Any

import click


class Names(click.ParamType[tuple[str, ...]]):
    """Comma-separated names: `--benchmarks hhh,lambada`."""

    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        parts = tuple(part.strip() for part in value.split(","))
        if not all(parts):
            self.fail("give names separated by single commas, as in a,b", param, ctx)
        if len(set(parts)) < len(parts):
            self.fail(f"{value!r} names something twice", param, ctx)
        return parts
