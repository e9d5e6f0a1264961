"""A conversation without a server: the model is a function, and what is entered is a list."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contextops import files
from contextops.api.stream import Done, Text
from contextops.chat import render, session
from contextops.chat.inputs import InputReader
from contextops.chat.session import Conversation
from contextops.config import Template
from contextops.errors import (
    InputError,
    ModelNotFoundError,
    OutputError,
    ServerError,
    SignalInterrupt,
    TimedOutError,
)
from contextops.output import Printer, StdoutError
from contextops.repl import slash_commands
from contextops.repl.dialogue import Dialogue, TemplateRequest
from contextops.repl.loop import Repl
from deaths import SIGNALS

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def whole(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    about = {"complete": True, "total_ms": 100}
    return {"choices": [choice], "usage": USAGE, "contextops": about}


def answer(*words: str) -> Iterator[Any]:
    yield from map(Text, words)
    yield Done(whole("".join(words)))


class Around:
    """What commands need, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = InputReader(limit=1000, note=print)
        self.listed = ["small", "large"]
        self.form = TemplateRequest(
            Template("none", "", None, says_system=False), {}, None, None, {}
        )

    def models(self) -> list[str]:
        return self.listed

    def models_by_now(self) -> list[str]:
        return self.listed

    def template_names(self) -> list[str]:
        return ["commit"]

    def template(self, _name: str) -> TemplateRequest:
        return self.form

    def edited(self, text: str) -> str:
        return f"{text}, edited\n"


class Entries:
    """Give what is entered; a function is called, an error is raised."""

    def __init__(self, entries: tuple[Any, ...], *, is_person: bool) -> None:
        self._entries = iter(entries)
        self.is_person = is_person
        self.prompts: list[str] = []

    def read(self, prompt: str) -> str:
        self.prompts.append(prompt)
        entry = next(self._entries, EOFError())
        if isinstance(entry, BaseException):
            raise entry
        return str(entry)


class Talk:
    """Have a conversation and see what was asked, shown and kept."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[list[Any], str, dict[str, Any]]] = []
        self.answers = lambda messages, *_: answer("echo ", messages[-1]["content"])
        self.around = Around(folder)
        self.dialogue = Dialogue(
            self._ask,
            Conversation(),
            model="small",
            params={},
            printer=Printer(),
            deliver=render.render_text,
        )

    def _ask(self, messages: Any, model: str, params: Any) -> Iterator[Any]:
        self.asked.append((list(messages), model, dict(params)))
        return self.answers(messages, model, params)

    def __call__(self, *entries: Any, is_person: bool = True, fail_fast: bool = False) -> int:
        self.reader = Entries(entries, is_person=is_person)
        loop = Repl(self.dialogue, self.around, self.reader, profile="work", fail_fast=fail_fast)
        return loop.run()

    @property
    def prompts(self) -> list[str]:
        """Give what the user said in the last request."""
        return [said["content"] for said in self.asked[-1][0] if said["role"] == "user"]


@pytest.fixture
def talk(tmp_path) -> Talk:
    return Talk(tmp_path)


def raising(error: BaseException, *words: str) -> Any:
    def ask(*_: Any) -> Iterator[Any]:
        yield from map(Text, words)
        raise error

    return ask


# Turns ------------------------------------------------------------------------------------------


def test_a_conversation_is_a_function_from_messages_to_pieces(talk, capfd):
    assert talk("one", "two") == 0
    assert talk.asked[1][0] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "echo one"},
        {"role": "user", "content": "two"},
    ]
    assert capfd.readouterr().out == "echo one\necho two\n"
    assert talk.reader.prompts == ["work small> "] * 3


@pytest.mark.parametrize("entry", ["", "  ", "\n"])
def test_nothing_is_not_sent(talk, entry):
    talk(entry)
    assert talk.asked == []


def test_two_slashes_send_one(talk):
    talk("//etc/passwd: what is it?", "//", " //x")
    assert talk.prompts == ["/etc/passwd: what is it?", "/", " /x"]


def test_a_blank_before_a_command_does_not_send_it(talk):
    talk(" /exit", "one")
    assert talk.asked == []


@pytest.mark.parametrize("entry", ["/etc/passwd", "/", "/ help", "/HELP", "/modl", " /etc"])
def test_nothing_with_a_slash_is_sent_by_mistake(talk, entry, capfd):
    assert talk(entry) == 0
    assert talk.asked == []
    assert "is no command" in capfd.readouterr().err


def test_an_unknown_command_names_the_nearest(talk, capfd):
    talk("/modl")
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert "did you mean /model?" in told
    assert "//" in told


def test_an_error_is_one_line_and_the_turn_is_taken_back(talk, capfd):
    talk.answers = raising(ServerError("it broke", "truly"), "a part")
    assert talk("one") == 0
    told = capfd.readouterr()
    assert told.out == "a part\n"
    assert told.err == "contextops: it broke: truly; /retry asks again\n"
    talk.answers = lambda *_: answer("fine")
    talk("two")
    assert talk.prompts == ["two"]


def test_what_failed_is_asked_again_on_demand(talk):
    talk.answers = raising(TimedOutError("timed out"))
    talk("one")
    talk.answers = lambda *_: answer("fine")
    talk("/retry", "two")
    assert [asked[0][-1]["content"] for asked in talk.asked] == ["one", "one", "two"]
    assert talk.prompts == ["one", "two"]


def test_only_a_turn_is_offered_again(talk, capfd):
    talk.answers = raising(TimedOutError("timed out"))
    talk("one", "/file nothing.txt")
    assert "/retry" not in capfd.readouterr().err.splitlines()[1]


@pytest.mark.parametrize("death", [KeyboardInterrupt(), SignalInterrupt(signal.SIGINT)])
def test_ctrl_c_stops_the_answer_and_not_the_conversation(talk, capfd, death):
    talk.answers = raising(death, "a part")
    assert talk("one") == 0
    assert capfd.readouterr().out == "a part\n"
    talk.answers = lambda *_: answer("fine")
    talk("two")
    assert talk.prompts == ["two"]


def test_a_real_signal_stops_the_answer(talk):
    def ask(*_: Any) -> Iterator[Any]:
        yield Text("a ")
        signal.raise_signal(signal.SIGINT)
        yield Text("never")

    talk.answers = ask
    before = signal.getsignal(signal.SIGINT)
    assert talk("one", "/exit") == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_at_an_empty_prompt_ctrl_c_says_how_to_leave(talk, capfd):
    assert talk(KeyboardInterrupt(), "one") == 0
    assert "Ctrl-D" in capfd.readouterr().err
    assert talk.prompts == ["one"]


@pytest.mark.parametrize("death", [SignalInterrupt(each) for each in SIGNALS[1:]])
def test_any_other_signal_ends_it(talk, death):
    talk.answers = raising(death, "a part")
    with pytest.raises(SignalInterrupt):
        talk("one", "two")
    assert len(talk.asked) == 1


def test_where_nobody_types_ctrl_c_ends_it(talk):
    talk.answers = raising(SignalInterrupt(signal.SIGINT))
    with pytest.raises(SignalInterrupt):
        talk("one", "two", is_person=False)


def test_the_first_failures_status_is_that_of_all(talk):
    bad = InputError("line 2 is not UTF-8")
    assert talk("one", bad, "/nothing", "two", is_person=False) == 26
    assert talk.prompts == ["one", "two"]


def test_the_first_failure_can_be_the_last(talk):
    assert talk("one", "/nothing", "two", is_person=False, fail_fast=True) == 2
    assert talk.prompts == ["one"]


@pytest.mark.parametrize("is_person", [True, False])
def test_where_answers_cannot_go_it_ends(talk, is_person):
    def deliver(*_: Any) -> dict[str, Any]:
        raise StdoutError("cannot write to standard output", "no space left on device")

    talk.dialogue._deliver = deliver
    assert talk("one", "two", is_person=is_person) == 23
    assert len(talk.asked) == 1


def test_what_the_system_refuses_is_one_line(talk, capfd):
    def edited(_text: str) -> str:
        raise OSError(28, "No space left on device")

    talk.around.edited = edited
    assert talk("/edit", "one") == 0
    assert capfd.readouterr().err == "contextops: that cannot be done: no space left on device\n"
    assert talk.prompts == ["one"]


def test_calls_are_no_turn_and_told_as_such(talk, capfd):
    def ask(*_: Any) -> Iterator[Any]:
        response = whole("")
        function = {"name": "weather", "arguments": "{}"}
        call = {"id": "1", "type": "function", "function": function}
        response["choices"][0]["message"]["tool_calls"] = [call]
        yield Done(response)

    talk.answers = ask
    talk("one", "two")
    assert talk.prompts == ["two"]
    told = capfd.readouterr().err
    assert told.count("the model called weather: nothing here can answer that") == 2
    assert "--" not in told


# Commands ---------------------------------------------------------------------------------------


def test_help_names_every_command(talk, capfd):
    talk("/help")
    told = capfd.readouterr().err
    assert all(name in told for name in slash_commands.COMMANDS)


def test_the_model_is_any_with_a_note_where_it_is_not_listed(talk, capfd):
    talk("/model smal", "hi", "/model large", "hi")
    assert [asked[1] for asked in talk.asked] == ["smal", "large"]
    told = capfd.readouterr().err
    assert told.count("does not list") == 1
    assert "did you mean small?" in told
    assert talk.reader.prompts[-1] == "work large> "


def test_a_server_that_cannot_list_keeps_nobody_from_a_model(talk):
    def models() -> list[str]:
        raise TimedOutError("timed out")

    talk.around.models, talk.around.listed = models, []
    talk("/model new", "hi")
    assert talk.asked[0][1] == "new"


def test_without_a_model_nothing_is_asked(talk, capfd):
    talk.dialogue.model = None
    talk("hi", "/model large", "/retry")
    assert "no model chosen" in capfd.readouterr().err
    assert talk.reader.prompts[0] == "work (no model)> "
    assert [asked[1] for asked in talk.asked] == ["large"]


@pytest.mark.parametrize("entry", ["/exit now", "/clear nonsense", "/exit\nis pasted", "/undo 3"])
def test_what_a_command_does_not_take_is_refused(talk, entry, capfd):
    talk("one", entry, "two")
    assert talk.prompts == ["one", "two"]
    assert capfd.readouterr().err.count("\n") == 1


def test_models_are_listed_by_a_part_of_their_names(talk, capfd):
    talk("/models LAR")
    assert capfd.readouterr().err == "large\n"


def test_the_system_message_is_set_replaced_and_dropped(talk, capfd):
    talk("/system Be terse.", "one", "/system Be kind.", "two", '/system ""', "three", "/system")
    systems = [[m["content"] for m in said if m["role"] == "system"] for said, *_ in talk.asked]
    assert systems == [["Be terse."], ["Be kind."], []]
    assert capfd.readouterr().err.endswith("system: none\n")


def test_parameters_are_set_listed_and_dropped(talk, capfd):
    talk("/param temperature=0.5", "/param stop=x", "one", "/param stop=", "two", "/param")
    assert [asked[2] for asked in talk.asked] == [
        {"temperature": 0.5, "stop": "x"},
        {"temperature": 0.5},
    ]
    assert capfd.readouterr().err.endswith("temperature = 0.5\n")


@pytest.mark.parametrize("entry", ["/param x", "/param =1", "/param model=x", "/param stream=true"])
def test_what_is_no_parameter_is_refused(talk, entry):
    assert talk(entry, is_person=False) == 2


def test_files_and_images_go_with_the_next_message(talk, tmp_path):
    (tmp_path / "a b.py").write_text("print(1)")
    (tmp_path / "i.gif").write_bytes(b"GIF89a")
    talk.answers = lambda *_: answer("fine")
    talk(f"/file '{tmp_path}/a b.py'", f"/image {tmp_path}/i.gif", "what is it?", "and now?")
    said, image = talk.asked[0][0][0]["content"]
    assert said["text"] == (
        f'what is it?\n\n<document path="{tmp_path}/a b.py">\nprint(1)\n</document>'
    )
    assert image["image_url"]["url"].startswith("data:image/gif;base64,")
    assert talk.asked[1][0][-1]["content"] == "and now?"
    assert talk.reader.prompts == [f"work small{added}> " for added in ("", " +1", " +2", "", "")]


@pytest.mark.parametrize(
    ("entry", "status"),
    [("/file /no/such", 26), ("/file -", 2), ("/image /no/such", 26), ("/file ~nobody-here/x", 2)],
)
def test_what_cannot_be_read_is_told_at_once(talk, entry, status):
    assert talk(entry, is_person=False) == status


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
def test_a_path_is_taken_as_it_is_typed_where_it_is_there(talk, tmp_path, name, typed):
    (tmp_path / name).write_text("here")
    assert talk(f"/file {typed.format(tmp_path / name)}", "hi", is_person=False) == 0
    assert "here" in talk.prompts[0]


def test_where_a_backslash_parts_folders_it_is_no_quote(talk, monkeypatch):
    monkeypatch.setattr(slash_commands.os, "sep", "\\")
    assert slash_commands._path(r"C:\Users\me\a.txt") == r"C:\Users\me\a.txt"
    assert slash_commands._path(r'"C:\Users\me too\a.txt"') == r"C:\Users\me too\a.txt"


def test_a_template_is_filled_with_the_next_message(talk):
    template = Template("commit", "A {style} message for: {input}", None, says_system=True)
    talk.around.form = TemplateRequest(template, {}, "large", "Write.", {"temperature": 0})
    talk("/template commit style='very short'", "the diff", "thanks")
    messages, model, params = talk.asked[0]
    assert messages == [
        {"role": "system", "content": "Write."},
        {"role": "user", "content": "A very short message for: the diff"},
    ]
    assert (model, params) == ("large", {"temperature": 0})
    # That was for one message.
    assert talk.asked[1][0][0] == messages[1]
    assert talk.asked[1][1:] == ("small", {})


def test_a_template_that_says_all_is_sent_by_enter(talk):
    template = Template("joke", "Tell a joke.", None, says_system=False)
    talk.around.form = TemplateRequest(template, {}, None, None, {})
    talk("/template joke", "")
    assert talk.prompts == ["Tell a joke."]


@pytest.mark.parametrize("entry", ["commit", "commit x=1 style=2", "commit style", "commit 'x"])
def test_a_template_wants_its_fields_and_no_others(talk, entry, capfd):
    template = Template("commit", "{style} {input}", None, says_system=False)
    talk.around.form = TemplateRequest(template, {}, None, None, {})
    assert talk(f"/template {entry}", is_person=False) == 2
    assert "--var" not in capfd.readouterr().err


def test_undo_takes_back_what_was_added_then_turns(talk, tmp_path, capfd):
    (tmp_path / "a").write_text("a")
    talk("one", "two", f"/file {tmp_path}/a", "/undo", "/undo", "three", "/undo", "/undo", "/undo")
    assert talk.prompts == ["one", "three"]
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("t")]
    assert [line.rpartition(" ")[2] for line in told] == ["message", "two", "three", "one", "back"]


def test_undo_after_a_failure_leaves_the_turn_before_it(talk):
    talk("one")
    talk.answers = raising(TimedOutError("timed out"))
    talk("two", "/undo")
    talk.answers = lambda *_: answer("fine")
    talk("three")
    assert talk.prompts == ["one", "three"]


def test_undo_after_a_failure_is_told_once(talk):
    talk("one")
    talk.answers = raising(TimedOutError("timed out"))
    talk("two", "/undo", "/undo")
    talk.answers = lambda *_: answer("fine")
    talk("three")
    assert talk.prompts == ["three"]


def test_a_question_that_was_refused_does_not_count(talk, capfd):
    """Refused at once, as the embedded engine's other names are, and not while it is answered."""

    def refuse(*_: Any) -> Iterator[Any]:
        raise ModelNotFoundError("no such model")

    good, talk.answers = talk.answers, refuse
    talk("one")
    talk.answers = good
    talk("two")
    assert talk.prompts == ["two"]
    assert talk.dialogue.is_answered
    talk("/undo", "three")
    assert "taken back: two" in capfd.readouterr().err
    assert talk.prompts == ["three"]


def test_retry_asks_the_last_question_again_of_another_model(talk):
    talk("one", "two", "/model large", "/retry", "three")
    assert talk.asked[2][1] == "large"
    assert talk.prompts == ["one", "two", "three"]


def test_there_may_be_nothing_to_retry(talk, capfd):
    talk("/retry", "/undo")
    assert capfd.readouterr().err.count("\n") == 2


def test_edit_sends_what_was_made_of_the_last_message(talk):
    talk("one", "/edit")
    assert talk.prompts == ["one", "one, edited"]


def test_edit_adds_what_was_added_and_keeps_images(talk, tmp_path):
    (tmp_path / "a").write_text("added")
    (tmp_path / "i.gif").write_bytes(b"GIF89a")
    talk.answers = lambda *_: answer("fine")
    talk(f"/image {tmp_path}/i.gif", "one", f"/file {tmp_path}/a", "/edit")
    words, image = talk.asked[1][0][-1]["content"]
    assert words["text"].startswith("one, edited\n\n<document")
    assert "added" in words["text"]
    assert image == talk.asked[0][0][0]["content"][1]
    assert not talk.dialogue.added


def test_edit_sends_nothing_where_nothing_was_changed(talk):
    talk.around.edited = lambda text: f"{text}\n"
    talk("one", "/edit")
    assert talk.prompts == ["one"]


def test_tokens_tell_the_cost(talk, capfd):
    talk("/tokens", "one", "two", "/tokens", "/tokens on", "three", "/tokens off", "four")
    told = capfd.readouterr().err.splitlines()
    assert told[0] == "no answer yet"
    assert told[1:3] == [
        "usage: prompt 3, completion 2, total 5 tokens in 0.1 s",
        "all 2 answers: 10 tokens",
    ]
    assert len(told) == 1 + 2 + 2 + 1 + 2


def test_clear_begins_anew_under_the_same_system_message(talk):
    talk("/system Be terse.", "one", "/clear", "two")
    assert [said["content"] for said in talk.asked[1][0]] == ["Be terse.", "two"]


def test_exit_leaves(talk):
    talk("/exit", "one")
    assert talk.asked == []


# What is kept -----------------------------------------------------------------------------------


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def kept(path: Path) -> list[tuple[str, str]]:
    return [(line["role"], line["content"]) for line in lines_of(path)]


def test_save_keeps_what_was_and_what_will_be_said(talk, tmp_path):
    talk("one", "/save review", "two")
    path = tmp_path / "review.jsonl"
    said = [("user", "one"), ("assistant", "echo one"), ("user", "two"), ("assistant", "echo two")]
    assert kept(path) == said
    assert path.stat().st_mode & 0o777 == 0o600


def test_save_keeps_what_broke_off_marked(talk, tmp_path):
    talk.answers = raising(SignalInterrupt(signal.SIGINT), "a part")
    talk("one", "/save review")
    *_, part = lines_of(tmp_path / "review.jsonl")
    assert (part["content"], part["complete"]) == ("a part", False)
    assert session.messages(session.load_records(tmp_path / "review.jsonl")) == []


def test_save_does_not_mix_conversations(talk, tmp_path):
    session.append_records(tmp_path / "other.jsonl", [{"role": "user", "content": "x"}])
    assert talk("one", "/save other", is_person=False) == 2
    assert kept(tmp_path / "other.jsonl") == [("user", "x")]


def test_a_conversation_that_is_kept_can_be_kept_elsewhere_too(talk, tmp_path):
    talk("one", "/save a", "two", "/undo", "/save b", "three")
    for name, said in (("a", ["one"]), ("b", ["one", "three"])):
        messages = session.messages(session.load_records(tmp_path / f"{name}.jsonl"))
        assert [m["content"] for m in messages if m["role"] == "user"] == said


def test_load_goes_on_and_shows_the_last_turns(talk, tmp_path, capfd):
    talk("/save long", *(f"question {number}" for number in range(4)))
    capfd.readouterr()
    talk("/clear", "/load long", "go on")
    told = capfd.readouterr()
    assert "> question 2" in told.err
    assert "> question 1" not in told.err
    # On stdout is what was asked for; the rest is for a person.
    assert told.out == "echo go on\n"
    assert "> question 3\necho question 3\n" in told.err
    assert len(talk.prompts) == 5


def test_load_names_the_nearest(talk, tmp_path, capfd):
    session.append_records(tmp_path / "review.jsonl", [{"role": "user", "content": "x"}])
    assert talk("/load reviw", is_person=False) == 3
    assert "did you mean review?" in capfd.readouterr().err


@pytest.mark.parametrize("entry", ["/save", "/load", "/save ../x", "/load a/b"])
def test_a_session_has_a_name(talk, entry):
    assert talk(entry, is_person=False) == 2


@pytest.mark.parametrize("command", ["/save", "/load"])
def test_a_name_that_no_file_can_have_is_one_line(talk, command, capfd):
    assert talk("one", f"{command} {'a' * 300}.jsonl", "two", is_person=False) == 26
    assert talk.prompts == ["one", "two"]
    assert capfd.readouterr().err.count("\n") == 1


def test_programs_get_no_turns_that_they_have_had(talk, capfd):
    talk("/save s", "one", "/clear")
    capfd.readouterr()
    printer = Printer(as_json=True)
    printer.stdout_is_terminal = True
    talk.dialogue.printer = printer
    talk("/load s")
    told = capfd.readouterr()
    assert told.out == ""
    assert "echo one" in told.err


def test_retry_asks_even_where_nothing_can_be_kept(talk, tmp_path, capfd):
    path = tmp_path / "s.jsonl"
    talk("/save s", "one", "two")
    path.rename(tmp_path / "away")
    path.mkdir()
    assert talk("/retry", "/retry", is_person=False) == 23
    assert talk.prompts == ["one", "two"]
    assert len(talk.asked) == 4
    path.rmdir()
    (tmp_path / "away").rename(path)
    talk("/exit")
    again = Conversation(path=path)
    assert again.messages() == talk.dialogue.conversation.messages()


def test_the_last_thing_said_is_kept(talk, tmp_path):
    talk("/save s", "one", "/system Be kind.")
    assert Conversation(path=tmp_path / "s.jsonl").system == "Be kind."


def test_a_session_in_which_nothing_was_said_is_none(talk, tmp_path):
    talk.dialogue.conversation = Conversation(path=tmp_path / "s.jsonl", system="Be kind.")
    talk("/exit")
    assert not (tmp_path / "s.jsonl").exists()


@pytest.mark.parametrize("leaving", [(), ("/clear",)])
def test_what_could_not_be_kept_is_kept_on_leaving(talk, tmp_path, monkeypatch, leaving):
    talk("/save s")
    append = files.append

    def full(*_: Any) -> None:
        raise OutputError("cannot write")

    def unchanged(text: str) -> str:
        monkeypatch.setattr(files, "append", append)
        return text

    monkeypatch.setattr(files, "append", full)
    talk.around.edited = unchanged
    talk("one", "/edit", *leaving)
    assert [said for _, said in kept(tmp_path / "s.jsonl")] == ["one", "echo one"]


def test_ctrl_c_waits_for_nobody(talk, tmp_path):
    """A part is kept with the next turn where another process has the session open."""
    talk("/save s", "one")
    talk.answers = raising(SignalInterrupt(signal.SIGINT), "a part")
    with files.locked(tmp_path / "s.jsonl"):
        started = time.monotonic()
        with pytest.raises(SignalInterrupt):
            talk.dialogue.say("two")
        assert time.monotonic() - started < 2
    talk("/exit")
    *_, part = lines_of(tmp_path / "s.jsonl")
    assert (part["content"], part["complete"]) == ("a part", False)


def test_an_answer_is_shown_before_it_is_kept(talk, monkeypatch, capfd):
    """Its last block too, which is rendered when nothing more can come."""
    talk.dialogue.printer = Printer(color="always")
    shown: list[str] = []
    monkeypatch.setattr(files, "append", lambda *_: shown.append(capfd.readouterr().out))
    talk("/save s", "one")
    assert shown == ["echo one\n"]


def test_a_turn_that_was_taken_back_is_not_sent_when_it_is_taken_up(talk, tmp_path):
    talk("/save s", "one", "two", "/undo", "/retry", "three")
    again = Conversation(path=tmp_path / "s.jsonl")
    said = [message["content"] for message in again.messages()]
    assert said == ["one", "echo one", "three", "echo three"]


def test_where_it_is_kept_is_told(talk, tmp_path, capfd):
    talk("/session", "/save s", "/session")
    told = capfd.readouterr().err
    assert "none; keep this one with /save" in told
    assert f"session: {tmp_path}/s.jsonl" in told


def test_what_cannot_be_kept_now_is_kept_with_the_next_turn(talk, tmp_path, monkeypatch):
    talk("/save s")
    append = files.append

    def full(*_: Any) -> None:
        raise OutputError("cannot write")

    monkeypatch.setattr(files, "append", full)
    assert talk("one", is_person=False) == 23
    assert talk.dialogue.is_answered
    monkeypatch.setattr(files, "append", append)
    assert talk("two", is_person=False) == 0
    assert [said for _, said in kept(tmp_path / "s.jsonl")] == [
        "one",
        "echo one",
        "two",
        "echo two",
    ]


def test_the_work_of_a_turn_does_not_grow(talk, tmp_path, monkeypatch):
    """As calls and bytes: what is written for a turn is that turn, once."""
    written: list[int] = []
    append = files.append

    def counted(path: Path, lines: bytes, wait: float) -> None:
        written.append(len(lines))
        append(path, lines, wait)

    monkeypatch.setattr(files, "append", counted)
    dumped: list[int] = []
    from contextops import strict_json

    dumps = strict_json.dumps

    def dumping(value: Any, **more: Any) -> str:
        text = dumps(value, **more)
        dumped.append(len(text))
        return text

    monkeypatch.setattr(strict_json, "dumps", dumping)
    talk("/save s")
    sizes = []
    for _ in range(30):
        dumped.clear()
        talk("the same")
        sizes.append((len(dumped), sum(dumped)))
    assert len(set(written)) == 1
    # The second settles the first, and so on.
    assert len(set(sizes[1:])) == 1


# Completion -------------------------------------------------------------------------------------


def completed(talk: Talk, text: str) -> list[str]:
    return [each.text for each in slash_commands.complete_command(talk.around, text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/mo", ["/model ", "/models "]),
        ("/ex", ["/exit"]),
        ("/model ", ["small", "large"]),
        ("/model l", ["large"]),
        ("/template ", ["commit"]),
        ("/load r", ["review"]),
        ("/system l", []),
        ("/nothing l", []),
        ("//mo", []),
        ("mo", []),
        ("/mo\nl", []),
    ],
)
def test_commands_models_sessions_and_templates_are_completed(talk, tmp_path, text, found):
    session.append_records(tmp_path / "review.jsonl", [{"role": "user", "content": "x"}])
    assert completed(talk, text) == found


def test_paths_are_completed(talk, tmp_path):
    tmp_path = tmp_path / "here"
    tmp_path.mkdir()
    for name in ("one.py", "other.txt", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "one more").mkdir()
    assert completed(talk, f"/file {tmp_path}/on") == [
        f"{tmp_path}/one more/",
        f"{tmp_path}/one.py",
    ]
    assert completed(talk, f"/image {tmp_path}/.h") == [f"{tmp_path}/.hidden"]
    assert len(completed(talk, f"/file {tmp_path}/")) == 3
    assert completed(talk, "/file /no/such/folder/") == []


def test_a_blank_at_the_end_is_a_part_of_a_path(talk, tmp_path):
    (tmp_path / "my file.txt").touch()
    begun = f"{tmp_path}/my "
    (found,) = slash_commands.complete_command(talk.around, f"/file {begun}")
    assert found.text == f"{tmp_path}/my file.txt"
    assert found.replaces == len(begun)


@pytest.mark.parametrize("text", ["/file ~nosuch-user/x", "/file a\0b/", "/image \0"])
def test_what_is_no_path_completes_to_nothing(talk, text):
    assert completed(talk, text) == []


def test_a_completion_never_fails(talk):
    def template_names() -> list[str]:
        raise InputError("the config file is broken")

    talk.around.template_names = template_names
    assert completed(talk, "/template ") == []
