"""Structured output: requesting JSON that matches a schema, and checking the answer.

A server that supports ``response_format`` constrains its model to the schema. If a server rejects
or ignores it, the request is sent once more with the schema in the system message. The answer is
checked here either way.
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
from contextops.chat.inputs import InputReader, source_name
from contextops.errors import InputError, NoMatchError, RejectedError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Body = Mapping[str, Any]
Response = dict[str, Any]

Ask = Callable[[Body], Generator[Piece, None, None]]
"""Sends the body of a request and yields the pieces of the answer."""

_RESPONSE_FORMAT = "response_format"
# Servers word their refusal differently: "structured outputs", llama.cpp "JSON schema error".
_ABOUT_SCHEMA = re.compile(
    r"response[ _-]?format|json[ _-]?schema|structured.?output", re.IGNORECASE
)
_INSTRUCTION = (
    "Answer with one JSON value that fits this JSON Schema, and with nothing else: no explanation, "
    "no code fence."
)
# OpenAI allows these characters in the name of a schema, and 64 of them.
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME = 64
# Characters of a validator's message, which may quote all of the answer.
_MAX_MESSAGE = 500


class Schema:
    """A JSON Schema, and the check of answers against it.

    ``max_time`` is the limit in seconds for a request together with the check of its answer.
    References to other documents are never fetched.
    """

    def __init__(
        self, name: str, value: dict[str, Any], validator: Validator, max_time: float | None
    ) -> None:
        self._name = name
        self._value = value
        self._validator = validator
        self._max_time = max_time

    @property
    def response_format(self) -> dict[str, Any]:
        """The parameter of a request that asks for an answer that matches."""
        title = self._value.get("title")
        name = title if isinstance(title, str) and title.strip() else Path(self._name).stem
        name = _NOT_IN_NAME.sub("_", name).strip("_")[:_MAX_NAME] or "answer"
        json_schema = {"name": name, "schema": self._value, "strict": True}
        return {"type": "json_schema", "json_schema": json_schema}

    def in_system_message(self, body: Body) -> dict[str, Any]:
        """Return a request without ``response_format``, with the schema in the system message."""
        instruction = f"{_INSTRUCTION}\n\n{strict_json.dumps(self._value)}"
        plain = {name: value for name, value in body.items() if name != _RESPONSE_FORMAT}
        return {**plain, "messages": _with_instruction(list(body["messages"]), instruction)}

    def require(self, response: Response) -> None:
        """Check the text of every choice that calls no tool.

        Raises:
            NoMatchError: one does not match, or the model refused to answer.
            TimedOutError: the rest of ``max_time`` is not enough; some patterns take years.
        """
        refusals = _refusals(response)
        if refusals:
            raise NoMatchError(
                "the model refused to answer",
                refusals[0],
                "rephrase the prompt",
                response=response,
            )
        with time_limit(self._max_time, response["contextops"]["total_ms"] / 1000):
            for text in _texts(response):
                fault = self._fault_of(text)
                if fault:
                    raise NoMatchError(
                        f"the answer does not match {self._name}",
                        fault,
                        "try again, or see the answer with -v",
                        response=response,
                    )

    def _fault_of(self, text: str) -> str | None:
        """Return the first mismatch in the order of the document; None if it matches."""
        from jsonschema.exceptions import UnknownType
        from referencing.exceptions import Unresolvable

        try:
            value = strict_json.loads(text)
        except ValueError as error:
            return f"it is not JSON: {error}"
        try:
            faults = list(self._validator.iter_errors(value))
        except Unresolvable as error:
            raise _unresolved(self._name, error.ref) from None
        except (RecursionError, ArithmeticError):
            return "it cannot be checked: it is nested too deeply, or has too large a number"
        except (UnknownType, re.error, TypeError, AttributeError) as error:
            # A part of the schema below a keyword that its draft does not check.
            message = str(error).partition("\n")[0][:_MAX_MESSAGE]
            raise _invalid(self._name, message) from None
        if not faults:
            return None
        positions = _Positions(value)
        first = min(faults, key=lambda fault: positions.of(fault.absolute_path))
        pointer = strict_json.dumps(_pointer(first.absolute_path))
        return f"at {pointer}: {first.message[:_MAX_MESSAGE]}"


# Reading a schema -------------------------------------------------------------------------------


def read_schema(path: str, reader: InputReader, max_time: float | None = None) -> Schema:
    """Read a JSON Schema of any draft that ``jsonschema`` knows; 2020-12 if it names none.

    Raises:
        InputError: it cannot be read, is not a JSON Schema, or refers to what is not in it.
    """
    name = source_name(path)
    value = reader.read_json(path, "a JSON Schema")
    if not isinstance(value, dict):
        raise _invalid(name, "it is not a JSON object")
    return Schema(name, value, _make_validator(name, value), max_time)


def _make_validator(name: str, value: dict[str, Any]) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    draft: Any = Draft202012Validator
    if "$schema" in value:
        is_text = isinstance(value["$schema"], str)
        # The stubs do not say that an unknown draft returns the default.
        draft = validator_for(value, default=None) if is_text else None  # type: ignore[arg-type]
    if draft is None:
        raise _invalid(name, f"unknown draft {strict_json.dumps(value['$schema'])}")
    _check_schema(draft, name, value)
    # The default registry would fetch references to other documents; this one is empty.
    validator: Validator = draft(value, registry=Registry())
    try:
        _check_references(draft, name, value)
        # One run finds a schema that refers to itself, and references below unknown keywords.
        any(validator.iter_errors(None))
    except Unresolvable as error:
        raise _unresolved(name, error.ref) from None
    except RecursionError:
        raise _invalid(name, "it refers to itself endlessly") from None
    return validator


def _check_schema(draft: Any, name: str, value: Any, location: str = "") -> None:
    from jsonschema.exceptions import SchemaError

    try:
        draft.check_schema(value)
    except SchemaError as error:
        pointer = strict_json.dumps(location + _pointer(error.absolute_path))
        raise _invalid(name, f"at {pointer}: {error.message[:_MAX_MESSAGE]}") from None


def _check_references(draft: Any, name: str, value: dict[str, Any]) -> None:
    """Resolve every reference, and check its target, before anything is sent."""
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, specification_with

    specification = specification_with(value["$schema"]) if "$schema" in value else DRAFT202012
    resource = specification.create_resource(value)
    pending: list[tuple[Any, Any]] = [(REGISTRY.resolver_with_root(resource), resource)]
    seen: set[int] = set()
    while pending:
        resolver, part = pending.pop()
        if id(part.contents) in seen or not isinstance(part.contents, dict):
            continue
        seen.add(id(part.contents))
        for keyword in ("$ref", "$dynamicRef"):
            reference = part.contents.get(keyword)
            if not isinstance(reference, str):
                continue
            try:
                target = resolver.lookup(reference)
            except (Unresolvable, ValueError, TypeError):
                raise _unresolved(name, reference) from None
            if id(target.contents) not in seen:
                _check_schema(draft, name, target.contents, reference)
                pending.append((target.resolver, specification.create_resource(target.contents)))
        pending.extend((resolver.in_subresource(below), below) for below in part.subresources())


def _unresolved(name: str, reference: str) -> InputError:
    return _invalid(name, f"it refers to {reference}, which is not in it")


def _invalid(name: str, why: str) -> InputError:
    return InputError(f"{name} is not a JSON Schema", why, "correct it")


def _pointer(path: Iterable[Any]) -> str:
    """Return a path as a JSON Pointer (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


class _Positions:
    """The positions of the parts of a document, for finding the first of several mismatches."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._known: dict[int, dict[Any, int]] = {}

    def of(self, path: Iterable[Any]) -> tuple[int, ...]:
        """Return the position of each step in its container, up to one that does not exist."""
        positions = []
        part = self._document
        for step in path:
            position = self._in_container(part).get(step)
            if position is None:
                break
            positions.append(position)
            part = part[step]
        return tuple(positions)

    def _in_container(self, part: Any) -> dict[Any, int]:
        """Return the position of each key; counted once, since each key may have a mismatch."""
        known = self._known.get(id(part))
        if known is None:
            keys = range(len(part)) if isinstance(part, list) else part
            keys = keys if isinstance(part, list | dict) else ()
            known = self._known[id(part)] = {key: place for place, key in enumerate(keys)}
        return known


# Asking for an answer that matches --------------------------------------------------------------


def ask_with_schema(
    ask: Ask, body: Body, schema: Schema, note: Callable[[str], None]
) -> Generator[Piece, None, None]:
    """Send a request with ``response_format``, and once more without if the server lacks it.

    The second request has the schema in the system message. The text of the first answer is held
    until it is known to be JSON. If an error ends that answer, its text is yielded before the error
    is raised, so that a session can record it.
    """
    held: list[Piece] = []
    why = ""
    try:
        for piece in ask(body):
            if isinstance(piece, Reasoning):
                yield piece
            else:
                held.append(piece)
            if isinstance(piece, Done) and _ignores_format(piece.response):
                why = "the server ignored response_format"
    except GeneratorExit:
        raise
    except BaseException as error:
        if not (isinstance(error, RejectedError) and _ABOUT_SCHEMA.search(error.why)):
            yield from held
            raise
        why = f"the server refused response_format ({error.why})"
    if not why:
        yield from held
        return
    note(f"{why}; asking again with the schema in the system message")
    yield from ask(schema.in_system_message(body))


def _ignores_format(response: Response) -> bool:
    """Return whether a choice is not JSON, though the model did not refuse to answer."""
    if _refusals(response):
        return False
    for text in _texts(response):
        try:
            strict_json.loads(text)
        except ValueError:
            return True
    return False


def _refusals(response: Response) -> list[str]:
    return [text_of_choice(choice) for choice in response["choices"] if is_refusal(choice)]


def _texts(response: Response) -> Iterator[str]:
    """Yield the text of each choice that calls no tool; an empty text if there is no choice."""
    for choice in response["choices"] or [{}]:
        if not tool_calls_of(choice):
            yield text_of_choice(choice)


def _with_instruction(messages: list[dict[str, Any]], instruction: str) -> list[dict[str, Any]]:
    """Add an instruction to the system message: not every model accepts a second one."""
    if not messages or messages[0]["role"] not in ("system", "developer"):
        return [{"role": "system", "content": instruction}, *messages]
    content = messages[0]["content"]
    if isinstance(content, list):
        content = [*content, {"type": "text", "text": instruction}]
    else:
        content = f"{content}\n\n{instruction}" if content else instruction
    return [{**messages[0], "content": content}, *messages[1:]]
