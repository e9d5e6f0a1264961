"""What a server means when it does not answer: its words, and the status they stand for."""

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

WHERE = "http://localhost:3000/api/chat/completions"


def shapes(text: str) -> dict[str, bytes]:
    """Say a text in each of the shapes that errors come in."""
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


def refused(status: int, body: bytes = b"", **headers: str) -> Any:
    return error_from_response(
        status, {name.replace("_", "-"): v for name, v in headers.items()}, body, WHERE
    )


# Its words --------------------------------------------------------------------------------------


def test_the_servers_own_words_are_told():
    for body in shapes("no such luck, sorry").values():
        assert server_message(body).endswith("no such luck, sorry")
        told = refused(400, body)
        assert "no such luck, sorry" in told.message
        assert "{" not in told.message


def test_they_are_cut_at_500_characters():
    for body in shapes("ü" * 600).values():
        assert "ü" * 480 in server_message(body)
        assert server_message(body).count("ü") <= 500
        assert refused(503, body).message.count("ü") <= 500


def test_they_stand_on_one_line():
    for body in shapes("one\r\ntwo\tthree").values():
        assert server_message(body).endswith("one two three")


def test_a_complaint_does_not_repeat_the_prompt():
    body = shapes("Input should be a valid dictionary")["details"]
    assert server_message(body) == "body.0: Input should be a valid dictionary"


@pytest.mark.parametrize(
    ("body", "told"),
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
def test_other_bodies_are_told_as_they_are(body: bytes, told: str):
    assert server_message(body) == told


def test_who_says_nothing_is_said_to():
    assert "no reason" in refused(500).message


@pytest.mark.parametrize("unit", [b"<title>", b"<title ", b"<h1>x</", b'{"error":', b"[", b"<"])
def test_a_hostile_page_costs_no_time(unit: bytes):
    start = time.process_time()
    server_message(b"<" + unit * (65536 // len(unit)))
    server_message(unit * (65536 // len(unit)))
    assert time.process_time() - start < 1


# What they stand for ----------------------------------------------------------------------------


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
def test_each_status_has_one(statuses: tuple[int, ...], exit_status: int):
    for status, body in itertools.product(statuses, shapes("something").values()):
        told = refused(status, body)
        assert told.status == exit_status
        assert str(status) in told.message or status in (407, 429)
        if status >= 400:
            assert "something" in told.message


def test_a_redirect_names_where_to():
    told = refused(307, location="https://elsewhere.example/")
    assert "https://elsewhere.example/" in told.message
    assert "base_url" in told.remedy


@pytest.mark.parametrize("status", [404, 405])
def test_an_unknown_path_names_the_address(status: int):
    told = refused(status, b'{"detail": "Not Found"}')
    assert WHERE in told.message
    assert "base_url" in told.remedy


def test_how_long_to_wait_is_kept():
    assert refused(429, retry_after="7").retry_after == 7
    assert refused(429, retry_after="soon").retry_after is None


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
def test_a_model_that_is_not_there_is_its_own_status(status: int, text: str):
    for body in shapes(text).values():
        assert refused(status, body).status == 5


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
def test_other_words_are_not_about_a_missing_model(text: str):
    assert refused(400, shapes(text)["provider"]).status == 22
    assert refused(404, shapes(text)["detail"]).status == 8


def test_a_missing_model_is_not_found_behind_other_statuses():
    assert refused(500, shapes("Model not found")["detail"]).status == 50
    assert refused(422, shapes("Model not found")["detail"]).status == 22


def test_keys_that_are_switched_off_have_a_remedy_of_their_own():
    told = refused(403, b'{"detail": "Use of API key is not enabled in the environment."}')
    assert told.status == 4
    assert "administrator" in told.remedy
    assert "ENABLE_API_KEYS" in told.remedy


@pytest.mark.parametrize(
    "text",
    [
        "The plain HTTP request was sent to HTTPS port",
        "Client sent an HTTP request to an HTTPS server.",
    ],
)
def test_plain_http_on_a_tls_port_has_https_as_its_remedy(text: str):
    told = refused(400, shapes(text)["html"])
    assert told.status == 22
    assert "https://" in told.remedy


# Whose key it is --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["provider", "pipe", "plain error"])
def test_a_providers_401_is_to_be_cleared_up(shape: str):
    told = refused(401, shapes("bad key")[shape])
    assert isinstance(told, AmbiguousAuthError)
    assert told.status == 4
    providers = told.as_provider_error()
    assert providers.status == 50
    assert "provider" in providers.what
    assert "bad key" in providers.message
    assert "administrator" in providers.remedy


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
def test_others_are_the_servers_own(status: int, body: bytes):
    told = refused(status, body)
    assert told.status == 4
    assert not isinstance(told, AmbiguousAuthError)
    assert "key" in told.remedy


@pytest.mark.parametrize(
    ("text", "meant", "exit_status"),
    [
        *(("429: slow down", 429, 29), ("500: Server Connection Error", 500, 50)),
        *(("503: busy", 503, 50), ("400: bad", 400, 22), ("413: big", 413, 22)),
        *(("401: provider key", 401, 50), ("403: forbidden", 403, 50)),
        *(("404: The model `x` does not exist", 404, 5), ("Model not found", 400, 5)),
        *(("999: x", 400, 22), ("4290: x", 400, 22), ("at 429: x", 400, 22), ("429", 400, 22)),
    ],
)
def test_a_folded_status_is_unfolded(text: str, meant: int, exit_status: int):
    body = shapes(text)["detail"]
    assert effective_status(400, body) == meant
    assert refused(400, body).status == exit_status


@pytest.mark.parametrize("status", [401, 404, 422, 500, 503])
def test_only_a_400_folds(status: int):
    assert effective_status(status, shapes("429: x")["detail"]) == status


# What came as a success -------------------------------------------------------------------------


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
def test_what_is_no_answer_has_a_status_too(document: Any, exit_status: int, word: str):
    told = error_in_document(document)
    assert told.status == exit_status
    assert word in told.message
    assert told.http_status == 200


def test_a_web_page_and_what_is_no_json_name_the_address():
    for told in (
        error_responses.web_page_error(WHERE),
        error_responses.not_json_error(WHERE, "why"),
    ):
        assert told.status == 8
        assert WHERE in told.message
        assert "base_url" in told.remedy


# Whatever comes ---------------------------------------------------------------------------------

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
def test_any_refusal_is_a_failure_of_ours(status: int, headers: dict[str, str], body: bytes):
    told = error_from_response(status, headers, body, WHERE)
    assert told.status in (4, 5, 7, 8, 22, 29, 50)
    assert len(told.message) < 1000
    if isinstance(told, AmbiguousAuthError):
        assert told.as_provider_error().status == 50


@given(ERRORS)
@settings(max_examples=50)
def test_any_document_is_a_failure_of_ours(document: Any):
    told = error_in_document(document)
    assert told.status in (8, 22, 50)
    assert len(told.message) < 1000
