"""Tools: the functions that a model may call, and its calls of them.

Nothing is executed here: the calls are printed, and their results are sent as messages of the next
request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contextops import strict_json
from contextops.api import Done, Piece, tool_calls_of
from contextops.chat.inputs import InputReader, source_name
from contextops.errors import InputError, NoMatchError, UsageError

Tool = dict[str, Any]

_CHOICES = ("auto", "none", "required")


def read_tools(path: str, reader: InputReader) -> list[Tool]:
    """Read a JSON array of tools.

    Raises:
        InputError: it cannot be read, or an item is not a tool; it has the index.
    """
    tools = reader.read_array(path, "tools")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        fault = _tool_fault(tool, names)
        if fault:
            raise InputError(f"tool {index} of {source_name(path)} is invalid", fault)
        names.add(tool["function"]["name"])
    return tools


def _tool_fault(tool: Any, names: set[str]) -> str | None:
    """Return why a value is not a tool beside those of these names; None if it is one."""
    if not isinstance(tool, dict):
        return "it is not an object"
    if tool.get("type") != "function":
        return 'its type is not "function"'
    function = tool.get("function")
    if not isinstance(function, dict):
        return "its function is not an object"
    name = function.get("name")
    if not isinstance(name, str) or not name:
        return "its function has no name"
    if name in names:
        return f"another tool has the name {name}"
    if not isinstance(function.get("description", ""), str):
        return "its description is not text"
    if not isinstance(function.get("parameters", {}), dict):
        return "its parameters are not a JSON Schema object"
    return None


def parse_tool_choice(text: str, tools: list[Tool]) -> str | dict[str, Any]:
    """Return the ``tool_choice`` of a request: ``auto``, ``none``, ``required`` or one tool.

    Raises:
        UsageError: no tool has this name.
    """
    if text in _CHOICES:
        return text
    names = [tool["function"]["name"] for tool in tools]
    if text not in names:
        raise UsageError(
            f"unknown tool {text}",
            f"the tools are {', '.join(names) or 'none'}",
            f"use one of them, or {', '.join(_CHOICES[:-1])} or {_CHOICES[-1]}",
        )
    return {"type": "function", "function": {"name": text}}


def check_calls(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces of an answer, the last only if the arguments of all calls are JSON."""
    for piece in pieces:
        if isinstance(piece, Done):
            require_json_arguments(piece.response)
        yield piece


def require_json_arguments(response: dict[str, Any]) -> None:
    """Raise ``NoMatchError`` if the arguments of a call are not JSON."""
    for choice in response["choices"]:
        for call in tool_calls_of(choice):
            function = call["function"]
            try:
                strict_json.loads(function["arguments"])
            except ValueError as error:
                raise NoMatchError(
                    f"the arguments of the call to {_shown_name(function)} are not JSON",
                    str(error),
                    "try again",
                    response=response,
                ) from None


def require_no_calls(response: dict[str, Any]) -> None:
    """Raise ``NoMatchError`` for a call where no tools were offered."""
    names = called_names(response)
    if names:
        raise NoMatchError(
            f"the model called {names}",
            "no tools were offered",
            "offer tools with --tools, or try again",
            response=response,
        )


def called_names(response: dict[str, Any]) -> str:
    """Return the names of the functions that an answer calls, each once, as text for people."""
    calls = [call for choice in response.get("choices", ()) for call in tool_calls_of(choice)]
    return ", ".join(dict.fromkeys(_shown_name(call["function"]) for call in calls))


def _shown_name(function: dict[str, Any]) -> str:
    return function["name"] or "an unnamed function"
