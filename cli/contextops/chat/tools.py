"""Functions that a model may call: what is offered to it, and what it calls.

Nothing is executed here. Who asked gets the calls, and answers them in the next request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contextops import strict_json
from contextops.api import Done, Piece, tool_calls_of
from contextops.chat.inputs import InputReader, name_of
from contextops.errors import InputError, NoMatchError, UsageError

Tool = dict[str, Any]

_CHOICES = ("auto", "none", "required")


def read_tools(path: str, sources: InputReader) -> list[Tool]:
    """Read a JSON array of tools; raises ``InputError`` with the index of a wrong one."""
    tools = sources.array_of(path, "tools")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        wrong = _fault(tool, names)
        if wrong:
            raise InputError(f"tool {index} of {name_of(path)} is no tool", wrong)
    return tools


def _fault(tool: Any, names: set[str]) -> str | None:
    """Say what keeps a value from being a tool beside those with these names, and add its own."""
    if not isinstance(tool, dict):
        return "it is no object"
    if tool.get("type") != "function":
        return 'its type is not "function"'
    function = tool.get("function")
    if not isinstance(function, dict):
        return "its function is no object"
    name = function.get("name")
    if not isinstance(name, str) or not name:
        return "its function has no name"
    if name in names:
        return f"another one is called {name}"
    names.add(name)
    if not isinstance(function.get("description", ""), str):
        return "its description is no text"
    if not isinstance(function.get("parameters", {}), dict):
        return "its parameters are no JSON Schema, which is an object"
    return None


def parse_tool_choice(text: str, offered: list[Tool]) -> str | dict[str, Any]:
    """Read which tools may or must be called: a word of the API's, or the name of one."""
    if text in _CHOICES:
        return text
    names = [tool["function"]["name"] for tool in offered]
    if text not in names:
        raise UsageError(
            f"no tool is called {text}",
            f"there are {', '.join(names) or 'none'}",
            f"name one of them, or say {', '.join(_CHOICES[:-1])} or {_CHOICES[-1]}",
        )
    return {"type": "function", "function": {"name": text}}


def check_calls(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Hand the pieces on, the last of them only where every call in the answer can be made."""
    for piece in pieces:
        if isinstance(piece, Done):
            require_json_arguments(piece.response)
        yield piece


def require_json_arguments(response: dict[str, Any]) -> None:
    """Raise ``NoMatchError`` for arguments that are no JSON."""
    for said in response["choices"]:
        for call in tool_calls_of(said):
            _require_json(call["function"], response)


def require_no_calls(response: dict[str, Any]) -> None:
    """Raise ``NoMatchError`` for a call where none was offered to the model."""
    names = called_names(response)
    if names:
        raise NoMatchError(
            f"the model called {names}",
            "an answer was asked for",
            "offer tools with --tools, or try again",
            response=response,
        )


def called_names(response: dict[str, Any]) -> str:
    """Name what is called, each once."""
    calls = (call for said in response.get("choices", ()) for call in tool_calls_of(said))
    return ", ".join(dict.fromkeys(_name(call["function"]) for call in calls))


def _name(function: dict[str, Any]) -> str:
    return function["name"] or "a nameless function"


def _require_json(function: dict[str, Any], response: dict[str, Any]) -> None:
    try:
        strict_json.loads(function["arguments"])
    except ValueError as error:
        raise NoMatchError(
            f"the arguments of the call of {_name(function)} are no JSON",
            str(error),
            "try again",
            response=response,
        ) from None
