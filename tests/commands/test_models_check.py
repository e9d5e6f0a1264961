"""``contextops models check``: whether models are offered and answer, for scripts and CI."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack
from xml.etree import ElementTree as ET

import pytest

from server import CLOSE, HOLD, Server
from shapes import (
    DONE,
    KEY,
    VERSIONS,
    OpenWebUI,
    Reference,
    chunk,
    completion,
    detail,
    http,
    in_turn,
    json_answer,
    reply,
    stream,
)

pytestmark = pytest.mark.usefixtures("home")


def listing(*ids):
    return json_answer({"data": [{"id": name} for name in ids]})


def answering(chat, *ids):
    """Return a server that lists these models and answers with ``chat(body)``."""

    def answer(request):
        return listing(*ids) if request.method == "GET" else chat(request.json())

    return answer


def refusing(*_):
    return detail("the model is on fire", 500)


# Listed models


@pytest.mark.parametrize("server", [*map(OpenWebUI, VERSIONS)], ids=VERSIONS)
def test_listed_models_are_ok(run, serve, exported, server):
    exported(serve(server))
    result = run("models", "check", "ctx-large", "ctx-small")
    assert (result.status, result.stdout, result.stderr) == (0, "ok ctx-large\nok ctx-small\n", "")


def test_bare_array_of_the_reference_is_read(run, serve, exported):
    exported(serve(Reference()))
    assert run("models", "check", "llama3.1").status == 0


def test_without_name_the_profiles_model_is_checked(run, serve, exported):
    exported(serve(OpenWebUI()), model="ctx-large")
    assert run("models", "check").stdout == "ok ctx-large\n"


def test_without_any_model_the_only_one_is_checked(run, serve, exported):
    exported(serve(OpenWebUI(models=["single"])), model=None)
    assert run("models", "check").stdout == "ok single\n"


def test_without_any_model_several_are_a_config_error(run, serve, exported):
    exported(serve(OpenWebUI()), model=None)
    result = run("models", "check")
    assert (result.status, result.stdout) == (3, "")
    assert (
        "no model chosen; the server offers ctx-small, ctx-large; name those to check"
        in result.stderr
    )
    assert run("models", "check", "--format", "junit").stdout.count("<testcase") == 1


def test_empty_name_is_a_usage_error(run):
    result = run("models", "check", "")
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr == (
        "contextops: the name of a model is empty; leave it out, or name one\n"
    )


@pytest.mark.parametrize(
    ("names", "status", "rows"),
    [
        (["ctx-*"], 0, ["ok ctx-small", "ok ctx-large"]),
        (["ctx-*", "ctx-large"], 0, ["ok ctx-small", "ok ctx-large"]),
        (["*"], 0, ["ok ctx-small", "ok ctx-large"]),
        (["ctx-[ls]*"], 0, ["ok ctx-small", "ok ctx-large"]),
        (["CTX-*"], 5, ["missing CTX-*"]),
        (["ctx"], 5, ["missing ctx"]),
        (["Ctx-Small"], 5, ["missing Ctx-Small"]),
        (["ctx-small", "gpt-*"], 5, ["ok ctx-small", "missing gpt-*"]),
    ],
)
def test_names_are_exact_and_each_glob_must_match(run, serve, exported, names, status, rows):
    exported(serve(OpenWebUI()))
    result = run("models", "check", *names)
    assert (result.status, result.stdout.splitlines()) == (status, rows)


def test_id_with_glob_characters_matches_itself(run, serve, exported):
    exported(serve(lambda _: listing("a[b]*", "ab")))
    assert run("models", "check", "a[b]*").stdout == "ok a[b]*\n"


# Missing models


TWO = (
    "2 models are missing: ctx-smal (did you mean ctx-small?), zzz; "
    "list the available ones with 'contextops models list'"
)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ctx-smal"], "the server has no model ctx-smal; did you mean ctx-small?"),
        (["CTX-LARGE"], "the server has no model CTX-LARGE; did you mean ctx-large?"),
        (["zzz"], "the server has no model zzz; the server offers ctx-small, ctx-large"),
        (["z*"], "the server has no model z*; the server offers ctx-small, ctx-large"),
        (["ctx-smal", "ctx-small", "zzz"], TWO),
    ],
)
def test_missing_models_are_named_in_one_line_with_nearest_ids(
    run, serve, exported, names, message
):
    exported(serve(OpenWebUI()))
    result = run("models", "check", *names)
    assert (result.status, result.stderr) == (5, f"contextops: {message}\n")


NOTHING = (
    "it lists none; the key is accepted, but they are private until an administrator grants access"
)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], f"the server has no model a: {NOTHING}"),
        (["a", "b"], f"2 models are missing: a, b; {NOTHING}"),
        ([], f"the server has no models: {NOTHING}"),
    ],
)
def test_empty_list_with_accepted_key_is_explained(run, serve, exported, names, message):
    exported(serve(lambda _: listing()), model=None)
    result = run("models", "check", *names)
    assert (result.status, result.stderr) == (5, f"contextops: {message}\n")


def test_many_missing_models_are_counted(run, serve, exported):
    exported(serve(OpenWebUI()))
    result = run("models", "check", *(f"m{number}" for number in range(300)))
    assert (result.status, result.stdout.count("missing ")) == (5, 300)
    assert result.stderr.startswith("contextops: 300 models are missing: m0, m1, ")
    assert "and 290 more, listed on stdout" in result.stderr


def test_repeated_name_is_one_row(run, serve, exported):
    exported(serve(lambda _: http(502)))
    assert run("models", "check", "a", "a").stdout == "unknown a server_error\n"


def test_model_of_profile_is_not_a_glob(run, serve, exported):
    exported(serve(OpenWebUI()), model="ctx-*")
    assert run("models", "check").status == 5


def test_ten_thousand_ids_are_checked_quickly(run, serve, exported):
    """Comparing every name closely with every id took 4.6 s for each name."""
    ids = [f"provider-{number % 7}/model-{number:05}-instruct" for number in range(10_000)]
    exported(serve(lambda _: listing(*ids)))
    begun = time.process_time()
    result = run("models", "check", "provider-3/modl-00042-instruct", *map(str, range(50)))
    assert time.process_time() - begun < 10
    assert "did you mean provider-" in result.stderr


def test_refresh_is_sent_to_the_server(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("models", "check", "--refresh", "ctx-small").status == 0
    assert server.request.target == "/api/models?refresh=true"


# Unknown models


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (detail("Not authenticated", 401), 4, "auth"),
        ([CLOSE], 7, "unreachable"),
        (http(200, {"content-type": "text/html"}, "<html>"), 8, "bad_response"),
        (detail("slow down", 429), 29, "rate_limited"),
        (http(502, {"content-type": "text/html"}, "<h1>Bad Gateway</h1>"), 50, "server_error"),
    ],
)
def test_error_of_list_makes_models_unknown_not_missing(run, serve, exported, answer, status, code):
    exported(serve(lambda _: answer))
    result = run("models", "check", "a", "b")
    assert (result.status, result.stdout) == (status, f"unknown a {code}\nunknown b {code}\n")
    assert result.stderr.count("\n") == 1
    assert KEY not in result.stdout + result.stderr


def test_unreachable_server_is_status_7(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    result = run("models", "check", "a", "--retries", "0")
    assert (result.status, result.stdout) == (7, "unknown a unreachable\n")


def test_list_slower_than_max_time_is_status_28(run, serve, exported):
    exported(serve(lambda _: [0.6, listing("a")]))
    assert run("models", "check", "a", "--max-time", "300ms").status == 28


def test_slow_list_within_max_time_is_accepted(run, serve, exported):
    exported(serve(lambda _: [0.3, listing("a")]))
    assert run("models", "check", "a", "--max-time", "10s").status == 0


def test_unknown_certificate_is_status_60(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server()))
    assert run("models", "check", "ctx-small").status == 60


# Probes


def test_probe_asks_every_model_for_one_token(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    result = run("models", "check", "--probe", "ctx-*")
    assert result.status == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["ok", "ctx-small"], ["ok", "ctx-large"]]
    assert all(row[2].removesuffix("ms").isdigit() for row in rows)
    bodies = [request.json() for request in server.requests if request.method == "POST"]
    assert {body["model"] for body in bodies} == {"ctx-small", "ctx-large"}
    assert all(body["max_tokens"] == 1 and body["stream"] is False for body in bodies)


def test_probe_accepts_a_stream(run, serve, exported):
    exported(serve(answering(lambda _: stream(*reply("hello", finish="length")), "a")))
    assert run("models", "check", "--probe", "a").status == 0


@pytest.mark.parametrize("text", ["", None])
@pytest.mark.parametrize("finish", ["length", "stop", "content_filter"])
def test_probe_accepts_answer_without_text(run, serve, exported, text, finish):
    exported(serve(answering(lambda _: json_answer(completion(text, finish=finish)), "a")))
    assert run("models", "check", "--probe", "a").status == 0


def test_probe_retries_with_max_completion_tokens(run, serve, exported):
    def chat(body):
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return json_answer({"error": {"message": message}}, 400)
        assert body["max_completion_tokens"] == 16
        return json_answer(completion("h", finish="length"))

    server = exported(serve(answering(chat, "o9")))
    assert run("models", "check", "--probe", "o9").status == 0
    assert len(server.requests) == 3


def test_probe_fails_for_listed_model_that_does_not_answer(run, serve, exported):
    def chat(body):
        return refusing() if body["model"] == "broken" else json_answer(completion("h"))

    exported(serve(answering(chat, "good", "broken")))
    assert run("models", "check", "good", "broken").status == 0
    result = run("models", "check", "--probe", "good", "broken")
    assert result.status == 50
    assert result.stdout.splitlines()[1] == "failed broken server_error"
    assert result.stderr == (
        "contextops: broken does not answer: the server failed (500): the model is on fire; "
        "try later\n"
    )


def test_listed_model_that_is_not_found_is_not_suggested(run, serve, exported):
    exported(serve(answering(lambda _: detail("Model not found", 400), "a", "b")))
    result = run("models", "check", "--probe", "a")
    assert result.status == 5
    hint = "it is listed, however: try 'contextops models list --refresh'; the server offers a, b"
    assert hint in result.stderr


@pytest.mark.parametrize(
    ("chat", "status"),
    [
        (lambda _: detail("Model not found", 400), 5),
        (lambda _: json_answer({"choices": []}), 8),
        (lambda _: json_answer(None), 8),
        (lambda _: json_answer({"choices": [{"index": 0}]}), 8),
        (lambda _: detail("no", 403), 4),
        (lambda _: detail("bad", 422), 22),
        (lambda _: [CLOSE], 7),
        (lambda _: [HOLD], 28),
        (lambda _: stream({"error": {"message": "gone"}}), 50),
        (lambda _: stream(DONE), 8),
        (lambda _: stream({"choices": []}, DONE), 8),
        (lambda _: stream({"choices": [{}]}, DONE), 8),
        (lambda _: json_answer({"choices": [{"message": {}}]}), 8),
        (lambda _: stream({"choices": [{"delta": {"content": "h"}}]}), 18),
    ],
)
def test_failed_probe_has_status_of_its_error(run, serve, exported, chat, status):
    exported(serve(answering(chat, "a")))
    result = run("models", "check", "--probe", "a", "--max-time", "1s")
    assert result.status == status
    assert result.stdout.startswith("failed a ")
    assert result.stderr.startswith("contextops: a does not answer: ")
    assert result.stderr.count("\n") == 1


def test_missing_model_decides_status_before_failed_one(run, serve, exported):
    exported(serve(answering(refusing, "a")))
    result = run("models", "check", "--probe", "a", "b")
    assert (result.status, result.stdout) == (5, "failed a server_error\nmissing b\n")


def test_several_failed_models_are_one_error_line(run, serve, exported):
    exported(serve(answering(refusing, "a", "b", "c")))
    result = run("models", "check", "--probe", "*")
    assert result.status == 50
    assert result.stderr.startswith("contextops: 3 models failed, the first: a does not answer: ")
    assert result.stderr.count("\n") == 1


def test_server_that_closes_after_list_is_unreachable(run, serve, exported):
    exported(serve(in_turn(listing("a"), [CLOSE])))
    assert run("models", "check", "--probe", "a").status == 7


@pytest.mark.parametrize(("jobs", "most"), [("1", 1), ("3", 3)])
def test_jobs_limits_concurrent_probes(run, serve, exported, jobs, most):
    lock, now, seen = threading.Lock(), [0], [0]

    def chat(_):
        with lock:
            now[0] += 1
            seen[0] = max(seen[0], now[0])
        time.sleep(0.15)
        with lock:
            now[0] -= 1
        return json_answer(completion("h"))

    exported(serve(answering(chat, *"abcdef")))
    result = run("models", "check", "--probe", "-j", jobs, "*")
    assert (result.status, seen[0]) == (0, most)
    # The order is that of the list, whichever model was quicker.
    assert [line.split()[1] for line in result.stdout.splitlines()] == list("abcdef")


def test_model_slower_than_max_latency_is_status_28(run, serve, exported):
    exported(serve(answering(lambda _: [0.3, json_answer(completion("h"))], "a")))
    assert run("models", "check", "--probe", "--max-latency", "20s", "a").status == 0
    result = run("models", "check", "--probe", "--max-latency", "100ms", "a")
    assert result.status == 28
    state, name, latency = result.stdout.split()
    assert (state, name) == ("slow", "a")
    assert int(latency.removesuffix("ms")) >= 300
    assert "contextops: a is slow: it took " in result.stderr
    assert "the limit is 100 ms" in result.stderr


@pytest.mark.parametrize(
    "slow_before",
    [
        http(503, {"retry-after-ms": "500"}),
        [0.5, json_answer({"error": {"message": "no max_tokens here"}}, 400)],
    ],
    ids=["retry", "other limit"],
)
def test_latency_is_that_of_the_successful_attempt(run, serve, exported, slow_before):
    exported(serve(in_turn(listing("a"), slow_before, json_answer(completion("h")))))
    result = run("models", "check", "--probe", "--max-latency", "400ms", "--retries", "1", "a")
    assert result.status == 0


def test_latency_ends_with_first_token_of_stream(run, serve, exported):
    exported(serve(answering(lambda _: stream(chunk("h"), 0.6, chunk(finish="stop"), DONE), "a")))
    assert run("models", "check", "--probe", "--max-latency", "500ms", "a").status == 0


def test_model_not_probed_in_time_is_reported(run, serve, exported):
    exported(serve(answering(lambda _: [0.4, json_answer(completion("h"))], *"abcdef")))
    result = run("models", "check", "--probe", "-j", "1", "--max-time", "1s", "--json", "*")
    assert result.status == 28
    rows = json.loads(result.stdout)
    assert rows[0]["answered"] is True
    assert rows[-1]["answered"] is None
    assert "f was not probed: no time was left" in rows[-1]["error"]["message"]


def test_max_latency_requires_probe(run):
    result = run("models", "check", "--max-latency", "5s", "a")
    assert (result.status, result.stderr) == (
        2,
        "contextops: --max-latency requires --probe; add --probe\n",
    )


# Waiting


class LateServer:
    """A server that refuses connections, and answers on the same port after some seconds."""

    def __init__(self, answer, seconds):
        self._stack = ExitStack()
        self._placeholder = self._stack.enter_context(socket.socket())
        self._placeholder.bind(("127.0.0.1", 0))
        self._port = self._placeholder.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._answer = answer
        self._timer = threading.Timer(seconds, self._start)

    def _start(self):
        self._placeholder.close()
        self._stack.enter_context(Server(self._answer, at=self._port))

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.join()
        self._stack.close()


def test_wait_continues_until_server_is_up(run, exported):
    with LateServer(OpenWebUI(), 0.8) as server:
        exported(server)
        result = run("models", "check", "--wait", "20s", "ctx-small")
    assert (result.status, result.stdout) == (0, "ok ctx-small\n")
    assert result.stderr.startswith("contextops: note: waiting: cannot reach 127.0.0.1")
    # The note is printed once, not with every poll.
    assert result.stderr.count("\n") == 1


def test_wait_continues_until_model_is_listed(run, serve, exported):
    exported(serve(in_turn(http(502), listing("other"), listing("other", "mine"))))
    result = run("models", "check", "--wait", "20s", "mine")
    assert result.status == 0
    notes = result.stderr.splitlines()
    assert len(notes) == 2
    assert "502" in notes[0]
    assert "the server has no model mine" in notes[1]


def test_wait_continues_until_probe_passes(run, serve, exported):
    good = json_answer(completion("h"))
    server = exported(serve(in_turn(listing("a"), refusing, listing("a"), good)))
    assert run("models", "check", "--wait", "20s", "--probe", "a").status == 0
    assert len(server.requests) == 4


def test_expired_wait_has_status_of_last_poll(run, serve, exported):
    exported(serve(lambda _: listing("other")))
    begun = time.monotonic()
    result = run("models", "check", "--wait", "1200ms", "mine")
    assert (result.status, result.stdout) == (5, "missing mine\n")
    assert 0.5 < time.monotonic() - begun < 2.5


def test_poll_cut_short_by_wait_does_not_hide_missing_model(run, serve, exported):
    exported(serve(in_turn(listing("other"), [HOLD], [HOLD])))
    assert run("models", "check", "--wait", "1s", "mine").status == 5


def test_wait_limits_a_server_that_never_answers(run, exported, deaf, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", deaf)
    begun = time.monotonic()
    result = run("models", "check", "--wait", "1s", "a", "--connect-timeout", "0")
    assert result.status == 28
    assert time.monotonic() - begun < 2


def test_timeout_caused_by_wait_suggests_longer_wait(run, serve, exported):
    exported(serve(lambda _: [HOLD]))
    result = run("models", "check", "--wait", "1s", "a")
    assert result.status == 28
    assert result.stderr.endswith("; allow more with --wait\n")


def test_poll_has_a_second_however_short_the_wait(run, serve, exported):
    exported(serve(lambda _: [0.2, listing("a")]))
    assert run("models", "check", "--wait", "1ms", "a").status == 0


def test_refused_key_ends_wait_at_once(run, serve, exported):
    server = exported(serve(lambda _: detail("Not authenticated", 401)))
    assert run("models", "check", "--wait", "60s", "a").status == 4
    assert len(server.requests) == 1


def test_max_time_limits_each_poll(run, serve, exported):
    held = [[HOLD]]
    exported(serve(lambda _: held.pop() if held else listing("a")))
    assert run("models", "check", "--wait", "20s", "--max-time", "300ms", "a").status == 0


def test_quiet_drops_notes_of_wait(run, serve, exported):
    exported(serve(in_turn(http(502), listing("a"))))
    result = run("models", "check", "--wait", "20s", "-q", "a")
    assert (result.status, result.stderr) == (0, "")


def test_ctrl_c_ends_wait(command, serve, exported):
    server = exported(serve(lambda _: listing("other")))
    waiting = command.start("models", "check", "--wait", "60s", "mine")
    assert server.request_received.wait(10)
    waiting.stderr.readline()
    begun = time.monotonic()
    waiting.send_signal(2)
    assert waiting.wait(5) == -2
    assert time.monotonic() - begun < 1


def test_ctrl_c_ends_probe_of_slow_model(command, serve, exported):
    begun = threading.Event()

    def chat(_):
        begun.set()
        return [HOLD]

    exported(serve(answering(chat, "a", "b")))
    probing = command.start("models", "check", "--probe", "*")
    assert begun.wait(10)
    at = time.monotonic()
    probing.send_signal(2)
    assert probing.wait(5) == -2
    assert time.monotonic() - at < 1


# Output formats


def test_json_is_an_array_with_an_item_for_each(run, serve, exported):
    exported(serve(answering(lambda _: json_answer(completion("h")), "a")))
    result = run("models", "check", "--json", "--probe", "a", "aa")
    assert result.status == 5
    listed, missing = json.loads(result.stdout)
    assert listed.pop("latency_ms") >= 0
    assert listed == {"model": "a", "available": True, "answered": True, "error": None}
    error = missing.pop("error")
    assert missing == {"model": "aa", "available": False, "answered": None, "latency_ms": None}
    assert json.loads(result.stderr) == {"error": error}
    assert (error["code"], error["exit"]) == ("model_not_found", 5)


def test_json_has_null_for_unknown_values(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    result = run("models", "check", "--json", "a", "--retries", "0")
    assert result.status == 7
    (row,) = json.loads(result.stdout)
    assert (row["available"], row["answered"], row["error"]["code"]) == (None, None, "unreachable")


def test_junit_has_a_test_case_for_each_model(run, serve, exported):
    def chat(body):
        return refusing() if body["model"] == "broken" else json_answer(completion("h"))

    exported(serve(answering(chat, "good", "broken")))
    result = run("models", "check", "--format", "junit", "--probe", "good", "broken", "gone<&>")
    assert result.status == 5
    suite = ET.fromstring(result.stdout).find("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "2", "errors": "0", "skipped": "0"}
    assert [case.get("name") for case in suite] == ["good", "broken", "gone<&>"]
    assert suite[0].find("failure") is None
    assert suite[1].find("failure").get("type") == "server_error"
    assert "gone<&>" in suite[2].find("failure").get("message")


def test_junit_has_an_error_for_unknown_model(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    result = run("models", "check", "--format", "junit", "a", "--retries", "0")
    (case,) = ET.fromstring(result.stdout).iter("testcase")
    assert case.find("error").get("type") == "unreachable"


def test_junit_escapes_characters_that_xml_excludes(run, serve, exported):
    exported(serve(lambda _: listing("a\x1b[2J\x00\ufffe\u202eb")))
    result = run("models", "check", "--format", "junit", "a*")
    (case,) = ET.fromstring(result.stdout).iter("testcase")
    assert case.get("name") == "a^[[2J^@\\u{fffe}\\u{202e}b"


def test_github_report_has_annotations(run, serve, exported):
    exported(serve(lambda _: listing("a")))
    result = run("models", "check", "--format", "github", "a", "b:1,x%")
    assert result.status == 5
    assert result.stdout == (
        "ok a\n"
        "::error title=contextops models check%3A missing b%3A1%2Cx%25::"
        "the server has no model b:1,x%25; the server offers a\n"
    )


def test_id_cannot_inject_workflow_command(run, serve, exported):
    exported(serve(lambda _: listing("a\n::set-output name=x::y")))
    result = run("models", "check", "--format", "github", "a*")
    assert result.stdout == "ok a^J::set-output name=x::y\n"


def test_id_cannot_inject_old_workflow_command(run, serve, exported):
    exported(serve(lambda _: listing("a##[stop-commands]x")))
    result = run("models", "check", "--format", "github", "a*", "b")
    assert "##[" not in result.stdout


@pytest.mark.parametrize(
    "output_format", [(), ("--json",), ("--format", "junit"), ("--format", "github")]
)
def test_key_typed_as_name_is_masked(run, serve, exported, output_format):
    exported(serve(lambda _: listing(f"a-{KEY}")))
    result = run("models", "check", *output_format, "a*", KEY)
    assert result.status == 5
    assert KEY not in result.stdout + result.stderr


def test_unknown_format_is_a_usage_error(run):
    result = run("models", "check", "--format", "yaml", "a")
    assert result.status == 2
    assert "choose from junit, github" in result.stderr


def test_format_and_json_exclude_each_other(run):
    assert run("models", "check", "--format", "junit", "--json", "a").status == 2


def test_result_on_terminal_is_a_table(terminal, serve, exported):
    exported(serve(answering(lambda _: json_answer(completion("h")), "a")))
    child = terminal("models", "check", "--probe", "a", "zz")
    child.expect(r"MODEL +AVAILABLE +ANSWERED +LATENCY\r\n")
    child.expect(r"a +yes +yes +\d+ ms\r\n")
    child.expect(r"zz +no\r\n")
    child.expect_exact("contextops: the server has no model zz; the server offers a\r\n")
    child.expect(__import__("pexpect").EOF)
    child.close()
    assert child.exitstatus == 5


def test_wait_shows_one_line_on_terminal(terminal, serve, exported):
    polls = [listing("other"), listing("other"), listing("mine")]
    exported(serve(lambda _: polls.pop(0)))
    child = terminal("models", "check", "--wait", "20s", "mine")
    child.expect_exact("waiting: the server has no model mine")
    child.expect(r"mine +yes")
    child.expect(__import__("pexpect").EOF)
    # The line is cleared before the table is printed.
    assert "note" not in child.before
    child.close()
    assert child.exitstatus == 0
