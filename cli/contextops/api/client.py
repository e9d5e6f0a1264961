"""The server's API: its addresses and the shapes of its answers.

Open WebUI under ``/api`` (the product's reference documents ``POST /api/chat/completions`` and
``GET /api/models``), any OpenAI-compatible server under ``/v1``.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from signal import SIGINT
from typing import Any, TypeVar

from contextops import strict_json
from contextops.api import error_responses, model_ids
from contextops.api.attempts import Note, Retrier, Settled, ignore, read
from contextops.api.completion import Answer, Done, Piece
from contextops.api.sse import Parser
from contextops.api.timeouts import METADATA_MAX_TIME, Deadlines
from contextops.api.transport import Body, Request, Response, Route, Transport
from contextops.config import SETTINGS, Profile
from contextops.errors import (
    AuthError,
    BadResponseError,
    ConfigError,
    ContextopsError,
    InputError,
    ModelNotFoundError,
    RejectedError,
    ServerError,
    SignalInterrupt,
    TimedOutError,
    TruncatedError,
    UnreachableError,
    UsageError,
)
from contextops.secrets import is_secret_name, masked_header

_CHAT = "chat/completions"

Json = Any
Ended = TypeVar("Ended", ContextopsError, SignalInterrupt)


class Client:
    """Ask one server, as one profile says.

    ``note`` is told in a line what the user should know beside the answer, ``detail`` what
    passes over the wire, ``hide`` what must not be shown. ``base_url``, ``unix_socket`` and ``key``
    are the embedded engine's. The clock of ``max_time`` runs from here, or from ``begin``.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        note: Note,
        detail: Note = ignore,
        hide: Note = ignore,
        base_url: str | None = None,
        unix_socket: str | None = None,
        key: str | None = None,
    ) -> None:
        self._profile = profile
        self._base_url = base_url or profile.base_url
        self._key = key
        self._hide = hide
        for name, value in profile.headers.items():
            if is_secret_name(name):
                # Whole, and without the word before it ("Bearer").
                hide(value)
                hide(value.rpartition(" ")[2])
        self._max_time = profile.max_time
        self.begin()
        route = Route(
            proxy=profile.proxy,
            unix_socket=unix_socket,
            ca_bundle=profile.ca_bundle,
            client_cert=profile.client_cert,
            insecure=profile.insecure,
        )
        self._transport = Transport(
            self._base_url, route, connect=profile.connect_timeout, write=profile.idle_timeout
        )
        self._attempts = Retrier(self._transport, retries=profile.retries, note=note, detail=detail)
        self._detail = detail

    def begin(self, max_time: float | None = None) -> None:
        """Start the clock of ``max_time`` anew, with other seconds for all from now on if given.

        What a command needs beside its request (the list of models, the key) counts too.
        """
        self._begun = time.monotonic()
        if max_time is not None:
            self._max_time = max_time

    def background(self, max_time: float) -> Client:
        """Give a client like this one for what nobody waits for: one try, and not a word.

        Raises ``AuthError`` where a command has yet to give the key: it may ask its owner.
        """
        key = self._profile.key
        if self._key is None and key is not None and key.runs_command:
            raise AuthError("no key yet")
        other = copy.copy(self)
        other._attempts = Retrier(self._transport, retries=0, note=ignore)  # noqa: SLF001 - it is one of us
        other._detail = ignore  # noqa: SLF001 - same
        other.begin(max_time)
        return other

    # The endpoints ------------------------------------------------------------------------

    def models(self, *, refresh: bool = False) -> list[dict[str, Json]]:
        """List the models in the server's order, each once, each with the keys of the reference.

        These are ``id``, ``object``, ``created`` and ``owned_by``, None where the server gave
        none; what else it sent is kept. ``refresh`` asks Open WebUI to ask its providers again.
        """
        url = self.url_of("models")
        request = self._request("GET", f"{url}?refresh=true" if refresh else url)
        with self._succeeded(request, self._deadlines(METADATA_MAX_TIME)) as settled:
            _require_readable(settled.response, url)
            document = _json(read(settled.response, self._profile.max_body), url)
        return _models(document, url)

    def only_model(self) -> str:
        """Name the only model that the server lists; raises ``ConfigError`` naming them all."""
        ids = [model["id"] for model in self.models()]
        if len(ids) == 1:
            return str(ids[0])
        remedy = "choose with -m ID, or for good: contextops config set model ID"
        if not ids:
            # To name one would be of no use to whom none is granted.
            remedy = "ask one for access"
        raise ConfigError("no model chosen", model_ids.describe_offer(ids), remedy)

    def chat(
        self, body: Mapping[str, Json], *, allow_truncated: bool = False, whole: bool = False
    ) -> Generator[Piece, None, None]:
        """Send one request and give the pieces of the answer as they come, ``Done`` last.

        ``body`` is that of ``POST /chat/completions``, with ``model`` and ``messages``. With
        ``whole`` no limit of tokens may have cut the answer, not even the caller's. Errors
        are a ``ContextopsError`` whose ``response`` is the part of the answer that arrived.
        """
        request = self._request("POST", self.url_of(_CHAT), _Encoded(body))
        self._check_size(request)
        deadlines = self._deadlines()
        answer = Answer(self._profile.max_answer)
        about = {"requested_model": body["model"], "attempts": 0, "first_token_ms": None}
        try:
            with self._succeeded(request, deadlines) as settled:
                about["attempts"] = settled.attempts
                for piece in self._pieces(settled.response, request.url, answer, deadlines):
                    if about["first_token_ms"] is None:
                        about["first_token_ms"] = _ms(deadlines.elapsed)
                    yield piece
                    # Not before: the reader of a full pipe is not the server's silence.
                    deadlines.token()
            answer.require_whole(
                limit_is_callers=_sets_limit(body) and not whole,
                allow_truncated=allow_truncated and not whole,
            )
        except error_responses.AmbiguousAuthError as failure:
            raise self._judged(failure) from None
        except ModelNotFoundError as failure:
            raise self._with_offer(failure, str(body["model"])) from None
        except KeyboardInterrupt:
            raise self._with_part(SignalInterrupt(SIGINT), answer, about, deadlines) from None
        except SignalInterrupt as death:
            raise self._with_part(death, answer, about, deadlines) from None
        except ContextopsError as failure:
            raise self._with_part(failure, answer, about, deadlines) from None
        first, total = about["first_token_ms"], _ms(deadlines.elapsed)
        self._detail(f"* first word after {first or 0} ms, all of it after {total} ms")
        yield Done(answer.response({**about, "total_ms": total}))

    def probe(self, model: str) -> float:
        """Have a model say a token; gives the seconds that took, or raises what keeps it from it.

        A reasoning model has no word to say within one token, and has answered all the same.
        Retries count for the limits, and not for these seconds.
        """
        try:
            return self._first_token(model, max_tokens=1)
        except RejectedError as failure:
            # OpenAI's reasoning models know the limit by another name, and want some room for it.
            if failure.http_status != 400 or "max_tokens" not in failure.why:
                raise
            return self._first_token(model, max_completion_tokens=16)

    def _first_token(self, model: str, **limit: int) -> float:
        said = {"role": "user", "content": "hi"}
        body = strict_json.dumps(
            {"model": model, "messages": [said], "stream": False, **limit}
        ).encode()
        request = self._request("POST", self.url_of(_CHAT), body)
        deadlines = self._deadlines()
        answer = Answer(self._profile.max_answer)
        first = None
        try:
            with self._succeeded(request, deadlines) as settled:
                for _ in self._pieces(settled.response, request.url, answer, deadlines):
                    first = first or time.monotonic()
                    deadlines.token()
                seconds = (first or time.monotonic()) - settled.begun
            answer.require_whole(limit_is_callers=True, allow_truncated=True)
        except (error_responses.AmbiguousAuthError, ModelNotFoundError) as failure:
            raise self._explained(failure, body) from None
        if not (first or answer.is_finished):
            raise BadResponseError(
                "the server gave no answer of this API", "it has no choice in it"
            )
        return seconds

    @contextmanager
    def call(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Iterator[Reply]:
        """Send a request of any kind and give its answer, a refusal too, to be read as it comes."""
        request = self._request(method, url, body, content_type)
        deadlines = self._deadlines()
        settled = self._settle(request, deadlines)
        try:
            if settled.refusal is None:
                _require_uncompressed(settled.response, url)
            else:
                settled = settled._replace(refusal=self._explained(settled.refusal, body))
            yield Reply(settled, deadlines, self._profile.max_body)
        finally:
            settled.response.close()

    def url_of(self, path: str) -> str:
        """Give the address of a path: of the root with ``/`` before it, else of the API."""
        return _url_of(self._base_url, self._profile.api_path, path)

    # Requests -----------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        url: str,
        body: Body | None = None,
        content_type: str = "application/json",
    ) -> Request:
        headers = {}
        if body is not None:
            headers["Content-Type"] = content_type
        key = self._read_key()
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return Request(method, url, _merged(headers, self._profile.headers), body)

    def _read_key(self) -> str | None:
        """Read the key when the first request is about to go out, and not again."""
        if self._key is None and self._profile.key is not None:
            self._key = self._profile.key.read()
            self._hide(self._key)
        return self._key

    def _deadlines(self, whole: float = 0.0) -> Deadlines:
        """Start a clock; ``whole`` seconds in all are the limit where no ``max_time`` is set."""
        profile = self._profile
        is_set = self._max_time is not None
        return Deadlines(
            connect=profile.connect_timeout,
            first_token=profile.first_token_timeout,
            idle=profile.idle_timeout,
            whole=self._max_time or 0.0 if is_set else whole,
            started=self._begun if is_set else None,
        )

    def _check_size(self, request: Request) -> None:
        size, limit = len(request.body or b""), self._profile.max_prompt
        if size > limit:
            raise InputError(
                "the prompt is too large", f"{size} bytes of {limit} allowed", "raise max_prompt"
            )

    def _settle(self, request: Request, deadlines: Deadlines) -> Settled:
        """Send a request; tell a newcomer, who has set no server yet, how to go on."""
        try:
            return self._attempts.settle(request, deadlines)
        except UnreachableError as failure:
            if self._profile.origins.get("base_url") != "default":
                raise
            remedy = "set yours with 'contextops config set base_url URL', or try --local"
            raise UnreachableError(failure.what, failure.why, remedy) from None

    @contextmanager
    def _succeeded(self, request: Request, deadlines: Deadlines) -> Iterator[Settled]:
        """Send a request; raise what a refusal stands for."""
        settled = self._settle(request, deadlines)
        try:
            if settled.refusal is not None:
                raise settled.refusal
            yield settled
        finally:
            settled.response.close()

    def _explained(self, failure: ContextopsError, body: bytes | None) -> ContextopsError:
        """Say more of a refusal: whose key it is about, which models there are."""
        if isinstance(failure, error_responses.AmbiguousAuthError):
            return self._judged(failure)
        if isinstance(failure, ModelNotFoundError):
            with suppress(ValueError, KeyError, TypeError):
                return self._with_offer(failure, str(strict_json.loads(body or b"")["model"]))
        return failure

    def _judged(self, failure: error_responses.AmbiguousAuthError) -> ContextopsError:
        """Tell a provider's 401 from our own: a key that lists models is good.

        Only Open WebUI passes on what its providers say; elsewhere a 401 is always our key's.
        """
        if self._profile.api_path == "/v1" or self._profile.is_local:
            return failure
        try:
            self.models()
        except ContextopsError:
            return failure
        return failure.as_providers()

    def _with_part(
        self, ended: Ended, answer: Answer, about: Mapping[str, Json], deadlines: Deadlines
    ) -> Ended:
        """Add what there is of an answer, once its first word has come."""
        if about["first_token_ms"] is not None:
            whole = {**about, "total_ms": _ms(deadlines.elapsed)}
            ended.set_response(lambda: answer.response(whole))
        return ended

    def _with_offer(self, failure: ModelNotFoundError, wanted: str) -> ModelNotFoundError:
        """Add which models there are, the nearest names first."""
        try:
            ids = [model["id"] for model in self.models()]
        except ContextopsError:
            return failure
        return ModelNotFoundError(
            f"the server has no model {wanted}",
            failure.why,
            model_ids.suggest_models(wanted, ids),
            http_status=failure.http_status,
        )

    # Answers ------------------------------------------------------------------------------

    def _pieces(
        self, response: Response, url: str, answer: Answer, deadlines: Deadlines
    ) -> Iterator[Piece]:
        """Give the pieces as they come; what counts is what came, not what was asked for."""
        _require_readable(response, url)
        blocks = response.blocks()
        start = _start(blocks)
        if not start.strip():
            raise BadResponseError(
                f"{url} answered with nothing", f"status {response.status}, no body"
            )
        if _is_stream(response, start):
            yield from self._streamed(start, blocks, answer, deadlines)
        else:
            body = read(response, self._profile.max_body, start)
            yield from _whole(_json(body, url), answer, response.status)

    def _streamed(
        self, start: bytes, blocks: Iterator[bytes], answer: Answer, deadlines: Deadlines
    ) -> Iterator[Piece]:
        parser = Parser(self._profile.max_event)
        block: bytes | None = start
        while block is not None and not answer.done:
            yield from answer.take(parser.feed(block))
            if answer.is_complete:
                deadlines.completed()
            try:
                block = None if answer.done else next(blocks, None)
            except (TimedOutError, TruncatedError, BadResponseError):
                # There are servers that end with "data: [DONE]" and no line end.
                yield from answer.take(parser.close(), at_end=True)
                if answer.is_complete:
                    return
                raise
        yield from answer.take(parser.close(), at_end=True)


def curl_command(profile: Profile, body: Mapping[str, Json]) -> str:
    """Write the request of ``chat`` as a curl command that works when pasted.

    The key stands there as ``$CONTEXTOPS_API_KEY``; other secret headers are masked.
    """
    import shlex

    if profile.is_local:
        raise UsageError(
            "the embedded model has no address for curl",
            "it runs for one command only",
            "start it with: contextops serve",
        )
    lines = [f"curl -sSN {shlex.quote(_url_of(profile.base_url, profile.api_path, _CHAT))}"]
    if profile.key is not None and "authorization" not in map(str.lower, profile.headers):
        lines.append('-H "Authorization: Bearer $CONTEXTOPS_API_KEY"')
    headers = _merged({"Content-Type": "application/json"}, profile.headers)
    for name, value in headers.items():
        lines.append(f"-H {shlex.quote(f'{name}: {masked_header(name, value)}')}")
    if profile.proxy:
        lines.append(f"--proxy {shlex.quote(SETTINGS['proxy'].masked(profile.proxy))}")
    if profile.insecure:
        lines.append("--insecure")
    if profile.ca_bundle:
        lines.append(f"--cacert {shlex.quote(str(profile.ca_bundle))}")
    if profile.client_cert:
        lines.append(f"--cert {shlex.quote(str(profile.client_cert))}")
    # A body in the words of a command may be longer than a system lets them be.
    lines.append("--data-binary @- <<'END_OF_BODY'")
    return " \\\n  ".join(lines) + f"\n{strict_json.dumps(body)}\nEND_OF_BODY\n"


def _url_of(root: str, api_path: str, path: str) -> str:
    return f"{root}{path}" if path.startswith("/") else f"{root}{api_path}/{path}"


class Reply:
    """The answer to a request of any kind.

    ``refusal`` is what it means where its status is not a success.
    """

    def __init__(self, settled: Settled, deadlines: Deadlines, max_body: int) -> None:
        self._max_body = max_body
        self.status = settled.response.status
        self.headers = settled.response.headers
        self.refusal = settled.refusal
        self._settled = settled
        self._deadlines = deadlines

    def blocks(self) -> Iterator[bytes]:
        """Give the body as it comes; each part of it counts as a sign of work."""
        if self.refusal is not None:
            yield self._settled.body
            return
        for block in self._settled.response.blocks():
            yield block
            self._deadlines.token()

    def body(self) -> bytes:
        """Read it whole; raises ``TooLargeError`` beyond ``max_body``."""
        if self.refusal is not None:
            return self._settled.body
        return read(self._settled.response, self._max_body)


def _start(blocks: Iterator[bytes]) -> bytes:
    """Read so much of a body that its first word tells what it is."""
    start = b""
    for block in blocks:
        start += block
        if len(start.strip()) >= len(_LONGEST_FIELD):
            break
    return start


# The longest name of a field, with its colon: what tells a stream, wherever it is cut.
_LONGEST_FIELD = b"retry: "


def _is_stream(response: Response, start: bytes) -> bool:
    """Tell a stream from a document; 0.6.43 sends an error as bare JSON with a stream's type."""
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if first.startswith((b"data:", b":", b"event:", b"id:", b"retry:")):
        return True
    is_document = first.startswith((b"{", b"[", b'"', b"null"))
    return _type_of(response) == "text/event-stream" and not is_document


def _type_of(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _whole(document: Json, answer: Answer, status: int) -> list[Piece]:
    choices = document.get("choices") if isinstance(document, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict) or not isinstance(first.get("message"), dict):
        raise error_responses.error_in_document(document, status)
    try:
        return answer.take_document(document)
    except ServerError:
        raise error_responses.error_in_document(document, status) from None


def _require_readable(response: Response, url: str) -> None:
    _require_uncompressed(response, url)
    if _type_of(response) == "text/html":
        raise error_responses.web_page_error(url)


def _require_uncompressed(response: Response, url: str) -> None:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise BadResponseError(
            f"{url} answered with {encoding} compression",
            "none was asked for",
            "check what is between the server and you",
        )


def _models(document: Json, url: str) -> list[dict[str, Json]]:
    """Take ``{"data": […]}``, as every recorded server sends, or the reference's bare array."""
    entries = document.get("data") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise error_responses.error_in_document(document)
    known: dict[str, dict[str, Json]] = {}
    entries.reverse()
    while entries:
        # Taken away: 100,000 of them would be there twice.
        entry = entries.pop()
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise BadResponseError(
                f"{url} lists a model without an id", strict_json.dumps(entry)[:80]
            )
        documented = {name: entry.get(name) for name in ("id", "object", "created", "owned_by")}
        known.setdefault(entry["id"], {**documented, **entry})
    return list(known.values())


def _json(body: bytes, url: str) -> Json:
    try:
        return strict_json.loads(body)
    except ValueError as error:
        raise error_responses.not_json_error(url, str(error)) from None


class _Encoded:
    """A body of JSON that is encoded while it goes up: one of 30 MB is there once, as its text."""

    def __init__(self, value: Mapping[str, Json]) -> None:
        self._value = dict(value)
        self._size = sum(map(len, self))

    def __iter__(self) -> Iterator[bytes]:
        return strict_json.iterencode(self._value)

    def __len__(self) -> int:
        return self._size


def _merged(ours: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, str]:
    """Put the user's headers over ours, whatever their case."""
    given = {name.lower() for name in typed}
    return {**{name: value for name, value in ours.items() if name.lower() not in given}, **typed}


def _sets_limit(body: Mapping[str, Json]) -> bool:
    return any(body.get(name) is not None for name in ("max_tokens", "max_completion_tokens"))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
