"""Every command against real servers: Open WebUI as it is installed, and llama.cpp's own.

``pytest -m openwebui`` installs and starts them, and writes down what came of it (RESULTS.md).
"""

from __future__ import annotations

import json

import pytest

from deployment import MODEL

pytestmark = pytest.mark.openwebui

ARENA = "arena-model"
SHORT = ("--max-tokens", "8", "-t", "0")
ENDLESS = ("--param", "ignore_eos=true")
"""Have llama.cpp go on until its context is full: a minute."""
TERSE = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63f8ffff3f0005fe02fea735815d0000000049454e44ae426082"
)


def refused(told):
    """Give the one line of a command that has nothing else to say."""
    assert told.stdout == ""
    return only_line(told.stderr)


def only_line(stderr):
    """Give the one line that an error is."""
    assert stderr.startswith("contextops: ")
    assert stderr.count("\n") == 1
    assert "sk-" not in stderr
    return stderr


class Core:
    """What holds for every server that speaks this API, wherever that is."""

    models = (MODEL,)
    unknown_model = 5
    unnamed_model = 0

    def test_models_are_listed(self, ask):
        told = ask("models", "list")
        assert (told.status, told.stdout.splitlines(), told.stderr) == (0, [*self.models], "")
        first, *_ = json.loads(ask("models", "list", "--json").stdout)
        assert (first["id"], first["object"]) == (MODEL, "model")

    def test_a_model_is_checked(self, ask):
        told = ask("models", "check", MODEL)
        assert (told.status, told.stdout, told.stderr) == (0, f"ok {MODEL}\n", "")
        assert ask("models", "check", "--probe", MODEL).status == 0

    def test_a_missing_model_is_named(self, ask):
        told = ask("models", "check", "smollm2-135m")
        assert (told.status, told.stdout) == (5, "missing smollm2-135m\n")
        assert f"did you mean {MODEL}?" in told.stderr

    def test_an_answer_is_streamed(self, ask):
        told = ask("chat", "send", "-t", "0", "Say hello.")
        assert (told.status, told.stderr) == (0, "")
        assert told.stdout.strip()

    def test_an_answer_comes_at_once(self, ask):
        told = ask("chat", "send", "--no-stream", "-t", "0", "Say hello.")
        assert (told.status, told.stderr) == (0, "")
        assert told.stdout.strip()

    def test_a_conversation_in_a_pipe(self, ask):
        told = ask("chat", "repl", "--max-tokens", "8", stdin="Say hello.\nAgain.\n")
        assert (told.status, told.stderr) == (0, "")
        assert len(told.stdout.strip().splitlines()) >= 2

    def test_streamed_or_not_the_document_is_the_same(self, ask):
        streamed, whole = (
            json.loads(ask("chat", "send", "--json", *SHORT, form, "Say hello.").stdout)
            for form in ("--stream", "--no-stream")
        )
        for document in (streamed, whole):
            assert document["object"] == "chat.completion"
            assert document["usage"]["completion_tokens"] == 8
            assert document["contextops"]["requested_model"] == MODEL
        assert streamed["choices"][0]["message"] == whole["choices"][0]["message"]

    def test_events_end_with_the_whole(self, ask):
        told = ask("chat", "send", "--jsonl", *SHORT, "Say hello.")
        *deltas, done = map(json.loads, told.stdout.splitlines())
        assert told.status == 0
        text = "".join(delta["content"] for delta in deltas)
        assert done["response"]["choices"][0]["message"]["content"] == text

    def test_an_answer_fits_a_schema(self, ask, tmp_path):
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps(TERSE))
        told = ask("chat", "send", "-t", "0", "--schema", schema, "Give n as JSON.")
        assert (told.status, told.stderr) == (0, "")
        assert isinstance(json.loads(told.stdout)["n"], int)

    def test_what_does_not_fit_into_the_context_is_rejected(self, ask):
        told = ask("chat", "send", stdin="many words " * 5000)
        assert told.status == 22
        assert "context size" in refused(told)

    def test_an_image_is_refused_in_a_line(self, ask, tmp_path):
        image = tmp_path / "pixel.png"
        image.write_bytes(PIXEL)
        told = ask("chat", "send", "-i", image, "What is this?")
        assert told.status == 50
        assert "image input is not supported" in refused(told)

    def test_an_unknown_model_in_a_request(self, ask):
        told = ask("chat", "send", *SHORT, "-m", "smollm2-135m", "hi")
        assert told.status == self.unknown_model
        if told.status:
            assert f"did you mean {MODEL}?" in refused(told)

    def test_no_model_in_a_request(self, ask):
        told = ask("chat", "send", *SHORT, "hi", env={"CONTEXTOPS_MODEL": None})
        assert told.status == self.unnamed_model
        if told.status:
            assert f"no model chosen; the server offers {', '.join(self.models)}" in refused(told)

    def test_a_wrong_key_is_refused(self, ask):
        told = ask("chat", "send", *SHORT, "hi", env={"CONTEXTOPS_API_KEY": "sk-" + 32 * "0"})
        assert told.status == 4
        assert "check the key" in refused(told)

    def test_no_key_is_refused(self, ask):
        told = ask("chat", "send", *SHORT, "hi", env={"CONTEXTOPS_API_KEY": None})
        assert told.status == 4
        assert refused(told)

    def test_the_whole_time_is_limited(self, ask):
        told = ask("chat", "send", *ENDLESS, "--max-time", "2s", "Tell a long story.")
        assert told.status == 28
        assert told.stdout.strip()


class TestOpenWebUI(Core):
    place = "Open WebUI"
    models = (MODEL, ARENA)
    unnamed_model = 3

    @pytest.fixture(autouse=True)
    def _exported(self, openwebui, export):
        export(openwebui.admin)

    def test_the_doctor_finds_nothing(self, ask, openwebui):
        told = ask("config", "check")
        assert (told.status, told.stderr) == (0, "")
        assert f"ok version {openwebui.version}" in told.stdout

    def test_the_providers_are_asked_again(self, ask):
        assert ask("models", "list", "--refresh").stdout.splitlines() == [MODEL, ARENA]

    def test_the_arena_answers_with_some_model(self, ask):
        streamed, whole = (
            json.loads(ask("chat", "send", "--json", *SHORT, "-m", ARENA, form, "hi").stdout)
            for form in ("--stream", "--no-stream")
        )
        for document in (streamed, whole):
            assert document["contextops"]["requested_model"] == ARENA
            assert document["choices"][0]["message"]["content"]

    def test_a_conversation_is_kept_and_continued(self, ask):
        for words in ("My name is Ada.", "What is my name?"):
            assert ask("chat", "send", "--session", "talk", *SHORT, words).status == 0
        assert ask("session", "list").stdout == "talk\n"
        kept = json.loads(ask("session", "show", "--json", "talk").stdout)
        said = [line["role"] for line in kept if "role" in line]
        assert said == ["user", "assistant", "user", "assistant"]
        assert ask("session", "rm", "talk").status == 0

    def test_tools_are_offered_and_nothing_is_executed(self, ask, tmp_path):
        tools = tmp_path / "tools.json"
        tools.write_text(json.dumps(TOOLS))
        told = ask("chat", "send", *SHORT, "--tools", tools, "hi")
        assert (told.status, told.stderr) == (0, "")
        assert told.stdout.strip()

    def test_any_other_endpoint_is_called(self, ask, openwebui):
        told = ask("api", "GET", "/api/version")
        assert json.loads(told.stdout)["version"] == openwebui.version
        entries = json.loads(ask("api", "GET", "models").stdout)["data"]
        assert [entry["id"] for entry in entries] == [MODEL, ARENA]

    def test_a_file_is_uploaded(self, ask, tmp_path):
        notes = tmp_path / "notes.txt"
        notes.write_text("The sky is blue.")
        told = ask("api", "POST", "/api/v1/files/", "-F", f"file=@{notes}")
        assert told.status == 0
        assert json.loads(told.stdout)["filename"] == "notes.txt"

    def test_an_unknown_path_is_no_success(self, ask):
        for method in ("GET", "POST"):
            told = ask("api", method, "nothing/there")
            assert told.status == 8
            assert "check" in refused(told)

    def test_a_body_that_is_no_json_is_rejected(self, ask):
        told = ask("api", "POST", "chat/completions", "-d", "{")
        assert told.status == 22
        assert "JSON decode error" in refused(told)

    def test_a_wrong_key_lists_nothing(self, ask):
        wrong = {"CONTEXTOPS_API_KEY": "sk-" + 32 * "0"}
        for words in (("models", "list"), ("models", "check", MODEL), ("config", "check")):
            told = ask(*words, env=wrong)
            assert told.status == 4
            assert "check the key" in told.stderr

    def test_without_access_there_is_nothing(self, ask, openwebui, export):
        export(openwebui.user)
        listed = ask("models", "list")
        assert (listed.status, listed.stdout) == (0, "")
        assert "private until an administrator grants access" in listed.stderr
        checked = ask("models", "check", MODEL)
        assert checked.status == 5
        assert "the key is accepted" in checked.stderr
        sent = ask("chat", "send", "hi")
        assert sent.status == 5
        assert "private" in refused(sent)
        unnamed = ask("chat", "send", "hi", env={"CONTEXTOPS_MODEL": None})
        assert unnamed.status == 3
        assert "private" in refused(unnamed)

    def test_disabled_keys_name_who_can_enable_them(self, ask, openwebui):
        openwebui.ready({"ENABLE_API_KEYS": "false"})
        for words in (("models", "list"), ("chat", "send", "hi"), ("config", "check")):
            told = ask(*words)
            assert told.status == 4
            assert "ENABLE_API_KEYS" in told.stderr

    def test_a_server_that_dies_in_mid_answer_keeps_what_came(self, ask, openwebui):
        answer = ask.start("chat", "send", *ENDLESS, "--session", "story", "Tell a story.")
        openwebui.kill()
        told = answer.end()
        assert told.status == 18
        assert told.stdout.startswith(answer.begun)
        assert only_line(told.stderr)
        kept = json.loads(ask("session", "show", "--json", "story").stdout)[-1]
        assert (kept["complete"], kept["content"]) == (False, told.stdout.removesuffix("\n"))
        assert ask("models", "list", "--retries", "0").status == 7

        openwebui.start()
        assert ask.start("models", "check", "--wait", "60s", MODEL).end().status == 0
        assert ask("chat", "send", *SHORT, "--session", "story", "Say hello.").status == 0

    def test_a_provider_that_dies_in_mid_answer_is_no_end(self, ask, openwebui, provider):
        # 0.12 says so in the stream; 0.6 ends it as if nothing had happened, and then answers null.
        cut, gone = (18, 8) if openwebui.version.startswith("0.6.") else (50, 50)
        answer = ask.start("chat", "send", *ENDLESS, "Tell a story.")
        provider.kill()
        told = answer.end()
        assert told.status == cut
        assert told.stdout.startswith(answer.begun)
        assert only_line(told.stderr)
        assert ask("chat", "send", "--retries", "0", "hi").status == gone


class TestBelowApiV1(Core):
    place = "Open WebUI, base URL ending in /api/v1"
    models = (MODEL, ARENA)
    unnamed_model = 3

    @pytest.fixture(autouse=True)
    def _exported(self, openwebui, export):
        export(openwebui.admin._replace(base_url=f"{openwebui.url}/api/v1"))


class TestLlamaCpp(Core):
    place = "llama.cpp, base URL ending in /v1"
    # It answers with the model that it has, whatever the name.
    unknown_model = 0

    @pytest.fixture(autouse=True)
    def _exported(self, llama_cpp, export):
        llama_cpp.ready()
        export(llama_cpp.access)
