"""The request: words, standard input, files and images in; the body to send out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contextops import strict_json
from contextops.chat.inputs import STANDARD_INPUT, InputReader, source_name, stdin_has_input
from contextops.config import INPUT_FIELD, is_field_name, parse_parameter
from contextops.errors import InputError, UsageError

Message = dict[str, Any]

ROLES = ("system", "developer", "user", "assistant", "tool")

_IMAGE_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def names_stdin(words: Sequence[str], *paths: str | None) -> bool:
    """Return whether ``-`` is one of the paths, or the only word.

    Raises:
        UsageError: ``-`` is used more than once.
    """
    dashes = [path for path in (*paths, *words[: len(words) == 1]) if path == STANDARD_INPUT]
    if len(dashes) > 1:
        raise UsageError(
            "standard input is used twice", "'-' can be used only once", "put one into a file"
        )
    return bool(dashes)


def gather_prompt(
    words: Sequence[str],
    files: Sequence[str],
    reader: InputReader,
    *,
    stdin: bool,
    has_more: bool = False,
) -> str:
    """Join the words, standard input and each file in its frame, separated by empty lines.

    ``-`` as the only word is standard input, even at a terminal. With ``stdin`` it is also read
    without being named, if it has input (see ``stdin_has_input``). ``has_more`` says that there
    is a prompt even without words, files and standard input.

    Raises:
        InputError: an input cannot be read.
    """
    if list(words) == [STANDARD_INPUT]:
        texts = [reader.read_text(STANDARD_INPUT)]
    else:
        texts = [_require_utf8("the prompt", " ".join(words))]
        if stdin and stdin_has_input(has_words=bool(words or files or has_more)):
            texts.append(reader.read_text(STANDARD_INPUT))
    unframed = [(text,) for text in texts if text.strip()]
    framed = [frame_file(path, reader.read_text(path)) for path in files]
    # Joined once: each intermediate step would copy a text of 30 MB again.
    return "".join([piece for part in [*unframed, *framed] for piece in ("\n\n", *part)][1:])


def require_prompt(prompt: str, *, has_more: bool) -> None:
    """Raise ``UsageError`` if a prompt is empty, unless there is more to send."""
    if not prompt.strip() and not has_more:
        raise UsageError(
            "no prompt",
            "there are no words, and standard input is empty",
            "try: contextops chat send 'Why is the sky blue?'",
        )


def frame_file(path: str, content: str) -> tuple[str, str, str]:
    """Return the start tag, the text and the end tag that frame a file in the prompt.

    The tag gets a number if the text contains its end tag.
    """
    tag, number = "document", 1
    while f"</{tag}>" in content:
        number += 1
        tag = f"document-{number}"
    return f'<{tag} path="{_escape_attribute(path)}">\n', content, f"\n</{tag}>"


def _escape_attribute(text: str) -> str:
    text = strict_json.without_surrogates(text)
    for character, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, name)
    return text.replace("\n", "&#10;").replace("\r", "&#13;")


def user_content(prompt: str, images: Sequence[Message]) -> str | list[Message]:
    """Return the content of the user's message: the prompt, and the parts that are images."""
    if not images:
        return prompt
    return [*([{"type": "text", "text": prompt}] if prompt else []), *images]


def image_part(path: str, reader: InputReader) -> Message:
    """Return an image as a part of a message: a web address as it is, a file as a data URL.

    Raises:
        InputError: the file cannot be read, or is not PNG, JPEG, GIF or WebP by its first bytes.
    """
    if path.lower().startswith(("http://", "https://")):
        url = path
    else:
        import base64

        data = reader.read_bytes(path)
        media_type = _image_type(path, data)
        url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _image_type(path: str, data: bytes) -> str:
    for start, media_type in _IMAGE_TYPES.items():
        if data.startswith(start):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise InputError(
        "unsupported image format", f"{path} is not PNG, JPEG, GIF or WebP", "convert it first"
    )


def read_messages(path: str, reader: InputReader) -> list[Message]:
    """Read a JSON array of messages.

    Raises:
        InputError: it cannot be read, or an item is not a message; the error has the index.
    """
    messages = reader.read_array(path, "messages")
    for index, message in enumerate(messages):
        fault = message_fault(message)
        if fault:
            raise InputError(f"message {index} of {source_name(path)} is invalid", fault)
    return messages


def message_fault(message: Any) -> str | None:
    """Return why a value is not a message, as the ``why`` of an error; None if it is one."""
    if not isinstance(message, dict):
        return "it is not an object"
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        return f"its role is not one of {', '.join(ROLES)}"
    calls = message.get("tool_calls")
    if calls is not None and (role != "assistant" or not isinstance(calls, list)):
        return "tool_calls must be an array, in a message of the assistant"
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "a message of a tool needs a tool_call_id"
    if content is None and role == "assistant" and calls:
        return None
    if isinstance(content, list) and content and all(_is_part(part) for part in content):
        return None
    return None if isinstance(content, str) else "its content is not text or an array of parts"


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def request_body(
    *,
    model: str,
    messages: Sequence[Message],
    params: Mapping[str, Any],
    stream: bool,
    shows_usage: bool,
) -> dict[str, Any]:
    """Return the body of ``POST /chat/completions``."""
    body = {"model": model, "messages": messages, **params, "stream": stream}
    if stream and shows_usage:
        body.setdefault("stream_options", {"include_usage": True})
    return body


_OTHER_OPTIONS = {
    "model": "use -m",
    "messages": "use the prompt or --messages",
    "stream": "use --stream or --no-stream",
}


def parse_params(pairs: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the ``NAME=VALUE`` pairs of ``--param``, and add the parameters in ``options``.

    A value that is not JSON is text. ``options`` are parameters that have an option of their own,
    None if it was not used.

    Raises:
        UsageError: a pair is invalid, has an option of its own, or a parameter is set twice.
    """
    params: dict[str, Any] = {name: each for name, each in options.items() if each is not None}
    for pair in pairs:
        name, equals, value = _require_utf8("--param", pair).partition("=")
        if not equals or not name:
            raise UsageError("--param is not NAME=VALUE", pair, "try: --param top_p=0.9")
        if name in _OTHER_OPTIONS:
            raise UsageError(f"--param cannot set {name}", "", _OTHER_OPTIONS[name])
        if name in params:
            raise UsageError(f"{name} is set twice", "by two options", "leave one out")
        params[name] = parse_parameter(value)
    return params


def parse_variables(pairs: Sequence[str]) -> dict[str, str]:
    """Parse the ``NAME=VALUE`` pairs of ``--var``; raises ``UsageError``."""
    variables: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = _require_utf8("--var", pair).partition("=")
        if not equals or not is_field_name(name):
            why = f"{pair}: a name has letters, digits and _"
            raise UsageError("--var is not NAME=VALUE", why, "try: --var language=French")
        if name == INPUT_FIELD:
            raise UsageError(f"--var cannot set {INPUT_FIELD}", "it is the prompt", "use words")
        if name in variables:
            raise UsageError(f"{name} is set twice", "by two --var", "leave one out")
        variables[name] = value
    return variables


def _require_utf8(name: str, text: str) -> str:
    """Return the text; raise ``InputError`` if it has surrogates.

    Python represents bytes of the command line that are not UTF-8 as surrogates.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name} is not UTF-8", f"character {error.start}", "convert it first"
        ) from None
    return text
