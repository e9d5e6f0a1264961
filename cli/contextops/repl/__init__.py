"""A conversation at a terminal or in a pipe."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.repl.loop import ReplOptions, run_repl

__all__ = ["ReplOptions", "run_repl"]

__getattr__ = lazy_names(__name__, {"loop": ("ReplOptions", "run_repl")})
