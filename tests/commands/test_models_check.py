"""``contextops models check``: whether models are there and answer, for scripts and CI servers."""

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
    """List these models, and answer with ``chat``, a function of a request's body."""

    def answer(request):
        return listing(*ids) if request.method == "GET" else chat(request.json())

    return answer


def refusing(*_):
    return detail("the model is on fire", 500)


# What is there


@pytest.mark.parametrize("server", [*map(OpenWebUI, VERSIONS)], ids=VERSIONS)
def test_what_is_there_is_ok(run, serve, exported, server):
    exported(serve(server))
    told = run("models", "check", "ctx-large", "ctx-small")
    assert (told.status, told.stdout, told.stderr) == (0, "ok ctx-large\nok ctx-small\n", "")


def test_the_bare_array_of_the_reference_is_read_too(run, serve, exported):
    exported(serve(Reference()))
    assert run("models", "check", "llama3.1").status == 0


def test_without_a_name_it_is_the_model_of_the_profile(run, serve, exported):
    exported(serve(OpenWebUI()), model="ctx-large")
    assert run("models", "check").stdout == "ok ctx-large\n"


def test_without_any_it_is_the_only_one(run, serve, exported):
    exported(serve(OpenWebUI(models=["single"])), model=None)
    assert run("models", "check").stdout == "ok single\n"


def test_without_any_and_more_than_one_somebody_must_choose(run, serve, exported):
    exported(serve(OpenWebUI()), model=None)
    told = run("models", "check")
    assert (told.status, told.stdout) == (3, "")
    offer = "no model chosen; the server offers ctx-small, ctx-large; name those to check"
    assert offer in told.stderr
    assert run("models", "check", "--format", "junit").stdout.count("<testcase") == 1


def test_an_empty_name_is_a_slip_of_the_script(run):
    told = run("models", "check", "")
    assert (told.status, told.stdout) == (2, "")
    assert told.stderr == ("contextops: the name of a model is empty; leave it out, or name one\n")


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
    told = run("models", "check", *names)
    assert (told.status, told.stdout.splitlines()) == (status, rows)


def test_an_id_with_the_signs_of_a_glob_is_itself(run, serve, exported):
    exported(serve(lambda _: listing("a[b]*", "ab")))
    assert run("models", "check", "a[b]*").stdout == "ok a[b]*\n"


# What is missing


TWO = (
    "2 models are missing: ctx-smal (did you mean ctx-small?), zzz; "
    "list the available ones with 'contextops models list'"
)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["ctx-smal"], "the server has no model ctx-smal; did you mean ctx-small?"),
        (["CTX-LARGE"], "the server has no model CTX-LARGE; did you mean ctx-large?"),
        (["zzz"], "the server has no model zzz; the server offers ctx-small, ctx-large"),
        (["z*"], "the server has no model z*; the server offers ctx-small, ctx-large"),
        (["ctx-smal", "ctx-small", "zzz"], TWO),
    ],
)
def test_what_is_missing_is_named_in_one_line_with_the_nearest(run, serve, exported, names, told):
    exported(serve(OpenWebUI()))
    result = run("models", "check", *names)
    assert (result.status, result.stderr) == (5, f"contextops: {told}\n")


NOTHING = (
    "it lists none; the key is accepted, but they are private until an administrator grants access"
)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a"], f"the server has no model a: {NOTHING}"),
        (["a", "b"], f"2 models are missing: a, b; {NOTHING}"),
        ([], f"the server has no models: {NOTHING}"),
    ],
)
def test_an_empty_list_with_a_good_key_is_explained(run, serve, exported, names, told):
    exported(serve(lambda _: listing()), model=None)
    result = run("models", "check", *names)
    assert (result.status, result.stderr) == (5, f"contextops: {told}\n")


def test_many_that_are_missing_are_counted(run, serve, exported):
    exported(serve(OpenWebUI()))
    told = run("models", "check", *(f"m{number}" for number in range(300)))
    assert (told.status, told.stdout.count("missing ")) == (5, 300)
    assert told.stderr.startswith("contextops: 300 models are missing: m0, m1, ")
    assert "and 290 more, listed on stdout" in told.stderr


def test_a_name_given_twice_is_one_row(run, serve, exported):
    exported(serve(lambda _: http(502)))
    assert run("models", "check", "a", "a").stdout == "unknown a server_error\n"


def test_the_model_of_a_profile_is_no_glob(run, serve, exported):
    exported(serve(OpenWebUI()), model="ctx-*")
    assert run("models", "check").status == 5


def test_ten_thousand_ids_cost_little_more_than_their_list(run, serve, exported):
    """Comparing every name with every id well took 4.6 s for each name."""
    ids = [f"provider-{number % 7}/model-{number:05}-instruct" for number in range(10_000)]
    exported(serve(lambda _: listing(*ids)))
    begun = time.process_time()
    told = run("models", "check", "provider-3/modl-00042-instruct", *map(str, range(50)))
    assert time.process_time() - begun < 10
    assert "did you mean provider-" in told.stderr


def test_refresh_has_the_server_ask_its_providers_again(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("models", "check", "--refresh", "ctx-small").status == 0
    assert server.request.target == "/api/models?refresh=true"


# What cannot be told


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
def test_missing_is_told_from_cannot_tell(run, serve, exported, answer, status, code):
    exported(serve(lambda _: answer))
    told = run("models", "check", "a", "b")
    assert (told.status, told.stdout) == (status, f"unknown a {code}\nunknown b {code}\n")
    assert told.stderr.count("\n") == 1
    assert KEY not in told.stdout + told.stderr


def test_nobody_there_is_7(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    told = run("models", "check", "a", "--retries", "0")
    assert (told.status, told.stdout) == (7, "unknown a unreachable\n")


def test_a_list_that_is_too_slow_is_28(run, serve, exported):
    exported(serve(lambda _: [0.6, listing("a")]))
    assert run("models", "check", "a", "--max-time", "300ms").status == 28


def test_a_list_that_is_slow_and_comes_is_a_list(run, serve, exported):
    exported(serve(lambda _: [0.3, listing("a")]))
    assert run("models", "check", "a", "--max-time", "10s").status == 0


def test_a_certificate_that_nobody_knows_is_60(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server()))
    assert run("models", "check", "ctx-small").status == 60


# Whether they answer


def test_probe_has_every_model_say_one_token(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    told = run("models", "check", "--probe", "ctx-*")
    assert told.status == 0
    rows = [line.split() for line in told.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["ok", "ctx-small"], ["ok", "ctx-large"]]
    assert all(row[2].removesuffix("ms").isdigit() for row in rows)
    asked = [request.json() for request in server.requests if request.method == "POST"]
    assert {body["model"] for body in asked} == {"ctx-small", "ctx-large"}
    assert all(body["max_tokens"] == 1 and body["stream"] is False for body in asked)


def test_a_stream_to_a_probe_is_an_answer_too(run, serve, exported):
    exported(serve(answering(lambda _: stream(*reply("hello", finish="length")), "a")))
    assert run("models", "check", "--probe", "a").status == 0


@pytest.mark.parametrize("text", ["", None])
@pytest.mark.parametrize("finish", ["length", "stop", "content_filter"])
def test_a_model_that_only_thinks_within_a_token_has_answered(run, serve, exported, text, finish):
    exported(serve(answering(lambda _: json_answer(completion(text, finish=finish)), "a")))
    assert run("models", "check", "--probe", "a").status == 0


def test_a_model_that_knows_the_limit_by_another_name_is_asked_so(run, serve, exported):
    def chat(body):
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return json_answer({"error": {"message": message}}, 400)
        assert body["max_completion_tokens"] == 16
        return json_answer(completion("h", finish="length"))

    server = exported(serve(answering(chat, "o9")))
    assert run("models", "check", "--probe", "o9").status == 0
    assert len(server.requests) == 3


def test_a_list_that_lies_is_found_out(run, serve, exported):
    def chat(body):
        return refusing() if body["model"] == "liar" else json_answer(completion("h"))

    exported(serve(answering(chat, "good", "liar")))
    assert run("models", "check", "good", "liar").status == 0
    told = run("models", "check", "--probe", "good", "liar")
    assert told.status == 50
    assert told.stdout.splitlines()[1] == "failed liar server_error"
    assert told.stderr == (
        "contextops: liar does not answer: the server failed (500): the model is on fire; "
        "try later\n"
    )


def test_a_model_that_is_listed_and_not_offered_is_not_offered_instead(run, serve, exported):
    exported(serve(answering(lambda _: detail("Model not found", 400), "a", "b")))
    told = run("models", "check", "--probe", "a")
    assert told.status == 5
    told_so = (
        "it is listed, however: try 'contextops models list --refresh'; the server offers a, b"
    )
    assert told_so in told.stderr


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
def test_what_is_listed_and_does_not_answer_has_its_failures_status(
    run, serve, exported, chat, status
):
    exported(serve(answering(chat, "a")))
    told = run("models", "check", "--probe", "a", "--max-time", "1s")
    assert told.status == status
    assert told.stdout.startswith("failed a ")
    assert told.stderr.startswith("contextops: a does not answer: ")
    assert told.stderr.count("\n") == 1


def test_missing_comes_before_what_fails(run, serve, exported):
    exported(serve(answering(refusing, "a")))
    told = run("models", "check", "--probe", "a", "b")
    assert (told.status, told.stdout) == (5, "failed a server_error\nmissing b\n")


def test_several_that_fail_are_one_line(run, serve, exported):
    exported(serve(answering(refusing, "a", "b", "c")))
    told = run("models", "check", "--probe", "*")
    assert told.status == 50
    assert told.stderr.startswith("contextops: 3 models failed, the first: a does not answer: ")
    assert told.stderr.count("\n") == 1


def test_a_server_that_goes_down_after_its_list_is_unreachable(run, serve, exported):
    exported(serve(in_turn(listing("a"), [CLOSE])))
    assert run("models", "check", "--probe", "a").status == 7


@pytest.mark.parametrize(("jobs", "most"), [("1", 1), ("3", 3)])
def test_so_many_are_probed_at_a_time(run, serve, exported, jobs, most):
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
    told = run("models", "check", "--probe", "-j", jobs, "*")
    assert (told.status, seen[0]) == (0, most)
    # In the order of the list, whichever was quicker.
    assert [line.split()[1] for line in told.stdout.splitlines()] == list("abcdef")


def test_slowness_is_a_failure_where_a_limit_is_given(run, serve, exported):
    exported(serve(answering(lambda _: [0.3, json_answer(completion("h"))], "a")))
    assert run("models", "check", "--probe", "--max-latency", "20s", "a").status == 0
    told = run("models", "check", "--probe", "--max-latency", "100ms", "a")
    assert told.status == 28
    state, name, latency = told.stdout.split()
    assert (state, name) == ("slow", "a")
    assert int(latency.removesuffix("ms")) >= 300
    assert "contextops: a is slow: it took " in told.stderr
    assert "the limit is 100 ms" in told.stderr


@pytest.mark.parametrize(
    "slow_before",
    [
        http(503, {"retry-after-ms": "500"}),
        [0.5, json_answer({"error": {"message": "no max_tokens here"}}, 400)],
    ],
    ids=["retry", "other limit"],
)
def test_latency_is_that_of_the_attempt_that_succeeded(run, serve, exported, slow_before):
    exported(serve(in_turn(listing("a"), slow_before, json_answer(completion("h")))))
    told = run("models", "check", "--probe", "--max-latency", "400ms", "--retries", "1", "a")
    assert told.status == 0


def test_latency_ends_with_the_first_word_of_a_stream(run, serve, exported):
    exported(serve(answering(lambda _: stream(chunk("h"), 0.6, chunk(finish="stop"), DONE), "a")))
    assert run("models", "check", "--probe", "--max-latency", "500ms", "a").status == 0


def test_what_there_was_no_time_to_ask_is_told_so(run, serve, exported):
    exported(serve(answering(lambda _: [0.4, json_answer(completion("h"))], *"abcdef")))
    told = run("models", "check", "--probe", "-j", "1", "--max-time", "1s", "--json", "*")
    assert told.status == 28
    rows = json.loads(told.stdout)
    assert rows[0]["answered"] is True
    assert rows[-1]["answered"] is None
    assert "f was not probed: no time was left" in rows[-1]["error"]["message"]


def test_a_limit_to_latency_goes_with_a_probe(run):
    told = run("models", "check", "--max-latency", "5s", "a")
    assert (told.status, told.stderr) == (
        2,
        "contextops: --max-latency goes with --probe; add --probe\n",
    )


# Until it is so


class Late:
    """Refuse connections on a port, and answer there after some seconds."""

    def __init__(self, answer, seconds):
        self._stack = ExitStack()
        self._taken = self._stack.enter_context(socket.socket())
        self._taken.bind(("127.0.0.1", 0))
        self._port = self._taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._answer = answer
        self._timer = threading.Timer(seconds, self._start)

    def _start(self):
        self._taken.close()
        self._stack.enter_context(Server(self._answer, at=self._port))

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.join()
        self._stack.close()


def test_wait_outlives_a_server_that_comes_up_late(run, exported):
    with Late(OpenWebUI(), 0.8) as server:
        exported(server)
        told = run("models", "check", "--wait", "20s", "ctx-small")
    assert (told.status, told.stdout) == (0, "ok ctx-small\n")
    assert told.stderr.startswith("contextops: note: waiting: cannot reach 127.0.0.1")
    # What is waited for is told once, not at every poll.
    assert told.stderr.count("\n") == 1


def test_wait_outlives_a_gateway_and_a_model_that_is_not_there_yet(run, serve, exported):
    exported(serve(in_turn(http(502), listing("other"), listing("other", "mine"))))
    told = run("models", "check", "--wait", "20s", "mine")
    assert told.status == 0
    notes = told.stderr.splitlines()
    assert len(notes) == 2
    assert "502" in notes[0]
    assert "the server has no model mine" in notes[1]


def test_wait_outlives_a_list_that_lies(run, serve, exported):
    good = json_answer(completion("h"))
    server = exported(serve(in_turn(listing("a"), refusing, listing("a"), good)))
    assert run("models", "check", "--wait", "20s", "--probe", "a").status == 0
    assert len(server.requests) == 4


def test_wait_is_over_with_the_last_polls_status(run, serve, exported):
    exported(serve(lambda _: listing("other")))
    begun = time.monotonic()
    told = run("models", "check", "--wait", "1200ms", "mine")
    assert (told.status, told.stdout) == (5, "missing mine\n")
    assert 0.5 < time.monotonic() - begun < 2.5


def test_a_poll_that_the_end_cuts_does_not_hide_what_the_last_one_found(run, serve, exported):
    exported(serve(in_turn(listing("other"), [HOLD], [HOLD])))
    assert run("models", "check", "--wait", "1s", "mine").status == 5


def test_a_server_that_never_answers_is_not_waited_for_longer(run, exported, deaf, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", deaf)
    begun = time.monotonic()
    told = run("models", "check", "--wait", "1s", "a", "--connect-timeout", "0")
    assert told.status == 28
    assert time.monotonic() - begun < 2


def test_a_wait_that_was_too_short_says_so(run, serve, exported):
    exported(serve(lambda _: [HOLD]))
    told = run("models", "check", "--wait", "1s", "a")
    assert told.status == 28
    assert told.stderr.endswith("; allow more with --wait\n")


def test_however_short_the_wait_a_poll_is_a_poll(run, serve, exported):
    exported(serve(lambda _: [0.2, listing("a")]))
    assert run("models", "check", "--wait", "1ms", "a").status == 0


def test_a_wrong_key_ends_the_wait_at_once(run, serve, exported):
    server = exported(serve(lambda _: detail("Not authenticated", 401)))
    assert run("models", "check", "--wait", "60s", "a").status == 4
    assert len(server.requests) == 1


def test_each_poll_has_max_time_for_itself(run, serve, exported):
    held = [[HOLD]]
    exported(serve(lambda _: held.pop() if held else listing("a")))
    assert run("models", "check", "--wait", "20s", "--max-time", "300ms", "a").status == 0


def test_q_drops_the_notes_of_a_wait(run, serve, exported):
    exported(serve(in_turn(http(502), listing("a"))))
    told = run("models", "check", "--wait", "20s", "-q", "a")
    assert (told.status, told.stderr) == (0, "")


def test_ctrl_c_ends_a_wait(command, serve, exported):
    server = exported(serve(lambda _: listing("other")))
    waiting = command.start("models", "check", "--wait", "60s", "mine")
    assert server.request_received.wait(10)
    waiting.stderr.readline()
    begun = time.monotonic()
    waiting.send_signal(2)
    assert waiting.wait(5) == -2
    assert time.monotonic() - begun < 1


def test_ctrl_c_does_not_wait_for_the_slowest_model(command, serve, exported):
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


# The forms


def test_json_is_an_array_with_a_row_for_each(run, serve, exported):
    exported(serve(answering(lambda _: json_answer(completion("h")), "a")))
    told = run("models", "check", "--json", "--probe", "a", "aa")
    assert told.status == 5
    there, missing = json.loads(told.stdout)
    assert there.pop("latency_ms") >= 0
    assert there == {"model": "a", "available": True, "answered": True, "error": None}
    error = missing.pop("error")
    assert missing == {"model": "aa", "available": False, "answered": None, "latency_ms": None}
    assert json.loads(told.stderr) == {"error": error}
    assert (error["code"], error["exit"]) == ("model_not_found", 5)


def test_json_tells_what_it_cannot_tell(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    told = run("models", "check", "--json", "a", "--retries", "0")
    assert told.status == 7
    (row,) = json.loads(told.stdout)
    assert (row["available"], row["answered"], row["error"]["code"]) == (None, None, "unreachable")


def test_junit_is_what_ci_servers_draw(run, serve, exported):
    def chat(body):
        return refusing() if body["model"] == "liar" else json_answer(completion("h"))

    exported(serve(answering(chat, "good", "liar")))
    told = run("models", "check", "--format", "junit", "--probe", "good", "liar", "gone<&>")
    assert told.status == 5
    suite = ET.fromstring(told.stdout).find("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "2", "errors": "0", "skipped": "0"}
    assert [case.get("name") for case in suite] == ["good", "liar", "gone<&>"]
    assert suite[0].find("failure") is None
    assert suite[1].find("failure").get("type") == "server_error"
    assert "gone<&>" in suite[2].find("failure").get("message")


def test_junit_has_an_error_for_what_cannot_be_told(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    told = run("models", "check", "--format", "junit", "a", "--retries", "0")
    (case,) = ET.fromstring(told.stdout).iter("testcase")
    assert case.find("error").get("type") == "unreachable"


def test_junit_survives_names_that_xml_cannot_hold(run, serve, exported):
    exported(serve(lambda _: listing("a\x1b[2J\x00\ufffe\u202eb")))
    told = run("models", "check", "--format", "junit", "a*")
    (case,) = ET.fromstring(told.stdout).iter("testcase")
    assert case.get("name") == "a^[[2J^@\\u{fffe}\\u{202e}b"


def test_github_gets_annotations(run, serve, exported):
    exported(serve(lambda _: listing("a")))
    told = run("models", "check", "--format", "github", "a", "b:1,x%")
    assert told.status == 5
    assert told.stdout == (
        "ok a\n"
        "::error title=contextops models check%3A missing b%3A1%2Cx%25::"
        "the server has no model b:1,x%25; the server offers a\n"
    )


def test_an_id_cannot_write_a_workflow_command(run, serve, exported):
    exported(serve(lambda _: listing("a\n::set-output name=x::y")))
    told = run("models", "check", "--format", "github", "a*")
    assert told.stdout == "ok a^J::set-output name=x::y\n"


def test_nor_in_the_older_form_that_stands_anywhere(run, serve, exported):
    exported(serve(lambda _: listing("a##[stop-commands]x")))
    told = run("models", "check", "--format", "github", "a*", "b")
    assert "##[" not in told.stdout


@pytest.mark.parametrize("form", [(), ("--json",), ("--format", "junit"), ("--format", "github")])
def test_a_key_that_stands_where_a_name_should_is_no_name(run, serve, exported, form):
    exported(serve(lambda _: listing(f"a-{KEY}")))
    told = run("models", "check", *form, "a*", KEY)
    assert told.status == 5
    assert KEY not in told.stdout + told.stderr


def test_a_format_that_there_is_not_is_a_usage_error(run):
    told = run("models", "check", "--format", "yaml", "a")
    assert told.status == 2
    assert "choose from junit, github" in told.stderr


def test_two_formats_exclude_each_other(run):
    assert run("models", "check", "--format", "junit", "--json", "a").status == 2


def test_a_table_on_a_terminal(terminal, serve, exported):
    exported(serve(answering(lambda _: json_answer(completion("h")), "a")))
    shown = terminal("models", "check", "--probe", "a", "zz")
    shown.expect(r"MODEL +AVAILABLE +ANSWERED +LATENCY\r\n")
    shown.expect(r"a +yes +yes +\d+ ms\r\n")
    shown.expect(r"zz +no\r\n")
    shown.expect_exact("contextops: the server has no model zz; the server offers a\r\n")
    shown.expect(__import__("pexpect").EOF)
    shown.close()
    assert shown.exitstatus == 5


def test_a_wait_is_one_line_on_a_terminal(terminal, serve, exported):
    polls = [listing("other"), listing("other"), listing("mine")]
    exported(serve(lambda _: polls.pop(0)))
    shown = terminal("models", "check", "--wait", "20s", "mine")
    shown.expect_exact("waiting: the server has no model mine")
    shown.expect(r"mine +yes")
    shown.expect(__import__("pexpect").EOF)
    # The line is taken back before the table: nothing of it scrolled.
    assert "note" not in shown.before
    shown.close()
    assert shown.exitstatus == 0
