"""Every command against real servers: installed Open WebUI, and llama.cpp's own server.

``pytest -m openwebui`` installs and starts them, and writes the results to RESULTS.md.
"""

from __future__ import annotations

import json

import pytest

from deployment import MODEL

pytestmark = pytest.mark.openwebui

ARENA = "arena-model"
SHORT = ("--max-tokens", "8", "-t", "0")
ENDLESS = ("--param", "ignore_eos=true")
"""Makes llama.cpp generate until its context is full, for about a minute."""
TERSE = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]
PNG_OF_ONE_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63f8ffff3f0005fe02fea735815d0000000049454e44ae426082"
)


def error_of(result):
    """Return the error of a command without output."""
    assert result.stdout == ""
    return only_line(result.stderr)


def only_line(stderr):
    """Return the error, which must be one line without a key."""
    assert stderr.startswith("contextops: ")
    assert stderr.count("\n") == 1
    assert "sk-" not in stderr
    return stderr


class SharedTests:
    """Tests for every server with this API, at every base URL."""

    models = (MODEL,)
    unknown_model = 5
    unnamed_model = 0

    def test_models_list_prints_every_model(self, run_recorded):
        result = run_recorded("models", "list")
        assert (result.status, result.stdout.splitlines(), result.stderr) == (0, [*self.models], "")
        first, *_ = json.loads(run_recorded("models", "list", "--json").stdout)
        assert (first["id"], first["object"]) == (MODEL, "model")

    def test_models_check_accepts_available_model(self, run_recorded):
        result = run_recorded("models", "check", MODEL)
        assert (result.status, result.stdout, result.stderr) == (0, f"ok {MODEL}\n", "")
        assert run_recorded("models", "check", "--probe", MODEL).status == 0

    def test_models_check_names_missing_model(self, run_recorded):
        result = run_recorded("models", "check", "smollm2-135m")
        assert (result.status, result.stdout) == (5, "missing smollm2-135m\n")
        assert f"did you mean {MODEL}?" in result.stderr

    def test_streamed_answer_is_printed(self, run_recorded):
        result = run_recorded("chat", "send", "-t", "0", "Say hello.")
        assert (result.status, result.stderr) == (0, "")
        assert result.stdout.strip()

    def test_unstreamed_answer_is_printed(self, run_recorded):
        result = run_recorded("chat", "send", "--no-stream", "-t", "0", "Say hello.")
        assert (result.status, result.stderr) == (0, "")
        assert result.stdout.strip()

    def test_piped_repl_answers_each_line(self, run_recorded):
        result = run_recorded("chat", "repl", "--max-tokens", "8", stdin="Say hello.\nAgain.\n")
        assert (result.status, result.stderr) == (0, "")
        assert len(result.stdout.strip().splitlines()) >= 2

    def test_streamed_and_unstreamed_documents_are_equal(self, run_recorded):
        streamed, unstreamed = (
            json.loads(
                run_recorded("chat", "send", "--json", *SHORT, stream_flag, "Say hello.").stdout
            )
            for stream_flag in ("--stream", "--no-stream")
        )
        for document in (streamed, unstreamed):
            assert document["object"] == "chat.completion"
            assert document["usage"]["completion_tokens"] == 8
            assert document["contextops"]["requested_model"] == MODEL
        assert streamed["choices"][0]["message"] == unstreamed["choices"][0]["message"]

    def test_json_lines_end_with_the_complete_answer(self, run_recorded):
        result = run_recorded("chat", "send", "--jsonl", *SHORT, "Say hello.")
        *deltas, done = map(json.loads, result.stdout.splitlines())
        assert result.status == 0
        text = "".join(delta["content"] for delta in deltas)
        assert done["response"]["choices"][0]["message"]["content"] == text

    def test_answer_matches_the_schema(self, run_recorded, tmp_path):
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps(TERSE))
        result = run_recorded("chat", "send", "-t", "0", "--schema", schema, "Give n as JSON.")
        assert (result.status, result.stderr) == (0, "")
        assert isinstance(json.loads(result.stdout)["n"], int)

    def test_prompt_larger_than_the_context_is_status_22(self, run_recorded):
        result = run_recorded("chat", "send", stdin="many words " * 5000)
        assert result.status == 22
        assert "context size" in error_of(result)

    def test_unsupported_image_is_status_50(self, run_recorded, tmp_path):
        image = tmp_path / "pixel.png"
        image.write_bytes(PNG_OF_ONE_PIXEL)
        result = run_recorded("chat", "send", "-i", image, "What is this?")
        assert result.status == 50
        assert "image input is not supported" in error_of(result)

    def test_unknown_model_in_a_request_has_expected_status(self, run_recorded):
        result = run_recorded("chat", "send", *SHORT, "-m", "smollm2-135m", "hi")
        assert result.status == self.unknown_model
        if result.status:
            assert f"did you mean {MODEL}?" in error_of(result)

    def test_missing_model_in_a_request_has_expected_status(self, run_recorded):
        result = run_recorded("chat", "send", *SHORT, "hi", env={"CONTEXTOPS_MODEL": None})
        assert result.status == self.unnamed_model
        if result.status:
            assert f"no model chosen; the server offers {', '.join(self.models)}" in error_of(
                result
            )

    def test_wrong_key_is_status_4(self, run_recorded):
        result = run_recorded(
            "chat", "send", *SHORT, "hi", env={"CONTEXTOPS_API_KEY": "sk-" + 32 * "0"}
        )
        assert result.status == 4
        assert "check the key" in error_of(result)

    def test_missing_key_is_status_4(self, run_recorded):
        result = run_recorded("chat", "send", *SHORT, "hi", env={"CONTEXTOPS_API_KEY": None})
        assert result.status == 4
        assert error_of(result)

    def test_max_time_ends_a_long_answer_with_status_28(self, run_recorded):
        result = run_recorded("chat", "send", *ENDLESS, "--max-time", "2s", "Tell a long story.")
        assert result.status == 28
        assert result.stdout.strip()


class TestOpenWebUI(SharedTests):
    place = "Open WebUI"
    models = (MODEL, ARENA)
    unnamed_model = 3

    @pytest.fixture(autouse=True)
    def _exported(self, openwebui, export):
        export(openwebui.admin)

    def test_config_check_finds_no_problem(self, run_recorded, openwebui):
        result = run_recorded("config", "check")
        assert (result.status, result.stderr) == (0, "")
        assert f"ok version {openwebui.version}" in result.stdout

    def test_refresh_lists_models_of_the_providers(self, run_recorded):
        assert run_recorded("models", "list", "--refresh").stdout.splitlines() == [MODEL, ARENA]

    def test_arena_model_answers(self, run_recorded):
        streamed, unstreamed = (
            json.loads(
                run_recorded(
                    "chat", "send", "--json", *SHORT, "-m", ARENA, stream_flag, "hi"
                ).stdout
            )
            for stream_flag in ("--stream", "--no-stream")
        )
        for document in (streamed, unstreamed):
            assert document["contextops"]["requested_model"] == ARENA
            assert document["choices"][0]["message"]["content"]

    def test_session_is_saved_and_continued(self, run_recorded):
        for words in ("My name is Ada.", "What is my name?"):
            assert run_recorded("chat", "send", "--session", "greeting", *SHORT, words).status == 0
        assert run_recorded("session", "list").stdout == "greeting\n"
        records = json.loads(run_recorded("session", "show", "--json", "greeting").stdout)
        roles = [line["role"] for line in records if "role" in line]
        assert roles == ["user", "assistant", "user", "assistant"]
        assert run_recorded("session", "rm", "greeting").status == 0

    def test_tools_are_sent_and_not_executed(self, run_recorded, tmp_path):
        tools = tmp_path / "tools.json"
        tools.write_text(json.dumps(TOOLS))
        result = run_recorded("chat", "send", *SHORT, "--tools", tools, "hi")
        assert (result.status, result.stderr) == (0, "")
        assert result.stdout.strip()

    def test_api_command_calls_other_endpoints(self, run_recorded, openwebui):
        result = run_recorded("api", "GET", "/api/version")
        assert json.loads(result.stdout)["version"] == openwebui.version
        entries = json.loads(run_recorded("api", "GET", "models").stdout)["data"]
        assert [entry["id"] for entry in entries] == [MODEL, ARENA]

    def test_api_command_uploads_a_file(self, run_recorded, tmp_path):
        notes = tmp_path / "notes.txt"
        notes.write_text("The sky is blue.")
        result = run_recorded("api", "POST", "/api/v1/files/", "-F", f"file=@{notes}")
        assert result.status == 0
        assert json.loads(result.stdout)["filename"] == "notes.txt"

    def test_unknown_path_is_status_8(self, run_recorded):
        for method in ("GET", "POST"):
            result = run_recorded("api", method, "nothing/there")
            assert result.status == 8
            assert "check" in error_of(result)

    def test_invalid_json_body_is_status_22(self, run_recorded):
        result = run_recorded("api", "POST", "chat/completions", "-d", "{")
        assert result.status == 22
        assert "JSON decode error" in error_of(result)

    def test_wrong_key_is_status_4_for_models_and_config_check(self, run_recorded):
        wrong = {"CONTEXTOPS_API_KEY": "sk-" + 32 * "0"}
        for words in (("models", "list"), ("models", "check", MODEL), ("config", "check")):
            result = run_recorded(*words, env=wrong)
            assert result.status == 4
            assert "check the key" in result.stderr

    def test_user_without_access_gets_no_models(self, run_recorded, openwebui, export):
        export(openwebui.user)
        listed = run_recorded("models", "list")
        assert (listed.status, listed.stdout) == (0, "")
        assert "private until an administrator grants access" in listed.stderr
        checked = run_recorded("models", "check", MODEL)
        assert checked.status == 5
        assert "the key is accepted" in checked.stderr
        chat_result = run_recorded("chat", "send", "hi")
        assert chat_result.status == 5
        assert "private" in error_of(chat_result)
        unnamed = run_recorded("chat", "send", "hi", env={"CONTEXTOPS_MODEL": None})
        assert unnamed.status == 3
        assert "private" in error_of(unnamed)

    def test_disabled_keys_are_status_4_with_the_setting(self, run_recorded, openwebui):
        openwebui.ready({"ENABLE_API_KEYS": "false"})
        for words in (("models", "list"), ("chat", "send", "hi"), ("config", "check")):
            result = run_recorded(*words)
            assert result.status == 4
            assert "ENABLE_API_KEYS" in result.stderr

    def test_killed_server_leaves_partial_answer_marked_incomplete(self, run_recorded, openwebui):
        running = run_recorded.start(
            "chat", "send", *ENDLESS, "--session", "story", "Tell a story."
        )
        openwebui.kill()
        result = running.end()
        assert result.status == 18
        assert result.stdout.startswith(running.first_output)
        assert only_line(result.stderr)
        records = json.loads(run_recorded("session", "show", "--json", "story").stdout)[-1]
        assert (records["complete"], records["content"]) == (
            False,
            result.stdout.removesuffix("\n"),
        )
        assert run_recorded("models", "list", "--retries", "0").status == 7

        openwebui.start()
        assert run_recorded.start("models", "check", "--wait", "60s", MODEL).end().status == 0
        assert run_recorded("chat", "send", *SHORT, "--session", "story", "Say hello.").status == 0

    def test_killed_provider_makes_the_answer_incomplete(self, run_recorded, openwebui, provider):
        # 0.12 reports the error in the stream; 0.6 ends the stream, and then answers null.
        status_of_truncated, status_without_provider = (
            (18, 8) if openwebui.version.startswith("0.6.") else (50, 50)
        )
        running = run_recorded.start("chat", "send", *ENDLESS, "Tell a story.")
        provider.kill()
        result = running.end()
        assert result.status == status_of_truncated
        assert result.stdout.startswith(running.first_output)
        assert only_line(result.stderr)
        assert (
            run_recorded("chat", "send", "--retries", "0", "hi").status == status_without_provider
        )


class TestBelowApiV1(SharedTests):
    place = "Open WebUI, base URL ending in /api/v1"
    models = (MODEL, ARENA)
    unnamed_model = 3

    @pytest.fixture(autouse=True)
    def _exported(self, openwebui, export):
        export(openwebui.admin._replace(base_url=f"{openwebui.url}/api/v1"))


class TestLlamaCpp(SharedTests):
    place = "llama.cpp, base URL ending in /v1"
    # It answers with its only model, whatever name is requested.
    unknown_model = 0

    @pytest.fixture(autouse=True)
    def _exported(self, llama_cpp, export):
        llama_cpp.ready()
        export(llama_cpp.access)
