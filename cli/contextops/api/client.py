"""A client of one server: its endpoints, and the answers that it gives.

Open WebUI's API is below ``/api`` (the product's reference documents ``POST
/api/chat/completions`` and ``GET /api/models``), that of OpenAI-compatible servers below ``/v1``.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from signal import SIGINT
from typing import Any, TypeVar

from contextops import strict_json
from contextops.api.completion import Completion, read_completion
from contextops.api.error_responses import UNEXPECTED_RESPONSE, AmbiguousAuthError
from contextops.api.model_ids import describe_offer, suggest_models
from contextops.api.request import CHAT, Body, JsonBody, Request, merge_headers, url_of
from contextops.api.responses import (
    FinalResponse,
    Reply,
    parse_json,
    parse_models,
    read_body,
    require_api_response,
    require_uncompressed,
)
from contextops.api.retry import Retrier, Wait, discard
from contextops.api.stream import Done, Piece
from contextops.api.timeouts import METADATA_MAX_TIME, Deadlines
from contextops.api.transport import Route, Transport
from contextops.config import Profile
from contextops.errors import (
    AuthError,
    BadResponseError,
    ConfigError,
    ContextopsError,
    InputError,
    ModelNotFoundError,
    RejectedError,
    SignalInterrupt,
    UnreachableError,
)
from contextops.secrets import is_secret_name

Ended = TypeVar("Ended", ContextopsError, SignalInterrupt)


class Client:
    """A client of one server, with the settings of one profile.

    Args:
        profile: The settings; its key is read when the first request is sent.
        note: Called with one line that the user should see beside the answer.
        detail: Called with each line of ``--verbose``.
        hide: Called with each secret that must not be shown.
        wait: Waits between two attempts, instead of a note and a sleep.
        base_url: The URL of the embedded engine, instead of the profile's.
        unix_socket: The path of the embedded engine's socket.
        key: The key of the embedded engine.

    The time of ``max_time`` runs from the start, or from ``begin``.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        note: Callable[[str], None],
        detail: Callable[[str], None] | None = None,
        hide: Callable[[str], None] = discard,
        wait: Wait | None = None,
        base_url: str | None = None,
        unix_socket: str | None = None,
        key: str | None = None,
    ) -> None:
        self._profile = profile
        self._base_url = base_url or profile.base_url
        self._key = key
        self._detail = detail = detail or discard
        self._hide = hide
        for name, value in profile.headers.items():
            if is_secret_name(name):
                # With and without the word before it ("Bearer").
                hide(value)
                hide(value.rpartition(" ")[2])
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
        self._retrier = Retrier(
            self._transport, retries=profile.retries, note=note, detail=detail, wait=wait
        )
        self._max_time = profile.max_time
        self.begin()

    def begin(self, max_time: float | None = None) -> None:
        """Start the time of ``max_time`` anew, and change its seconds if given.

        What a command needs beside its request (the list of models, the key) counts, too.
        """
        self._started = time.monotonic()
        if max_time is not None:
            self._max_time = max_time

    def background(self, max_time: float) -> Client:
        """Return a silent copy of this client, without retries, for what nobody waits for.

        Raises:
            AuthError: The key has yet to be read from a command, which may ask the user.
        """
        key = self._profile.key
        if self._key is None and key is not None and key.runs_command:
            raise AuthError("the key has not been read yet")
        other = copy.copy(self)
        other._retrier = Retrier(self._transport, retries=0, note=discard)  # noqa: SLF001 - a copy of this instance
        other._detail = discard  # noqa: SLF001 - same
        other.begin(max_time)
        return other

    # Endpoints ----------------------------------------------------------------------------

    def models(self, *, refresh: bool = False) -> list[dict[str, Any]]:
        """Return the models in server order, each once.

        Each has the keys of the reference, ``id``, ``object``, ``created`` and ``owned_by``, None
        where the server sent none, and whatever else the server sent. ``refresh`` asks Open WebUI
        to fetch the models of its providers again.
        """
        url = self.url_of("models")
        request = self._request("GET", f"{url}?refresh=true" if refresh else url)
        with self._send_successfully(request, self._deadlines(METADATA_MAX_TIME)) as final:
            require_api_response(final.response, url)
            body = read_body(final.response, self._profile.max_body)
        return parse_models(parse_json(body, url), url)

    def only_model(self) -> str:
        """Return the id of the only model; raises ``ConfigError`` naming them if there are more."""
        ids = [str(model["id"]) for model in self.models()]
        if len(ids) == 1:
            return ids[0]
        offer = describe_offer(ids)
        if not ids:
            raise ConfigError("no model chosen", offer, "ask an administrator for access")
        remedy = "choose one with -m ID, or set it with: contextops config set model ID"
        raise ConfigError("no model chosen", remedy=f"{offer}; {remedy}")

    def chat(
        self,
        body: Mapping[str, Any],
        *,
        allow_truncated: bool = False,
        require_complete: bool = False,
    ) -> Generator[Piece, None, None]:
        """Send one chat request, and yield the pieces of the answer as they come, ``Done`` last.

        Args:
            body: The body of ``POST /chat/completions``, with ``model`` and ``messages``.
            allow_truncated: Accept an answer that a limit or a filter truncated.
            require_complete: Accept no truncated answer, even if the limit is the caller's own.

        Raises:
            TruncatedError: The answer is truncated.
            ContextopsError: Whatever else fails. ``response`` is the part of the answer that came.
        """
        request = self._request("POST", self.url_of(CHAT), JsonBody(body))
        self._check_size(request)
        deadlines = self._deadlines()
        completion = Completion(self._profile.max_answer)
        metadata = {"requested_model": body["model"], "attempts": 0, "first_token_ms": None}
        try:
            with self._send_successfully(request, deadlines) as final:
                metadata["attempts"] = final.attempts
                for piece in read_completion(
                    final.response, request.url, completion, deadlines, self._profile
                ):
                    if metadata["first_token_ms"] is None:
                        metadata["first_token_ms"] = _ms(deadlines.elapsed)
                    yield piece
                    # Only now: a reader that is slow to take a piece is not a silent server.
                    deadlines.token()
            completion.require_complete(
                allow_caller_limit=_sets_limit(body) and not require_complete,
                allow_truncated=allow_truncated and not require_complete,
            )
        except KeyboardInterrupt:
            interrupt = SignalInterrupt(SIGINT)
            raise _with_response(interrupt, completion, metadata, deadlines) from None
        except SignalInterrupt as interrupt:
            raise _with_response(interrupt, completion, metadata, deadlines) from None
        except ContextopsError as error:
            error = self._explained(error, str(body["model"]))
            raise _with_response(error, completion, metadata, deadlines) from None
        first, total = metadata["first_token_ms"], _ms(deadlines.elapsed)
        self._detail(f"* first token after {first or 0} ms, complete after {total} ms")
        yield Done(completion.response({**metadata, "total_ms": total}))

    def probe(self, model: str) -> float:
        """Ask a model for one token, and return the seconds that it took.

        A reasoning model may answer without any text, which is an answer, too. Retries count for
        the time limits, but not for these seconds.
        """
        try:
            return self._first_token(model, max_tokens=1)
        except RejectedError as error:
            # OpenAI's reasoning models have another name for the limit, and need some room.
            if error.http_status != 400 or "max_tokens" not in error.why:
                raise
            return self._first_token(model, max_completion_tokens=16)

    def _first_token(self, model: str, **limit: int) -> float:
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": model, "messages": messages, "stream": False, **limit}
        request = self._request("POST", self.url_of(CHAT), strict_json.dumps(body).encode())
        deadlines = self._deadlines()
        completion = Completion(self._profile.max_answer)
        first = None
        try:
            with self._send_successfully(request, deadlines) as final:
                for _ in read_completion(
                    final.response, request.url, completion, deadlines, self._profile
                ):
                    first = first or time.monotonic()
                    deadlines.token()
                seconds = (first or time.monotonic()) - final.started
            completion.require_complete(allow_caller_limit=True, allow_truncated=True)
        except ContextopsError as error:
            raise self._explained(error, model) from None
        if not (first or completion.is_finished):
            raise BadResponseError(UNEXPECTED_RESPONSE, "it has no choices")
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
        """Send a request of any kind, and yield its response, an error response included."""
        request = self._request(method, url, body, content_type)
        deadlines = self._deadlines()
        final = self._send(request, deadlines)
        try:
            if final.error is None:
                require_uncompressed(final.response, url)
            elif isinstance(final.error, (AmbiguousAuthError, ModelNotFoundError)):
                final = final._replace(error=self._explained(final.error, _model_in(body)))
            yield Reply(final, deadlines, self._profile.max_body)
        finally:
            final.response.close()

    def url_of(self, path: str) -> str:
        """Return the URL of a path: below the root if it begins with ``/``, else below the API."""
        return url_of(self._base_url, self._profile.api_path, path)

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
        if self._key is None and self._profile.key is not None:
            # Read when the first request is about to go out, and only once.
            self._key = self._profile.key.read()
            self._hide(self._key)
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return Request(method, url, merge_headers(headers, self._profile.headers), body)

    def _deadlines(self, default_max_time: float = 0.0) -> Deadlines:
        """Return deadlines that run from now, or from ``begin`` if ``max_time`` is set."""
        profile = self._profile
        is_set = self._max_time is not None
        return Deadlines(
            connect=profile.connect_timeout,
            first_token=profile.first_token_timeout,
            idle=profile.idle_timeout,
            total=self._max_time or 0.0 if is_set else default_max_time,
            started=self._started if is_set else None,
        )

    def _check_size(self, request: Request) -> None:
        size, limit = len(request.body or b""), self._profile.max_prompt
        if size > limit:
            raise InputError(
                "the prompt is too large", f"{size} bytes of {limit} allowed", "raise max_prompt"
            )

    def _send(self, request: Request, deadlines: Deadlines) -> FinalResponse:
        try:
            return self._retrier.send(request, deadlines)
        except UnreachableError as error:
            if not self._profile.base_url_is_default:
                raise
            # A new user, who has not set a server yet.
            remedy = "set yours with 'contextops config set base_url URL', or try --local"
            raise UnreachableError(error.what, error.why, remedy) from None

    @contextmanager
    def _send_successfully(self, request: Request, deadlines: Deadlines) -> Iterator[FinalResponse]:
        """Send a request, and raise what its response stands for if that is not a success."""
        final = self._send(request, deadlines)
        try:
            if final.error is not None:
                raise final.error
            yield final
        finally:
            final.response.close()

    def _explained(self, error: ContextopsError, model: str | None) -> ContextopsError:
        """Return an error that also says whose key is rejected, or which models there are."""
        if isinstance(error, ModelNotFoundError) and model is not None:
            try:
                ids = [str(each["id"]) for each in self.models()]
            except ContextopsError:
                return error
            return ModelNotFoundError(
                f"the server has no model {model}",
                error.why,
                suggest_models(model, ids),
                http_status=error.http_status,
            )
        # Only Open WebUI passes on what its providers say; elsewhere a 401 is about our key.
        passes_on = self._profile.api_path != "/v1" and not self._profile.is_local
        if isinstance(error, AmbiguousAuthError) and passes_on:
            try:
                self.models()
            except ContextopsError:
                return error
            # A key that lists models is valid.
            return error.as_provider_error()
        return error


def _with_response(
    ended: Ended, completion: Completion, metadata: Mapping[str, Any], deadlines: Deadlines
) -> Ended:
    """Return an exception with the part of the answer that came, once its first token has."""
    if metadata["first_token_ms"] is not None:
        timed = {**metadata, "total_ms": _ms(deadlines.elapsed)}
        ended.set_response(lambda: completion.response(timed))
    return ended


def _model_in(body: bytes | None) -> str | None:
    """Return the ``model`` in a body of JSON, None if there is none."""
    try:
        return str(strict_json.loads(body or b"")["model"])
    except (ValueError, KeyError, TypeError):
        return None


def _sets_limit(body: Mapping[str, Any]) -> bool:
    return any(body.get(name) is not None for name in ("max_tokens", "max_completion_tokens"))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
