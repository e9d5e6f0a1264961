"""A conversation at a terminal or in a pipe."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.repl.dialogue import Dialogue, TemplateRequest
    from contextops.repl.editor import LineEditor
    from contextops.repl.loop import Reader, Repl
    from contextops.repl.reader import PipedReader, PlainReader
    from contextops.repl.slash_commands import complete_command, show_last_turns

__all__ = [
    "Dialogue",
    "LineEditor",
    "PipedReader",
    "PlainReader",
    "Reader",
    "Repl",
    "TemplateRequest",
    "complete_command",
    "show_last_turns",
]

__getattr__ = lazy_names(
    __name__,
    {
        "dialogue": (
            "Dialogue",
            "TemplateRequest",
        ),
        "editor": ("LineEditor",),
        "loop": (
            "Reader",
            "Repl",
        ),
        "reader": (
            "PipedReader",
            "PlainReader",
        ),
        "slash_commands": (
            "complete_command",
            "show_last_turns",
        ),
    },
)
