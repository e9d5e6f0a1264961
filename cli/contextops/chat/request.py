"""Words, standard input, files and images in; the body of a request out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contextops import strict_json
from contextops.chat.inputs import STANDARD_INPUT, InputReader, name_of, stdin_has_input
from contextops.config import INPUT_FIELD, is_field_name, parse_parameter
from contextops.errors import InputError, UsageError

Message = dict[str, Any]

ROLES = ("system", "developer", "user", "assistant", "tool")

_KINDS_OF_IMAGE = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def claims_stdin(words: Sequence[str], *paths: str | None) -> bool:
    """Tell whether one of these is standard input; raises ``UsageError`` where two are."""
    claimed = [path for path in (*paths, *words[: len(words) == 1]) if path == STANDARD_INPUT]
    if len(claimed) > 1:
        raise UsageError(
            "standard input is claimed twice", "'-' is given twice", "put one into a file"
        )
    return bool(claimed)


def gather_prompt(
    words: Sequence[str],
    files: Sequence[str],
    sources: InputReader,
    *,
    stdin: bool,
    has_more: bool = False,
) -> str:
    """Join the words, then standard input, then each file in its frame, a blank line between.

    ``-`` as the only word means standard input, a terminal too; ``stdin`` tells whether it is read
    without being named, where it is meant; ``has_more``, whether this would be a prompt without it.
    Raises ``InputError`` for what cannot be read.
    """
    if list(words) == [STANDARD_INPUT]:
        parts = [sources.text_of(STANDARD_INPUT)]
    else:
        parts = [_argument("the prompt", " ".join(words))]
        if stdin and stdin_has_input(has_words=bool(words or files or has_more)):
            parts.append(sources.text_of(STANDARD_INPUT))
    spoken = [(part,) for part in parts if part.strip()]
    shown = [frame_file(path, sources.text_of(path)) for path in files]
    # At once: each step between would hold a text of 30 MB once more.
    return "".join([piece for part in [*spoken, *shown] for piece in ("\n\n", *part)][1:])


def frame_file(path: str, content: str) -> tuple[str, str, str]:
    """Give a file's text in a frame that names it, under a tag that it does not close itself."""
    tag, number = "document", 1
    while f"</{tag}>" in content:
        number += 1
        tag = f"document-{number}"
    return f'<{tag} path="{_attribute(path)}">\n', content, f"\n</{tag}>"


def _attribute(text: str) -> str:
    text = strict_json.without_surrogates(text)
    for character, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, name)
    return text.replace("\n", "&#10;").replace("\r", "&#13;")


def message_content(
    prompt: str, images: Sequence[str], sources: InputReader
) -> str | list[Message]:
    """Give the content of the user's message: the prompt, and a part for each image."""
    return user_content(prompt, [image_part(path, sources) for path in images])


def user_content(prompt: str, images: Sequence[Message]) -> str | list[Message]:
    """Give the content of the user's message from the prompt and the parts that are images."""
    if not images:
        return prompt
    return [*([{"type": "text", "text": prompt}] if prompt else []), *images]


def image_part(path: str, sources: InputReader) -> Message:
    """Give the part of a message for an image, by its path or address."""
    is_address = path.lower().startswith(("http://", "https://"))
    url = path if is_address else _data_url(path, sources.bytes_of(path))
    return {"type": "image_url", "image_url": {"url": url}}


def _data_url(path: str, data: bytes) -> str:
    import base64

    kind = next((kind for start, kind in _KINDS_OF_IMAGE.items() if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise InputError(
            f"{path} is no image", "its bytes are no PNG, JPEG, GIF or WebP", "convert it first"
        )
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def read_messages(path: str, sources: InputReader) -> list[Message]:
    """Read a JSON array of messages; raises ``InputError`` with the index of a wrong one."""
    messages = sources.array_of(path, "messages")
    for index, message in enumerate(messages):
        wrong = message_fault(message)
        if wrong:
            raise InputError(f"message {index} of {name_of(path)} is no message", wrong)
    return messages


def message_fault(message: Any) -> str | None:
    """Say what keeps a value from being a message, None where nothing does."""
    if not isinstance(message, dict):
        return "it is no object"
    role, said = message.get("role"), message.get("content")
    if role not in ROLES:
        return f"its role is none of {', '.join(ROLES)}"
    calls = message.get("tool_calls")
    if calls is not None and (role != "assistant" or not isinstance(calls, list)):
        return "its tool_calls are no array of an assistant's"
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "it is a tool's and has no tool_call_id"
    if said is None and role == "assistant" and calls:
        return None
    if isinstance(said, list) and said and all(_is_part(part) for part in said):
        return None
    return None if isinstance(said, str) else "its content is no text and no array of parts"


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def require_prompt(prompt: str, *, has_more: bool) -> None:
    """Refuse to send nothing; raises ``UsageError``."""
    if not prompt.strip() and not has_more:
        raise UsageError(
            "no prompt",
            "there are no words, and standard input gave none",
            "try: contextops chat send 'Why is the sky blue?'",
        )


def request_body(
    *,
    model: str,
    messages: Sequence[Message],
    params: Mapping[str, Any],
    stream: bool,
    shows_usage: bool,
) -> dict[str, Any]:
    """Compose the body of ``POST /chat/completions``."""
    composed = {"model": model, "messages": messages, **params, "stream": stream}
    if stream and shows_usage:
        composed.setdefault("stream_options", {"include_usage": True})
    return composed


def parse_params(typed: Sequence[str], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` pairs, whose values are JSON where they parse, and flags of their own.

    Raises ``UsageError`` for one parameter in two flags, and for what is no parameter.
    """
    read: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    for pair in typed:
        name, equals, text = _argument("--param", pair).partition("=")
        if not equals or not name:
            raise UsageError("--param is not NAME=VALUE", pair, "try: --param top_p=0.9")
        if name in _OTHER_WAYS:
            raise UsageError(f"--param cannot set {name}", _OTHER_WAYS[name])
        if name in read:
            raise UsageError(f"{name} is given twice", "by two flags", "leave one out")
        read[name] = parse_parameter(text)
    return read


def parse_variables(typed: Sequence[str]) -> dict[str, str]:
    """Read the ``NAME=VALUE`` pairs that fill a template; raises ``UsageError``."""
    read: dict[str, str] = {}
    for pair in typed:
        name, equals, value = _argument("--var", pair).partition("=")
        if not equals or not is_field_name(name):
            why = f"{pair}: a name is letters, digits and _"
            raise UsageError("--var is not NAME=VALUE", why, "try: --var language=French")
        if name == INPUT_FIELD:
            raise UsageError(
                f"--var cannot set {INPUT_FIELD}", "it is the prompt", "give it as words"
            )
        if name in read:
            raise UsageError(f"{name} is given twice", "by two --var", "leave one out")
        read[name] = value
    return read


def require_once(parameters: Mapping[str, Any], **flags: Any) -> None:
    """Refuse a parameter that a flag of its own sets too; raises ``UsageError``."""
    for name, value in flags.items():
        if value is not None and name in parameters:
            raise UsageError(f"{name} is given twice", "by two flags", "leave one out")


_OTHER_WAYS = {
    "model": "it is chosen with -m",
    "messages": "they are the prompt",
    "stream": "it is --stream or --no-stream",
}


def _argument(what: str, text: str) -> str:
    """Refuse words that are no UTF-8: Python holds their bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} is not UTF-8", f"character {error.start} of the words", "convert it first"
        ) from None
    return text
