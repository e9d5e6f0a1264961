"""A conversation that is kept: what is sent of it, what is written, what a crash leaves."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.api.stream import Done, Piece, Reasoning, Text
from contextops.chat import session
from contextops.chat.session import Conversation
from contextops.errors import InputError, OutputError, TruncatedError, UsageError

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "review.jsonl"


def response(content: str | None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": None}


def answer(*words: str) -> Iterator[Piece]:
    yield Reasoning("not kept")
    yield from (Text(word) for word in words)
    yield Done(response("".join(words)))


def broken(*words: str) -> Iterator[Piece]:
    yield from (Text(word) for word in words)
    raise TruncatedError("the answer was cut off")


def say(path: Path, prompt: str, pieces: Iterator[Piece], **system: Any) -> list[Any]:
    """Have one turn and give what was sent for it."""
    conversation = Conversation(path=path, **system)
    conversation.ask(prompt)
    sent = list(conversation.messages())
    for _ in conversation.recorded(pieces, "m"):
        continue
    return sent


def kept(path: Path) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [(line["role"], line["content"], line.get("complete")) for line in lines]


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


# Names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "0", "review-2.1_b", "A" * 64, "console", "com10", "a..b"])
def test_a_name_is_a_file_of_the_folder(tmp_path, name):
    assert session.session_path(name, tmp_path) == tmp_path / f"{name}.jsonl"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "/abs", "a/b", "a\\b", ".hidden", "-x", "_x", "A" * 65, "x" * 300),
        *("CON", "nul", "Com1", "lpt9", "con.txt", "aux.", "a b", "a\n", "ü", "a\0", "~", "~root"),
        *(".jsonl", "/.jsonl", "a/.jsonl", "a\0.jsonl", "a.JSONL/", "a/x.json"),
    ],
)
def test_any_other_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError) as refused:
        session.session_path(name, tmp_path)
    assert refused.value.status == 2


@given(st.text(max_size=70))
@settings(max_examples=50)
def test_a_name_is_always_a_child_of_the_folder(name: str):
    folder = Path("/state/contextops")
    try:
        path = session.session_path(name, folder)
    except UsageError:
        return
    assert path.parent == folder or name.endswith(".jsonl")
    assert path.suffix == ".jsonl"


def test_a_path_says_where(tmp_path, home):
    assert session.session_path("./talk.jsonl", tmp_path) == Path("talk.jsonl")
    assert session.session_path("/a/../b.jsonl", tmp_path) == Path("/a/../b.jsonl")
    assert session.session_path("~/talk.jsonl", tmp_path) == home / "talk.jsonl"


@posix
def test_the_home_of_nobody_is_no_bug(tmp_path):
    with pytest.raises(UsageError):
        session.session_path("~no-such-user/talk.jsonl", tmp_path)


# What is kept and what is sent ------------------------------------------------------------------


def test_a_turn_is_two_lines_with_what_is_known_about_them(path):
    pieces = answer("why ", "not")
    assert say(path, "why?", pieces) == [user("why?")]
    asked, answered = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert asked == {**user("why?"), "time": asked["time"]}
    about = {"model": "m", "complete": True, "time": asked["time"]}
    assert answered == {**assistant("why not"), **about}
    assert asked["time"].endswith("+00:00")


def test_what_was_said_before_is_sent_without_what_is_known_about_it(path):
    say(path, "one", answer("1"))
    assert say(path, "two", answer("2")) == [user("one"), assistant("1"), user("two")]


@pytest.mark.parametrize("words", [(), ("a part",)])
def test_a_turn_without_a_complete_answer_is_kept_and_not_sent_again(path, words):
    say(path, "one", answer("1"))
    with pytest.raises(TruncatedError):
        say(path, "two", broken(*words))
    assert kept(path)[2:] == [("user", "two", None), ("assistant", "".join(words), False)]
    assert say(path, "three", answer("3")) == [user("one"), assistant("1"), user("three")]


def test_a_reader_who_leaves_in_the_middle_leaves_a_part(path):
    conversation = Conversation(path=path)
    conversation.ask("one")
    pieces = conversation.recorded(answer("a ", "b"), "m")
    assert [next(pieces), next(pieces)][-1] == Text("a ")
    pieces.close()
    assert kept(path) == [("user", "one", None), ("assistant", "a ", False)]


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit])
def test_a_signal_leaves_a_part(path, death):
    def dying() -> Iterator[Piece]:
        yield Text("a ")
        raise death

    with pytest.raises(death):
        say(path, "one", dying())
    assert kept(path) == [("user", "one", None), ("assistant", "a ", False)]


def test_a_turn_is_on_the_disk_before_its_end_is_told(path):
    conversation = Conversation(path=path)
    conversation.ask("one")
    for piece in conversation.recorded(answer("1"), "m"):
        assert path.exists() is isinstance(piece, Done)


def test_an_answer_that_cannot_be_kept_is_handed_on_with_the_failure(tmp_path):
    (tmp_path / "kept").write_text("a file, not a folder")
    conversation = Conversation()
    conversation.path = tmp_path / "kept" / "x.jsonl"
    conversation.ask("one")
    pieces = conversation.recorded(answer("1"), "m")
    assert [next(pieces), next(pieces)][-1] == Text("1")
    with pytest.raises(OutputError) as failed:
        next(pieces)
    assert failed.value.response == response("1")


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": None}, {"content": ""}),
        ({"content": None, "tool_calls": None}, {"content": ""}),
        ({"content": "x", "reasoning_content": "not kept"}, {"content": "x"}),
    ],
)
def test_whatever_was_answered_can_be_sent_again(path, message, content):
    said = response(**message)
    say(path, "one", iter([Done(said)]))
    assert session.messages(session.load_records(path))[1] == {"role": "assistant", **content}


def test_calls_without_results_are_kept_and_not_sent_again(path):
    calls = [{"id": "c"}]
    say(path, "one", iter([Done(response(content=None, tool_calls=calls))]))
    say(path, "two", iter([Done(response(content="2"))]))
    assert [record.get("tool_calls") for record in session.load_records(path)] == [
        None,
        calls,
        None,
        None,
    ]
    sent = [said["content"] for said in session.messages(session.load_records(path))]
    assert sent == ["two", "2"]


def test_nothing_is_kept_without_a_name(path):
    conversation = Conversation()
    conversation.ask("one")
    assert [*conversation.recorded(answer("1"), "m")] == [*answer("1")]
    assert not path.parent.exists()


# The system message -----------------------------------------------------------------------------


def systems(messages: list[Any]) -> list[str]:
    assert all(said["role"] != "system" for said in messages[1:])
    return [said["content"] for said in messages if said["role"] == "system"]


@pytest.mark.parametrize("typed", [True, False])
def test_a_system_message_is_kept_with_the_session(path, typed):
    assert systems(say(path, "1", answer("1"), system="terse", typed_system=typed)) == ["terse"]
    assert systems(say(path, "2", answer("2"))) == ["terse"]
    assert [role for role, *_ in kept(path)].count("system") == 1


def test_a_typed_one_takes_its_place_and_a_stored_one_does_not(path):
    say(path, "1", answer("1"), system="first", typed_system=True)
    assert systems(say(path, "2", answer("2"), system="stored")) == ["first"]
    assert systems(say(path, "3", answer("3"), system="typed", typed_system=True)) == ["typed"]
    assert systems(say(path, "4", answer("4"), system="stored")) == ["typed"]
    assert len(session.messages(session.load_records(path))) == 1 + 2 * 4


def test_an_empty_one_takes_it_away(path):
    say(path, "1", answer("1"), system="first", typed_system=True)
    assert systems(say(path, "2", answer("2"), system="", typed_system=True)) == []
    assert systems(say(path, "3", answer("3"))) == []


@pytest.mark.parametrize(("system", "sent"), [("terse", ["terse"]), ("", []), (None, [])])
def test_without_a_session_it_comes_first(system, sent):
    conversation = Conversation(system=system, typed_system=True)
    conversation.ask("x")
    assert systems(conversation.messages()) == sent


def test_messages_that_are_given_come_before_the_prompt():
    given_ = [{"role": "system", "content": "theirs"}, user("a"), assistant("b")]
    conversation = Conversation(given=given_, system="stored")
    conversation.ask("c")
    assert conversation.messages() == [*given_, user("c")]


# A file that somebody, or a crash, has damaged --------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *(b"{", b"[]", b"5", b"\xff", b"{}", b'{"role": "user"}', b'{"content": "x"}'),
        *(b'{"role": "cat", "content": "x"}', b'{"role": "system"}'),
    ],
)
def test_a_line_that_is_no_message_is_named_and_left(path, line):
    say(path, "one", answer("1"))
    before = path.read_bytes() + line + b"\n"
    path.write_bytes(before)
    with pytest.raises(InputError, match="line 3 of the session") as failed:
        Conversation(path=path)
    assert failed.value.status == 26
    assert path.read_bytes() == before


def test_blank_lines_and_those_of_windows_are_no_fault(path):
    say(path, "one", answer("1"))
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n") + b"\n")
    assert session.messages(session.load_records(path)) == [user("one"), assistant("1")]


TURNS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=4)


@given(TURNS, st.data())
@settings(max_examples=30)
def test_cut_at_any_byte_every_whole_line_is_read_and_kept(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, str]], data: st.DataObject
):
    path = tmp_path_factory.mktemp("cut") / "s.jsonl"
    for question, words in turns:
        say(path, question, answer(words))
    whole = path.read_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    path.write_bytes(cut)
    lines = cut.count(b"\n")
    answered = 2 * (lines // 2)
    expected = session.messages([json.loads(line) for line in whole.split(b"\n")[:answered]])
    assert len(session.load_records(path)) == lines
    # A question whose answer was cut off is not asked a second time.
    assert say(path, "next", answer("n")) == [*expected, user("next")]
    assert path.read_bytes().startswith(cut[: cut.rfind(b"\n") + 1])
    assert len(session.load_records(path)) == lines + 2
    assert session.messages(session.load_records(path)) == [*expected, user("next"), assistant("n")]


# Its file ---------------------------------------------------------------------------------------


@posix
def test_nobody_else_may_read_it(path):
    before = os.umask(0)
    try:
        say(path, "one", answer("1"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_summary_tells_the_last_model_and_time(path):
    say(path, "one", answer("1"))
    told = session.describe_session(path)
    assert (told["name"], told["messages"], told["model"]) == ("review", 2, "m")
    assert told["last"] == json.loads(path.read_bytes().splitlines()[-1])["time"]


def test_only_files_are_sessions(path):
    say(path, "one", answer("1"))
    (path.parent / "a folder.jsonl").mkdir()
    (path.parent / "notes.txt").touch()
    assert session.session_files(path.parent) == [path]
    assert session.session_files(path.parent / "missing") == []


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (user("text"), "text"),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
            "a\n[image_url]",
        ),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}, '[{"id":"c"}]'),
    ],
)
def test_the_words_of_a_message(record, words):
    assert session.message_text(record) == words


WRITER = """
import sys
from pathlib import Path
from contextops import strict_json
from contextops.chat import session
path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    word = f"{name}-{number}"
    question = {"role": "user", "content": word}
    answer = {"role": "assistant", "content": word, "complete": True}
    session.append_records(path, [question, answer])
    print(word, flush=True)
"""


def writer(path: Path, name: str, turns: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", WRITER, str(path), name, str(turns)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def test_twenty_at_once_lose_nothing(path):
    writers = [writer(path, f"w{number}", 2) for number in range(20)]
    told = [process.communicate()[0].decode().split() for process in writers]
    assert all(process.returncode == 0 for process in writers)
    words = [said["content"] for said in session.messages(session.load_records(path))]
    assert words[::2] == words[1::2], "no turn is between the lines of another"
    assert sorted(words[::2]) == sorted(word for words in told for word in words)
    assert len(words) == 2 * 20 * 2


@posix
def test_a_killed_writer_loses_nothing_that_it_acknowledged(path):
    acknowledged: list[str] = []
    for round_ in range(20):
        with writer(path, f"r{round_}", 10_000) as process:
            first = process.stdout.readline()
            time.sleep(0.0007 * round_)
            process.send_signal(signal.SIGKILL)
            acknowledged += (first + process.stdout.read()).decode().split()
    words = [said["content"] for said in session.messages(session.load_records(path))]
    assert words[::2] == words[1::2]
    assert set(acknowledged) <= set(words)
    assert {file.name for file in path.parent.iterdir()} == {"review.jsonl", "review.jsonl.lock"}


# Several turns ----------------------------------------------------------------------------------


def test_turns_follow_each_other_and_each_is_written_once(path):
    conversation = Conversation(path=path, system="Be terse.")
    for word in ("one", "two"):
        conversation.ask(word)
        for _ in conversation.recorded(answer(f"{word}!"), "m"):
            continue
    said = [("user", "one"), ("assistant", "one!"), ("user", "two"), ("assistant", "two!")]
    assert [line[:2] for line in kept(path)] == [("system", "Be terse."), *said]
    assert conversation.turns() == [
        [user("one"), assistant("one!")],
        [user("two"), assistant("two!")],
    ]


def test_what_is_written_of_it_is_what_it_says(path):
    """The text that grows with the turns, whatever becomes of them, is that of the messages."""
    conversation = Conversation(path=path)

    def ask(word, pieces):
        conversation.ask(word)
        said = conversation.messages()
        body = b"".join(strict_json.iterencode({"model": "m", "messages": said}))
        assert json.loads(body) == {"model": "m", "messages": list(said)}
        with suppress(TruncatedError):
            for _ in conversation.recorded(pieces, "m"):
                continue

    ask("one", answer("1"))
    ask("two", broken("2"))
    ask("three", answer("3"))
    conversation.instruct("Be kind.")
    ask("four", answer("4"))
    assert conversation.undo() == "four"
    conversation.ask("dropped")
    ask("five", answer("5"))
    said = [message["content"] for message in conversation.messages()]
    assert said == ["Be kind.", "one", "1", "three", "3", "five", "5"]
    assert [message["content"] for message in session.messages(session.load_records(path))] == said


def test_what_is_taken_back_is_the_last_turn_that_asked_this(path):
    for word in ("one", "two", "one"):
        say(path, word, answer(word.upper()))
    with pytest.raises(TruncatedError):
        say(path, "one", broken())
    session.append_records(path, [{**user("one"), "undoes": True}])
    assert [said["content"] for said in session.messages(session.load_records(path))] == [
        *("one", "ONE", "two", "TWO")
    ]
    assert sum(record.get("undone", False) for record in session.load_records(path)) == 2
