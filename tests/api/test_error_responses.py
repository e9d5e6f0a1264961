"""Error responses: the server's message, and the exit status that each stands for."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.api import error_responses
from contextops.api.error_responses import (
    AmbiguousAuthError,
    effective_status,
    error_from_response,
    error_in_document,
    server_message,
)
from json_values import values
from shapes import compact

URL = "http://localhost:3000/api/chat/completions"


def shapes(text: str) -> dict[str, bytes]:
    """Return a text in each of the shapes that errors come in."""
    bodies = {
        "detail": {"detail": text},
        "details": {"detail": [{"type": "x", "loc": ["body", 0], "msg": text, "input": "secret"}]},
        "provider": {"error": {"message": text, "type": "t", "param": None, "code": "c"}},
        "pipe": {"error": {"detail": text}},
        "plain error": {"error": text},
        "message": {"message": text, "status": "error"},
        "string": text,
    }
    return {name: compact(body).encode() for name, body in bodies.items()} | {
        "text": text.encode(),
        "html": f"<html><head><title>{text}</title></head><body>…</body></html>".encode(),
        "heading": f"<center><h1 class='x'>\n{text}</h1></center>".encode(),
    }


def error_for(status: int, body: bytes = b"", **headers: str) -> Any:
    return error_from_response(
        status, {name.replace("_", "-"): v for name, v in headers.items()}, body, URL
    )


# The server's message ---------------------------------------------------------------------------


def test_error_has_the_servers_message():
    for body in shapes("no such luck, sorry").values():
        assert server_message(body).endswith("no such luck, sorry")
        error = error_for(400, body)
        assert "no such luck, sorry" in error.message
        assert "{" not in error.message


def test_server_message_is_at_most_500_characters():
    for body in shapes("ü" * 600).values():
        assert "ü" * 480 in server_message(body)
        assert server_message(body).count("ü") <= 500
        assert error_for(503, body).message.count("ü") <= 500


def test_server_message_is_one_line():
    for body in shapes("one\r\ntwo\tthree").values():
        assert server_message(body).endswith("one two three")


def test_validation_message_does_not_repeat_the_prompt():
    body = shapes("Input should be a valid dictionary")["details"]
    assert server_message(body) == "body.0: Input should be a valid dictionary"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", ""),
        (b"\xef\xbb\xbf" + b'{"detail": "x"}', "x"),
        (b"\xff\xfe bad", "\ufffd\ufffd bad"),
        (b'{"detail": "cut', '{"detail": "cut'),
        (b"null", "null"),
        (b"{}", "{}"),
        (b'{"error": {"message": "", "code": 7}}', '{"message":"","code":7}'),
        (b'{"error": {"message": "not supported", "param": "top_k"}}', "not supported (top_k)"),
        (b'{"error": {"message": "top_k is not", "param": "top_k"}}', "top_k is not"),
        (b'{"error": {"message": "no", "param": 7}}', "no"),
        (b'{"detail": [], "message": "m"}', "m"),
        (b"<html>no title</html>", "<html>no title</html>"),
    ],
)
def test_server_message_of_other_bodies_is_their_text(body: bytes, error: str):
    assert server_message(body) == error


def test_empty_body_is_reported_as_no_reason():
    assert "no reason" in error_for(500).message


@pytest.mark.parametrize("unit", [b"<title>", b"<title ", b"<h1>x</", b'{"error":', b"[", b"<"])
def test_hostile_page_takes_less_than_a_second(unit: bytes):
    start = time.process_time()
    server_message(b"<" + unit * (65536 // len(unit)))
    server_message(unit * (65536 // len(unit)))
    assert time.process_time() - start < 1


# Statuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "exit_status"),
    [
        ((400, 402, 409, 413, 415, 422, 431, 451), 22),
        ((500, 501, 502, 503, 504, 522, 529), 50),
        ((301, 302, 304, 307, 308, 404, 405), 8),
        ((401, 403), 4),
        ((407,), 7),
        ((429,), 29),
    ],
)
def test_http_status_maps_to_exit_status(statuses: tuple[int, ...], exit_status: int):
    for status, body in itertools.product(statuses, shapes("something").values()):
        error = error_for(status, body)
        assert error.status == exit_status
        assert str(status) in error.message or status in (407, 429)
        if status >= 400:
            assert "something" in error.message


def test_redirect_error_names_the_target():
    error = error_for(307, location="https://elsewhere.example/")
    assert "https://elsewhere.example/" in error.message
    assert "base_url" in error.remedy


@pytest.mark.parametrize("status", [404, 405])
def test_unknown_path_error_names_the_url(status: int):
    error = error_for(status, b'{"detail": "Not Found"}')
    assert URL in error.message
    assert "base_url" in error.remedy


def test_rate_limit_error_has_retry_after():
    assert error_for(429, retry_after="7").retry_after == 7
    assert error_for(429, retry_after="soon").retry_after is None


@pytest.mark.parametrize(
    "text",
    [
        "Model not found",
        "Model '' was not found",
        "The model `gpt-9` does not exist or you do not have access to it.",
        "model 'x' not found, try pulling it first",
        "Model Not Exist",
        "x is not a valid model ID",
        "Invalid model name passed in model=x",
        "unknown model: x",
    ],
)
@pytest.mark.parametrize("status", [400, 404])
def test_missing_model_is_status_5(status: int, text: str):
    for body in shapes(text).values():
        assert error_for(status, body).status == 5


@pytest.mark.parametrize(
    "text",
    [
        "Not Found",
        "This model's maximum context length is 4096 tokens",
        "file not found",
        "the model is overloaded",
        "upstream says 400",
    ],
)
def test_other_messages_are_not_a_missing_model(text: str):
    assert error_for(400, shapes(text)["provider"]).status == 22
    assert error_for(404, shapes(text)["detail"]).status == 8


def test_missing_model_is_recognized_in_400_and_404_only():
    assert error_for(500, shapes("Model not found")["detail"]).status == 50
    assert error_for(422, shapes("Model not found")["detail"]).status == 22


def test_disabled_api_keys_have_their_own_remedy():
    error = error_for(403, b'{"detail": "Use of API key is not enabled in the environment."}')
    assert error.status == 4
    assert "administrator" in error.remedy
    assert "ENABLE_API_KEYS" in error.remedy


@pytest.mark.parametrize(
    "text",
    [
        "The plain HTTP request was sent to HTTPS port",
        "Client sent an HTTP request to an HTTPS server.",
    ],
)
def test_plain_http_on_tls_port_suggests_https(text: str):
    error = error_for(400, shapes(text)["html"])
    assert error.status == 22
    assert "https://" in error.remedy


# Whose key is rejected --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["provider", "pipe", "plain error"])
def test_401_in_provider_shape_is_ambiguous(shape: str):
    error = error_for(401, shapes("bad key")[shape])
    assert isinstance(error, AmbiguousAuthError)
    assert error.status == 4
    provider_error = error.as_provider_error()
    assert provider_error.status == 50
    assert "provider" in provider_error.what
    assert "bad key" in provider_error.message
    assert "administrator" in provider_error.remedy


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, shapes("x")["detail"]),
        (401, shapes("x")["text"]),
        (401, b""),
        (401, b'{"error": {"message": "x"}, "detail": "x"}'),
        (403, shapes("x")["provider"]),
    ],
)
def test_401_in_other_shapes_is_about_the_callers_key(status: int, body: bytes):
    error = error_for(status, body)
    assert error.status == 4
    assert not isinstance(error, AmbiguousAuthError)
    assert "key" in error.remedy


@pytest.mark.parametrize(
    ("text", "effective", "exit_status"),
    [
        *(("429: slow down", 429, 29), ("500: Server Connection Error", 500, 50)),
        *(("503: busy", 503, 50), ("400: bad", 400, 22), ("413: big", 413, 22)),
        *(("401: provider key", 401, 50), ("403: forbidden", 403, 50)),
        *(("404: The model `x` does not exist", 404, 5), ("Model not found", 400, 5)),
        *(("999: x", 400, 22), ("4290: x", 400, 22), ("at 429: x", 400, 22), ("429", 400, 22)),
    ],
)
def test_status_in_the_text_of_a_400_is_effective(text: str, effective: int, exit_status: int):
    body = shapes(text)["detail"]
    assert effective_status(400, body) == effective
    assert error_for(400, body).status == exit_status


@pytest.mark.parametrize("status", [401, 404, 422, 500, 503])
def test_status_in_other_texts_is_ignored(status: int):
    assert effective_status(status, shapes("429: x")["detail"]) == status


# Documents that came as a success ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "exit_status", "word"),
    [
        (None, 8, "null"),
        ('{"id": "x", "choices": [', 8, "broken JSON"),
        ({"detail": "no"}, 22, "no"),
        ({"detail": [{"loc": ["body"], "msg": "no"}]}, 22, "no"),
        ({"error": {"detail": "pipe exploded"}}, 50, "pipe exploded"),
        ({"error": {"message": "broke"}}, 50, "broke"),
        ({"error": "broke"}, 50, "broke"),
        ({"choices": []}, 8, "choices"),
        ({"choices": [{"index": 0}]}, 8, "choices"),
        ({"status": True, "task_ids": ["t"], "chat_id": "c"}, 8, "background"),
        ([], 8, "[]"),
        (1.5, 8, "1.5"),
    ],
)
def test_document_that_is_not_a_completion_is_an_error(document: Any, exit_status: int, word: str):
    error = error_in_document(document)
    assert error.status == exit_status
    assert word in error.message
    assert error.http_status == 200


def test_web_page_and_not_json_errors_name_the_url():
    for error in (
        error_responses.web_page_error(URL),
        error_responses.not_json_error(URL, "why"),
    ):
        assert error.status == 8
        assert URL in error.message
        assert "base_url" in error.remedy


# Any input --------------------------------------------------------------------------------------

ERRORS = values(
    *("error", "detail", "message", "code", "type", "loc", "msg", "input", "task_ids", "choices"),
    texts=("Model not found", "429: x", "401: x", "rate limit"),
)
BODIES = (
    st.binary(max_size=60)
    | ERRORS.map(strict_json.dumps).map(str.encode)
    | st.text().map(str.encode)
)
FIELDS = st.dictionaries(st.sampled_from(["location", "retry-after"]), st.text(max_size=700))


@given(st.integers(300, 999), FIELDS, BODIES)
@settings(max_examples=60)
@example(401, {}, b'{"error": "x"}')
@example(400, {}, b'{"error": "401: x"}')
@example(302, {"location": "http://there.example/" + "x" * 5000}, b"")
def test_any_error_response_is_a_contextops_error(
    status: int, headers: dict[str, str], body: bytes
):
    error = error_from_response(status, headers, body, URL)
    assert error.status in (4, 5, 7, 8, 22, 29, 50)
    assert len(error.message) < 1000
    if isinstance(error, AmbiguousAuthError):
        assert error.as_provider_error().status == 50


@given(ERRORS)
@settings(max_examples=50)
def test_any_document_is_a_contextops_error(document: Any):
    error = error_in_document(document)
    assert error.status in (8, 22, 50)
    assert len(error.message) < 1000
