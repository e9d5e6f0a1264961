"""What the prompt of ``contextops chat send`` is made of: words, files, images and messages."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys

import pytest

from chat_answers import alternating_messages, answer_with, sent_messages
from shapes import OpenWebUI

pytestmark = pytest.mark.usefixtures("workdir")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def test_prompt_is_words_then_standard_input_then_framed_files(run, serve, exported, workdir):
    (workdir / "a.py").write_text("x = 1\n")
    (workdir / "b <&> c").write_text("größer")
    server = exported(serve(OpenWebUI()))
    result = run("chat", "send", "-f", "a.py", "-f", "b <&> c", "compare", input="piped")
    assert result.status == 0
    assert sent_messages(server)[0]["content"] == (
        'compare\n\npiped\n\n<document path="a.py">\nx = 1\n\n</document>\n\n'
        '<document path="b &lt;&amp;&gt; c">\ngrößer\n</document>'
    )


def test_standard_input_given_as_file_is_framed(run, serve, exported, workdir):
    server = exported(serve(OpenWebUI()))
    assert run("chat", "send", "-f", "-", input="</document>").status == 0
    assert (
        sent_messages(server)[0]["content"] == '<document-2 path="-">\n</document>\n</document-2>'
    )


def test_path_in_piped_text_is_sent_as_text(run, serve, exported, workdir):
    (workdir / "secret").write_text("do not read me")
    server = exported(serve(OpenWebUI()))
    run("chat", "send", input="secret\n@secret\n-f secret\n")
    assert sent_messages(server)[0]["content"] == "secret\n@secret\n-f secret\n"


@pytest.mark.parametrize(
    ("name", "expected_words"),
    [
        ("missing", "cannot read missing: no such file"),
        (".", "cannot read .: is a directory"),
        ("utf16", "utf16 is not UTF-8: byte 0xff at offset 0"),
        ("binary", "binary is not UTF-8: byte 0x89 at offset 3"),
        ("large", "large is too large: more than 1024 bytes"),
    ],
)
@pytest.mark.parametrize("flag", ["-f", "--messages"])
def test_unreadable_file_is_status_26_and_nothing_is_sent(
    run, serve, exported, workdir, flag, name, expected_words
):
    (workdir / "utf16").write_bytes("text".encode("utf-16"))
    (workdir / "binary").write_bytes(b"abc\x89PNG\0")
    (workdir / "large").write_bytes(b"x" * 1025)
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "hi", flag, name, env={"CONTEXTOPS_MAX_PROMPT": "1K"})
    assert (result.status, result.stdout) == (26, "")
    assert expected_words in result.stderr
    assert server.requests == []


def test_encoding_applies_to_files_and_standard_input(run, serve, exported, workdir):
    (workdir / "f").write_bytes("ö".encode("utf-16"))
    server = exported(serve(OpenWebUI()))
    result = run("chat", "send", "--encoding", "utf-16", "-f", "f", input="ü".encode("utf-16"))
    assert result.status == 0
    assert sent_messages(server)[0]["content"] == 'ü\n\n<document path="f">\nö\n</document>'


@posix
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_process_substitution_works_for_input_and_output_files(serve, exported, workdir):
    server = exported(serve(answer_with("answered")))
    command = f"{shlex.quote(sys.executable)} -m contextops chat send -n"
    script = f"{command} -f <(printf 'a\\nb') -o >(cat > copy; echo done) compare | cat"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("done\n", "")
    assert (workdir / "copy").read_text() == "answered\n"
    assert sent_messages(server)[0]["content"].endswith('">\na\nb\n</document>')


def test_images_are_sent_as_content_parts_after_the_text(run, serve, exported, workdir):
    (workdir / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    server = exported(serve(answer_with("a picture")))
    argv = ("chat", "send", "-i", "a.png", "-i", "https://example.org/b.jpg")
    assert run(*argv, "what?").status == 0
    text, one, two = sent_messages(server)[0]["content"]
    assert text == {"type": "text", "text": "what?"}
    assert one["image_url"]["url"].startswith("data:image/png;base64,iVBORw0K")
    assert two["image_url"]["url"] == "https://example.org/b.jpg"
    assert run(*argv).status == 0
    assert sent_messages(server)[0]["content"] == [one, two]
    assert run("chat", "send", "-i", "-", input=b"GIF89a").status == 0
    assert sent_messages(server)[0]["content"][0]["image_url"]["url"].startswith("data:image/gif;")


@pytest.mark.parametrize("name", ["missing.png", ".", "text.png"])
def test_file_that_is_not_an_image_is_status_26(run, serve, exported, workdir, name):
    (workdir / "text.png").write_text("<svg/>")
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "-i", name, "what?")
    assert (result.status, result.stdout) == (26, "")
    assert server.requests == []


def test_messages_file_comes_before_an_optional_prompt(run, serve, exported, workdir):
    messages = [{"role": "system", "content": "terse"}, *alternating_messages("a", "b", "c")]
    (workdir / "m.json").write_text(json.dumps(messages))
    server = exported(serve(answer_with("ok")))
    assert run("chat", "send", "--messages", "m.json").status == 0
    assert sent_messages(server) == messages
    assert run("chat", "send", "--messages", "-", input=json.dumps(messages)).status == 0
    assert sent_messages(server) == messages
    assert run("chat", "send", "--messages", "m.json", "d", input="piped").status == 0
    assert sent_messages(server) == [*messages, {"role": "user", "content": "d\n\npiped"}]


@pytest.mark.parametrize(
    ("text", "expected_words"),
    [
        ("{", "standard input is not JSON"),
        ("{}", "not a JSON array of messages"),
        ('[{"role": "user", "content": "x"}, {"role": "cat"}]', "message 1 of standard input"),
    ],
)
def test_invalid_messages_file_is_status_26(run, serve, exported, text, expected_words):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "--messages", "-", "hi", input=text)
    assert (result.status, result.stdout) == (26, "")
    assert expected_words in result.stderr
    assert server.requests == []


def test_empty_messages_without_prompt_are_status_2(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    assert run("chat", "send", "--messages", "-", input="[]").status == 2
