"""What each slash command does to the conversation and the next message."""

from __future__ import annotations

import sys

import pytest

from contextops.config.template import Template
from contextops.errors import TimedOutError
from contextops.repl import arguments, slash_commands
from contextops.repl.dialogue import TemplateRequest
from repl_driver import answer, failing


def test_help_lists_every_command(repl, capfd):
    repl("/help")
    stderr = capfd.readouterr().err
    assert all(name in stderr for name in slash_commands.COMMANDS)


@pytest.mark.parametrize("entry", ["/exit now", "/clear nonsense", "/exit\nis pasted", "/undo 3"])
def test_argument_of_command_that_takes_none_is_refused(repl, entry, capfd):
    repl("one", entry, "two")
    assert repl.questions == ["one", "two"]
    assert capfd.readouterr().err.count("\n") == 1


# The model and its parameters -------------------------------------------------------------------


def test_model_not_listed_is_used_with_note(repl, capfd):
    repl("/model smal", "hi", "/model large", "hi")
    assert [request.model for request in repl.requests] == ["smal", "large"]
    stderr = capfd.readouterr().err
    assert stderr.count("does not list") == 1
    assert "did you mean small?" in stderr
    assert repl.reader.prompts[-1] == "work large> "


def test_model_is_used_where_server_cannot_list(repl):
    def models() -> list[str]:
        raise TimedOutError("timed out")

    repl.context.models, repl.context.listed = models, []
    repl("/model new", "hi")
    assert repl.requests[0].model == "new"


def test_without_model_nothing_is_asked(repl, capfd):
    repl.dialogue.model = None
    repl("hi", "/model large", "/retry")
    assert "no model chosen" in capfd.readouterr().err
    assert repl.reader.prompts[0] == "work (no model)> "
    assert [request.model for request in repl.requests] == ["large"]


def test_models_lists_ids_that_contain_argument(repl, capfd):
    repl("/models LAR")
    assert capfd.readouterr().err == "large\n"


def test_system_message_is_set_replaced_and_removed(repl, capfd):
    repl("/system Be terse.", "one", "/system Be kind.", "two", '/system ""', "three", "/system")
    systems = [
        [message["content"] for message in request.messages if message["role"] == "system"]
        for request in repl.requests
    ]
    assert systems == [["Be terse."], ["Be kind."], []]
    assert capfd.readouterr().err.endswith("system: none\n")


def test_parameters_are_set_listed_and_removed(repl, capfd):
    repl("/param temperature=0.5", "/param stop=x", "one", "/param stop=", "two", "/param")
    assert [request.params for request in repl.requests] == [
        {"temperature": 0.5, "stop": "x"},
        {"temperature": 0.5},
    ]
    assert capfd.readouterr().err.endswith("temperature = 0.5\n")


@pytest.mark.parametrize("entry", ["/param x", "/param =1", "/param model=x", "/param stream=true"])
def test_invalid_parameter_is_refused(repl, entry):
    assert repl(entry, is_person=False) == 2


# The next message -------------------------------------------------------------------------------


def test_files_and_images_are_sent_with_next_message(repl, tmp_path):
    (tmp_path / "a b.py").write_text("print(1)")
    (tmp_path / "i.gif").write_bytes(b"GIF89a")
    repl.model = lambda *_: answer("fine")
    repl(f"/file '{tmp_path}/a b.py'", f"/image {tmp_path}/i.gif", "what is it?", "and now?")
    text, image = repl.requests[0].messages[0]["content"]
    assert text["text"] == (
        f'what is it?\n\n<document path="{tmp_path}/a b.py">\nprint(1)\n</document>'
    )
    assert image["image_url"]["url"].startswith("data:image/gif;base64,")
    assert repl.requests[1].messages[-1]["content"] == "and now?"
    assert repl.reader.prompts == [f"work small{count}> " for count in ("", " +1", " +2", "", "")]


@pytest.mark.parametrize(
    ("entry", "status"),
    [("/file /no/such", 26), ("/file -", 2), ("/image /no/such", 26), ("/file ~nobody-here/x", 2)],
)
def test_unreadable_file_is_refused_at_once(repl, entry, status):
    assert repl(entry, is_person=False) == status


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("a'b'.txt", "{}"),
        ("back\\slash.txt", "{}"),
        ("'x'", "{}"),
        ("a b.txt", "'{}'"),
        ("a b.txt", "{}"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="names of POSIX")
def test_existing_path_is_taken_as_typed(repl, tmp_path, name, typed):
    (tmp_path / name).write_text("here")
    assert repl(f"/file {typed.format(tmp_path / name)}", "hi", is_person=False) == 0
    assert "here" in repl.questions[0]


def test_backslash_that_separates_folders_is_not_an_escape(repl, monkeypatch):
    monkeypatch.setattr(arguments.os, "sep", "\\")
    assert arguments.parse_path(r"C:\Users\me\a.txt") == r"C:\Users\me\a.txt"
    assert arguments.parse_path(r'"C:\Users\me too\a.txt"') == r"C:\Users\me too\a.txt"


def test_template_is_filled_with_next_message(repl):
    template = Template("commit", "A {style} message for: {input}", None, says_system=True)
    repl.context.request = TemplateRequest(template, {}, "large", "Write.", {"temperature": 0})
    repl("/template commit style='very short'", "the diff", "thanks")
    messages, model, params = repl.requests[0]
    assert messages == [
        {"role": "system", "content": "Write."},
        {"role": "user", "content": "A very short message for: the diff"},
    ]
    assert (model, params) == ("large", {"temperature": 0})
    # The template's settings were for one message.
    assert repl.requests[1].messages[0] == messages[1]
    assert repl.requests[1][1:] == ("small", {})


def test_complete_template_is_sent_by_enter(repl):
    template = Template("joke", "Tell a joke.", None, says_system=False)
    repl.context.request = TemplateRequest(template, {}, None, None, {})
    repl("/template joke", "")
    assert repl.questions == ["Tell a joke."]


@pytest.mark.parametrize("entry", ["commit", "commit x=1 style=2", "commit style", "commit 'x"])
def test_template_with_missing_or_unknown_field_is_refused(repl, entry, capfd):
    template = Template("commit", "{style} {input}", None, says_system=False)
    repl.context.request = TemplateRequest(template, {}, None, None, {})
    assert repl(f"/template {entry}", is_person=False) == 2
    assert "--var" not in capfd.readouterr().err


def test_edit_sends_edited_last_message(repl):
    repl("one", "/edit")
    assert repl.questions == ["one", "one, edited"]


def test_edit_sends_attachments_and_images_of_last_message(repl, tmp_path):
    (tmp_path / "a").write_text("added")
    (tmp_path / "i.gif").write_bytes(b"GIF89a")
    repl.model = lambda *_: answer("fine")
    repl(f"/image {tmp_path}/i.gif", "one", f"/file {tmp_path}/a", "/edit")
    text, image = repl.requests[1].messages[-1]["content"]
    assert text["text"].startswith("one, edited\n\n<document")
    assert "added" in text["text"]
    assert image == repl.requests[0].messages[0]["content"][1]
    assert not repl.dialogue.attachments


def test_edit_sends_nothing_where_text_is_unchanged(repl):
    repl.context.edit_text = lambda text: f"{text}\n"
    repl("one", "/edit")
    assert repl.questions == ["one"]


# Turns ------------------------------------------------------------------------------------------


def test_undo_removes_attachments_then_turns(repl, tmp_path, capfd):
    (tmp_path / "a").write_text("a")
    repl("one", "two", f"/file {tmp_path}/a", "/undo", "/undo", "three", "/undo", "/undo", "/undo")
    assert repl.questions == ["one", "three"]
    stderr = capfd.readouterr().err
    assert [line for line in stderr.splitlines() if line.startswith(("undone", "there"))] == [
        "undone: attachments and template of the next message",
        "undone: two",
        "undone: three",
        "undone: one",
        "there is no turn to undo",
    ]


def test_undo_after_failed_turn_leaves_turn_before_it(repl):
    repl("one")
    repl.model = failing(TimedOutError("timed out"))
    repl("two", "/undo")
    repl.model = lambda *_: answer("fine")
    repl("three")
    assert repl.questions == ["one", "three"]


def test_second_undo_after_failed_turn_removes_turn_before_it(repl):
    repl("one")
    repl.model = failing(TimedOutError("timed out"))
    repl("two", "/undo", "/undo")
    repl.model = lambda *_: answer("fine")
    repl("three")
    assert repl.questions == ["three"]


def test_retry_asks_last_question_of_another_model(repl):
    repl("one", "two", "/model large", "/retry", "three")
    assert repl.requests[2].model == "large"
    assert repl.questions == ["one", "two", "three"]


def test_retry_and_undo_without_turn_print_one_line_each(repl, capfd):
    repl("/retry", "/undo")
    assert capfd.readouterr().err.count("\n") == 2


def test_tokens_prints_usage_and_turns_it_on_and_off(repl, capfd):
    repl("/tokens", "one", "two", "/tokens", "/tokens on", "three", "/tokens off", "four")
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "no answer yet"
    assert lines[1:3] == [
        "usage: prompt 3, completion 2, total 5 tokens in 0.1 s",
        "all 2 answers: 10 tokens",
    ]
    assert len(lines) == 1 + 2 + 2 + 1 + 2


def test_clear_keeps_system_message(repl):
    repl("/system Be terse.", "one", "/clear", "two")
    contents = [message["content"] for message in repl.requests[1].messages]
    assert contents == ["Be terse.", "two"]
