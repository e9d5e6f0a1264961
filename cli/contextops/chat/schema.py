"""An answer of one form: what asks for it, and what checks that it came.

A server that takes ``response_format`` holds its model to the schema. One that refuses it, or does
as if it had not seen it, is asked once more in words. What comes is checked here either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextops import strict_json
from contextops.api import (
    Done,
    Piece,
    Reasoning,
    is_refusal,
    text_of_choice,
    time_limit,
    tool_calls_of,
)
from contextops.chat.inputs import InputReader, name_of
from contextops.errors import InputError, NoMatchError, RejectedError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Body = Mapping[str, Any]
Response = dict[str, Any]


Ask = Callable[[Body], Generator[Piece, None, None]]
"""A way to send a body, which gives the pieces of the answer."""


_RESPONSE_FORMAT = "response_format"
# Servers say it in words of their own: "structured outputs", llama.cpp "JSON schema error".
_NAMED = re.compile(r"response[ _-]?format|json[ _-]?schema|structured.?output", re.IGNORECASE)
_ORDER = (
    "Answer with one JSON value that fits this JSON Schema, and with nothing else: no explanation, "
    "no code fence."
)
# OpenAI's rule for the name of a schema.
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 64

_MAX_FAULT = 500


class Schema:
    """Hold one JSON Schema, and check answers by it; nothing that it refers to is fetched."""

    def __init__(
        self, name: str, value: dict[str, Any], validator: Validator, max_time: float | None
    ) -> None:
        self._name = name
        self._value = value
        self._validator = validator
        self._max_time = max_time

    @property
    def response_format(self) -> dict[str, Any]:
        """Give the parameter that asks for the form."""
        title = self._value.get("title")
        name = title if isinstance(title, str) and title.strip() else Path(self._name).stem
        name = _NO_NAME.sub("_", name).strip("_")[:_LONGEST_NAME] or "answer"
        asked = {"name": name, "schema": self._value, "strict": True}
        return {"type": "json_schema", "json_schema": asked}

    def in_words(self, body: Body) -> dict[str, Any]:
        """Give the same request with the schema in the system message, which may be a new one."""
        order = f"{_ORDER}\n\n{strict_json.dumps(self._value)}"
        plain = {name: value for name, value in body.items() if name != _RESPONSE_FORMAT}
        return {**plain, "messages": _with_order(list(body["messages"]), order)}

    def require(self, response: Response) -> None:
        """Raise ``NoMatchError`` where an answer does not fit; tool calls are none.

        Raises ``TimedOutError`` when the rest of ``max_time`` is not enough: some patterns take
        years.
        """
        refused = _refusals(response)
        if refused:
            why, remedy = f"it refused: {refused[0]}", "rephrase the prompt"
            raise NoMatchError("the model gave no answer", why, remedy, response=response)
        with time_limit(self._max_time, response["contextops"]["total_ms"] / 1000):
            for text in _answers(response):
                self._require_text(text, response)

    def _require_text(self, text: str, response: Response) -> None:
        what = f"the answer does not fit {self._name}"
        remedy = "try again, or see the answer with -v"
        try:
            value = strict_json.loads(text)
        except ValueError as error:
            raise NoMatchError(what, f"it is no JSON: {error}", remedy, response=response) from None
        fault = self._first_fault(value)
        if fault:
            raise NoMatchError(what, fault, remedy, response=response)

    def _first_fault(self, value: Any) -> str | None:
        """Name the fault that stands first in the document, None where there is none."""
        from jsonschema.exceptions import UnknownType
        from referencing.exceptions import Unresolvable

        try:
            faults = list(self._validator.iter_errors(value))
        except Unresolvable as error:
            raise _unknown(self._name, error.ref) from None
        except (RecursionError, ArithmeticError):
            return "it cannot be checked: it is nested too deep, or has too large a number"
        except (UnknownType, re.error, TypeError, AttributeError) as error:
            # What is behind words that its draft does not know, or does not look into.
            raise _no_schema(self._name, str(error).partition("\n")[0][:_MAX_FAULT]) from None
        if not faults:
            return None
        places = _Places(value)
        first = min(faults, key=lambda fault: places.of(fault.absolute_path))
        pointer = strict_json.dumps(_pointer(first.absolute_path))
        return f"at {pointer}: {first.message[:_MAX_FAULT]}"


def read_schema(path: str, sources: InputReader, max_time: float | None = None) -> Schema:
    """Read a JSON Schema; raises ``InputError`` for what is none.

    ``max_time`` are the seconds for a request and the check of its answer.
    """
    name = name_of(path)
    value = sources.json_of(path, "a JSON Schema")
    if not isinstance(value, dict):
        raise _no_schema(name, "it is no JSON object")
    return Schema(name, value, _validator(name, value), max_time)


def _validator(name: str, value: dict[str, Any]) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind: Any = Draft202012Validator
    if "$schema" in value:
        known = isinstance(value["$schema"], str)
        # The stubs do not know that a draft without a name here is answered with the default.
        kind = validator_for(value, default=None) if known else None  # type: ignore[arg-type]
    if kind is None:
        raise _no_schema(name, f"no draft is called {strict_json.dumps(value['$schema'])}")
    _check_schema(kind, name, value)
    # A registry of its own, as the one that is there otherwise fetches what it does not have.
    validator: Validator = kind(value, registry=Registry())
    try:
        _require_known(kind, name, value)
        # Once on nothing: a reference to itself shows, and those behind words that no draft has.
        any(validator.iter_errors(None))
    except Unresolvable as error:
        raise _unknown(name, error.ref) from None
    except RecursionError:
        raise _no_schema(name, "it refers to itself without end") from None
    return validator


def _check_schema(kind: Any, name: str, value: Any, where: str = "") -> None:
    from jsonschema.exceptions import SchemaError

    try:
        kind.check_schema(value)
    except SchemaError as error:
        place = strict_json.dumps(where + _pointer(error.absolute_path))
        raise _no_schema(name, f"at {place}: {error.message[:_MAX_FAULT]}") from None


def _require_known(kind: Any, name: str, value: dict[str, Any]) -> None:
    """Look up every reference before anything is sent, and what it leads to, wherever it is."""
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, specification_with

    drafts = specification_with(value["$schema"]) if "$schema" in value else DRAFT202012
    resource = drafts.create_resource(value)
    waiting: list[tuple[Any, Any]] = [(REGISTRY.resolver_with_root(resource), resource)]
    seen: set[int] = set()
    while waiting:
        resolver, part = waiting.pop()
        if id(part.contents) in seen or not isinstance(part.contents, dict):
            continue
        seen.add(id(part.contents))
        for word in ("$ref", "$dynamicRef"):
            reference = part.contents.get(word)
            if isinstance(reference, str):
                try:
                    found = resolver.lookup(reference)
                except (Unresolvable, ValueError, TypeError):
                    raise _unknown(name, reference) from None
                if id(found.contents) not in seen:
                    _check_schema(kind, name, found.contents, reference)
                    waiting.append((found.resolver, drafts.create_resource(found.contents)))
        waiting.extend((resolver.in_subresource(below), below) for below in part.subresources())


def _unknown(name: str, reference: str) -> InputError:
    return _no_schema(name, f"it refers to {reference}, which is not in it")


def _no_schema(name: str, why: str) -> InputError:
    return InputError(f"{name} is no JSON Schema", why, "correct it")


def _pointer(path: Any) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


class _Places:
    """Say where in a document a path leads, so that what is written first sorts first."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._positions: dict[int, dict[Any, int]] = {}

    def of(self, path: Iterable[Any]) -> tuple[int, ...]:
        """Give the position in each container; a path may end in what is not there."""
        place = []
        part = self._document
        for step in path:
            position = self._positions_in(part).get(step)
            if position is None:
                break
            place.append(position)
            part = part[step]
        return tuple(place)

    def _positions_in(self, part: Any) -> dict[Any, int]:
        """Give the place of each key of a container, counted once: each may have a fault."""
        known = self._positions.get(id(part))
        if known is None:
            keys = range(len(part)) if isinstance(part, list) else part
            keys = keys if isinstance(part, list | dict) else ()
            known = self._positions[id(part)] = {key: place for place, key in enumerate(keys)}
        return known


def _with_order(messages: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """Add to the first message where it is the system's: a second one is not for every model."""
    if not messages or messages[0]["role"] not in ("system", "developer"):
        return [{"role": "system", "content": order}, *messages]
    said = messages[0]["content"]
    if isinstance(said, list):
        said = [*said, {"type": "text", "text": order}]
    else:
        said = f"{said}\n\n{order}" if said else order
    return [{**messages[0], "content": said}, *messages[1:]]


def ask_with_schema(
    ask_server: Ask, body: Body, schema: Schema, note: Callable[[str], None]
) -> Generator[Piece, None, None]:
    """Ask for the form with ``response_format``, and in words where the server does not take it."""
    # The words of a first answer may not be those that count.
    held: list[Piece] = []
    why = ""
    try:
        for piece in ask_server(body):
            if isinstance(piece, Reasoning):
                yield piece
            else:
                held.append(piece)
            if isinstance(piece, Done) and _is_ignored(piece.response):
                why = "the server ignored response_format"
    except GeneratorExit:
        raise
    except BaseException as ended:
        if not (isinstance(ended, RejectedError) and _NAMED.search(ended.why)):
            # Who keeps the conversation keeps what came.
            yield from held
            raise
        why = f"the server refused response_format ({ended.why})"
    if not why:
        yield from held
        return
    note(f"{why}; asking again with the schema in the system message")
    yield from ask_server(schema.in_words(body))


def _is_ignored(response: Response) -> bool:
    """Tell whether an answer is no JSON at all, nor a refusal."""
    if _refusals(response):
        return False
    for text in _answers(response):
        try:
            strict_json.loads(text)
        except ValueError:
            return True
    return False


def _refusals(response: Response) -> list[str]:
    return [text_of_choice(choice) for choice in response["choices"] if is_refusal(choice)]


def _answers(response: Response) -> Iterator[str]:
    """Give the text of each choice that calls no tool."""
    for choice in response["choices"] or [{}]:
        if not tool_calls_of(choice):
            yield text_of_choice(choice)
