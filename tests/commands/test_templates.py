"""Templates: prompts of the config file, filled by ``chat send --template NAME``."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest

from shapes import KEY, OpenWebUI

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")

COMMIT = """
[templates.commit]
system = "You are terse."
prompt = "A {kind} commit message for: {input}"
model = "ctx-large"
params = { temperature = 0, seed = 7 }
"""


@pytest.fixture
def sent(run):
    """Return a function that returns the body of a dry run."""

    def sent(*argv, **more):
        result = run("chat", "send", "--dry-run", *argv, **more)
        assert (result.status, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return sent


def contents(body):
    return [message["content"] for message in body["messages"]]


def read(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


def assert_fails(result, status, *words):
    assert (result.status, result.stdout) == (status, "")
    assert result.stderr.startswith("contextops: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


# --- chat send --template ---


def test_template_is_filled_and_sent_with_its_settings(run, serve, stored):
    stored(COMMIT)
    server = serve(OpenWebUI(models=["ctx-large"]))
    exported = {"CONTEXTOPS_BASE_URL": server.url, "CONTEXTOPS_API_KEY": KEY}
    argv = ["--template", "commit", "--var", "kind=short"]
    assert run("chat", "send", *argv, input="a diff", env=exported).status == 0
    body = server.request.json()
    assert body["messages"] == [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "A short commit message for: a diff"},
    ]
    assert (body["model"], body["temperature"], body["seed"]) == ("ctx-large", 0, 7)


@pytest.mark.parametrize(
    ("prompt", "argv", "stdin", "text"),
    [
        ("<{input}>", ["two", "words"], None, "<two words>"),
        ("<{input}>", ["words"], "and input", "<words\n\nand input>"),
        ("<{input}>", ["-f", "a.txt"], None, '<<document path="a.txt">\nA\n</document>>'),
        ("Say hello.", [], None, "Say hello."),
        ("Say hello.", ["to", "me"], None, "Say hello.\n\nto me"),
        ("Say hello.", [], "to me\n", "Say hello.\n\nto me\n"),
        ("Say hello.", ["-n"], "ignored", "Say hello."),
        ('{"a": {}} {b}', ["--var", "b=x={y}"], None, '{"a": {}} x={y}'),
        ("{a}{b}", ["--var", "a=", "--var", "b=1"], None, "1"),
    ],
)
def test_words_and_stdin_are_the_input(
    sent, stored, tmp_path, monkeypatch, prompt, argv, stdin, text
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("A")
    stored(f"[templates.t]\nprompt = '''{prompt}'''\nmodel = 'm'\n")
    assert contents(sent("--template", "t", *argv, input=stdin)) == [text]


def test_template_may_have_no_prompt(sent, run, stored):
    stored('[templates.t]\nsystem = "s"\nmodel = "m"\n[templates.empty]\n')
    assert contents(sent("--template", "t", "words")) == ["s", "words"]
    assert contents(sent("--template", "empty", "-m", "m", "words")) == ["words"]
    assert_fails(run("chat", "send", "--template", "t"), 2, "no prompt")


@pytest.mark.parametrize(("argv", "stdin"), [([], None), ([], ""), ([" "], " \n")])
def test_input_field_without_input_is_usage_error(run, stored, argv, stdin):
    stored(COMMIT)
    result = run("chat", "send", "--template", "commit", "--var", "kind=a", *argv, input=stdin)
    assert_fails(result, 2, "no prompt")


def test_image_counts_as_input(sent, stored, tmp_path):
    stored(COMMIT)
    image = tmp_path / "a.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    body = sent("--template", "commit", "--var", "kind=short", "-i", image)
    text, shown = body["messages"][-1]["content"]
    assert text["text"] == "A short commit message for: "
    assert shown["type"] == "image_url"


@posix
def test_template_without_input_field_leaves_stdin_unread(command, stored, tmp_path):
    stored('[templates.hello]\nprompt = "Greet {name}."\nmodel = "m"\n')
    names = tmp_path / "names"
    names.write_text("Ann\nBob\n")
    with names.open("rb", buffering=0) as rest:
        rest.read(4)
        argv = ["chat", "send", "--dry-run", "--template", "hello", "--var", "name=Ann"]
        result = command(*argv, stdin=rest)
        assert rest.read() == b"Bob\n"
    assert contents(json.loads(result.stdout)) == ["Greet Ann."]


# --- precedence ---


def test_flags_beat_template(sent, stored):
    stored(COMMIT)
    argv = ["--template", "commit", "--var", "kind=a", "x"]
    body = sent(*argv, "-m", "typed", "-s", "Typed.", "-t", "1", "--param", "top_p=0.5")
    assert contents(body)[0] == "Typed."
    assert body["model"] == "typed"
    assert (body["temperature"], body["seed"], body["top_p"]) == (1, 7, 0.5)
    assert contents(sent(*argv, "-s", "")) == ["A a commit message for: x"]


@pytest.mark.parametrize("profile", [[], ["--profile", "work"]])
def test_template_beats_environment_and_profile(sent, stored, profile):
    stored(
        f"{COMMIT}\n[profiles.work]\nmodel = 'stored'\nsystem = 'Stored.'\n"
        "params = { seed = 1, top_k = 2 }\n"
    )
    exported = {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_SYSTEM": "Exported."}
    argv = [*profile, "--template", "commit", "--var", "kind=a", "x"]
    body = sent(*argv, env={**exported, "CONTEXTOPS_PROFILE": "work"})
    assert contents(body)[0] == "You are terse."
    assert body["model"] == "ctx-large"
    assert (body["temperature"], body["seed"], body["top_k"]) == (0, 7, 2)


@pytest.mark.parametrize(
    ("profile", "model"), [([], "exported"), (["--profile", "work"], "stored")]
)
def test_settings_missing_in_template_come_from_other_levels(sent, stored, profile, model):
    stored("[templates.t]\nprompt = 'p'\n[profiles.work]\nmodel = 'stored'\n")
    exported = {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_PROFILE": "work"}
    assert sent(*profile, "--template", "t", env=exported)["model"] == model


def test_local_profile_ignores_model_of_template(sent, stored):
    stored(COMMIT)
    argv = ("--local", "--template", "commit", "--var", "kind=a", "x")
    body = sent(*argv, env={"CONTEXTOPS_LOCAL_MODEL": "demo.gguf"})
    assert body["model"] == "demo"
    assert body["seed"] == 7


def test_system_message_of_template_replaces_that_of_session(run, sent, serve, stored):
    stored(COMMIT)
    server = serve(OpenWebUI(models=["ctx-large"]))
    exported = {"CONTEXTOPS_BASE_URL": server.url, "CONTEXTOPS_API_KEY": KEY}
    argv = ["chat", "send", "--session", "s", "-m", "ctx-large", "-s", "First.", "hi"]
    assert run(*argv, env=exported).status == 0
    body = sent("--session", "s", "--template", "commit", "--var", "kind=a", "x")
    assert contents(body)[0] == "You are terse."


def test_paths_in_template_are_relative_to_config_file(sent, stored):
    path = stored("[templates.t]\nprompt='p'\nmodel='m'\nsystem='@me.md'\nschema='s.json'\n")
    (path.parent / "me.md").write_text("Me.")
    (path.parent / "s.json").write_text('{"type": "object"}')
    body = sent("--template", "t")
    assert contents(body)[0] == "Me."
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_schema_flag_beats_schema_of_template(sent, run, stored, tmp_path):
    stored("[templates.t]\nprompt = 'p'\nmodel = 'm'\nschema = 'missing.json'\n")
    (tmp_path / "typed.json").write_text('{"type": "array"}')
    body = sent("--template", "t", "--schema", tmp_path / "typed.json")
    assert body["response_format"]["json_schema"]["schema"] == {"type": "array"}
    assert_fails(run("chat", "send", "--template", "t"), 26, "missing.json")


def test_response_format_beside_schema_is_refused(run, stored):
    stored("[templates.t]\nprompt = 'p'\nmodel = 'm'\nschema = 's.json'\n")
    result = run("chat", "send", "--template", "t", "--param", "response_format={}")
    assert_fails(result, 2, "response_format is set twice")


@pytest.mark.parametrize("flag", ["-x", "--jsonl"])
def test_schema_of_template_excludes_the_same_flags(run, stored, flag):
    stored("[templates.t]\nprompt = 'p'\nmodel = 'm'\nschema = 's.json'\n")
    result = run("chat", "send", "--template", "t", flag)
    assert result.status == 2
    assert "the template's schema" in result.stderr
    assert flag in result.stderr


# --- errors ---


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        ([], 2, ["template pair needs a value for a, b", "--var a=VALUE --var b=VALUE"]),
        (["--var", "a=1"], 2, ["template pair needs a value for b;", "add --var b=VALUE\n"]),
        (["--var", "a=1", "--var", "b=2", "--var", "c=3"], 2, ["no field c", "it has a, b"]),
        (["--var", "a=1", "--var", "a=2"], 2, ["a is set twice"]),
        (["--var", "a"], 2, ["--var is not NAME=VALUE"]),
        (["--var", "=1"], 2, ["--var is not NAME=VALUE"]),
        (["--var", "a-b=1"], 2, ["letters, digits and _"]),
        (["--var", "input=1"], 2, ["--var cannot set input"]),
        (["--template", "pairs"], 3, ["no template pairs", "did you mean pair?"]),
        (["--template", "zzz"], 3, ["has pair, other", "contextops config set templates.NAME"]),
        (["--template", ""], 2, ["its name is empty"]),
    ],
)
def test_values_that_do_not_fit_template_are_refused_before_input(run, stored, argv, status, words):
    stored("[templates.pair]\nprompt = '{a} {b}'\n[templates.other]\n")
    # Standard input is not UTF-8: the status would be 26 if it were read.
    result = run("chat", "send", "--template", "pair", *argv, input=b"\xff")
    assert_fails(result, status, *words)


def test_variable_without_template_is_refused(run):
    assert_fails(run("chat", "send", "--var", "a=1", "x"), 2, "add --template NAME")


def test_template_without_config_file_is_refused(run):
    assert_fails(run("chat", "send", "--template", "t"), 3, "the config file has none")


@posix
def test_value_that_is_not_utf8_is_input_error(command, stored):
    stored("[templates.t]\nprompt = '{a}'\n")
    assert_fails(command("chat", "send", "--template", "t", "--var", "a=\udcff"), 26, "--var")


@pytest.mark.parametrize(
    ("text", "place", "key"),
    [
        ("templates = 3\n", "line 1, column 1", "templates"),
        ("[templates]\nt = 3\n", "line 2, column 1", "t"),
        ("[templates.t]\nprompt = 3\n", "line 2, column 1", "prompt"),
        ("[templates.t]\nprompt = ''\n", "line 2, column 1", "prompt"),
        ("[templates.t]\nsystem = 's'\n  model = ['m']\n", "line 3, column 3", "model"),
        ("[templates.t.params]\nmodel = 'm'\n", "line 1, column 14", "params"),
        ("[profiles.t]\nmodel = 'm'\n[templates.t]\nschema = {}\n", "line 4, column 1", "schema"),
    ],
)
@pytest.mark.parametrize("argv", [["chat", "send", "x"], ["config", "list"]])
def test_wrong_type_in_template_is_reported_with_line(run, stored, text, place, key, argv):
    path = stored(text)
    assert_fails(run(*argv), 3, f"{path}: {place}: {key}: ", "contextops config edit")


def test_unknown_key_is_noted_where_template_is_used(run, stored):
    path = stored(
        '[templates.a]\npromt = "p"\n\n[templates.b]\nprompt = "p"\nmodel = "m"\n',
    )
    note = f"contextops: note: unknown key promt in {path} [templates.a]; did you mean prompt?\n"
    result = run("chat", "send", "--dry-run", "--template", "a", "-m", "m", "x")
    assert (result.status, result.stderr) == (0, note)
    assert run("config", "list").stderr == note
    assert run("chat", "send", "--dry-run", "--template", "b").stderr == ""
    assert run("config", "unset", "templates.a.promt").stderr == ""
    assert run("config", "list").stderr == ""


# --- contextops config ---


def test_template_settings_are_stored_in_their_types(run, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = {
        "prompt": "Sum up: {input}\n",
        "system": "@me.md",
        "schema": "s.json",
        "model": "m",
        "params.temperature": "0.2",
        "params.logit_bias.50256": "-100",
    }
    for key, value in values.items():
        result = run("config", "set", f"templates.brief.{key}", value)
        assert (result.status, result.stdout, result.stderr) == (0, "", "")
    assert read(path) == {
        "templates": {
            "brief": {
                "prompt": "Sum up: {input}\n",
                "system": f"@{tmp_path / 'me.md'}",
                "schema": str(tmp_path / "s.json"),
                "model": "m",
                "params": {"temperature": 0.2, "logit_bias": {"50256": -100}},
            }
        }
    }


def test_templates_belong_to_no_profile(run, path):
    exported = {"CONTEXTOPS_PROFILE": "nowhere"}
    assert run("config", "set", "templates.a.prompt=p", env=exported).status == 0
    assert run("config", "set", "--local", "templates.b.prompt=p").status == 0
    assert run("config", "set", "templates.b.model=m", "model=n").status == 0
    assert read(path) == {
        "templates": {"a": {"prompt": "p"}, "b": {"prompt": "p", "model": "m"}},
        "profiles": {"default": {"model": "n"}},
    }
    assert run("config", "unset", "templates.a", env=exported).status == 0


def test_template_name_may_contain_blanks_dots_and_key_names(run, path):
    for name in ("my own", "x.y", "prompt", "params", "default"):
        assert run("config", "set", f"templates.{name}.prompt", name).status == 0
        assert run("config", "get", f"templates.{name}.prompt").stdout == f"{name}\n"
    assert set(read(path)["templates"]) == {"my own", "x.y", "prompt", "params", "default"}
    assert run("config", "set", "templates.x.y.params.model.z", "1").status == 2
    document = json.loads(run("config", "list", "--json").stdout)
    assert document["templates"]["x.y"] == {"prompt": "x.y"}


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["templates.t.promt", "p"], 2, ["did you mean prompt?"]),
        (["templates.t.zzz", "p"], 2, ["a template has prompt, system, model, params, schema"]),
        (["templates.t", "p"], 2, ["write templates.NAME.KEY"]),
        (["templates", "p"], 2, ["templates.NAME.KEY"]),
        (["templates..prompt", "p"], 2, ["templates.NAME.KEY"]),
        (["templates.t.prompt.x", "p"], 2, ["prompt has no keys below it"]),
        (["templates.t.prompt", ""], 2, ["contextops config unset templates.t.prompt"]),
        (["templates.t.params", "3"], 2, ["JSON object"]),
        (["templates.t.params.stream", "true"], 2, ["stream cannot be set as a parameter"]),
    ],
)
def test_invalid_template_key_or_value_is_refused(run, path, argv, status, words):
    assert_fails(run("config", "set", *argv), status, *words)
    assert not path.exists()


def test_get_prints_values_of_template(run, stored):
    stored(COMMIT)
    assert run("config", "get", "templates.commit.system").stdout == "You are terse.\n"
    assert run("config", "get", "templates.commit.params.seed").stdout == "7\n"
    assert run("config", "get", "templates.commit.params").stdout == '{"temperature":0,"seed":7}\n'
    template = json.loads(run("config", "get", "--json", "templates.commit").stdout)
    assert list(template) == ["system", "prompt", "model", "params"]
    for key in ("schema", "params.stop", "params.seed.x"):
        assert_fails(run("config", "get", f"templates.commit.{key}"), 3, "is not set")
    assert_fails(run("config", "get", "templates.comit.model"), 3, "did you mean commit?")


def test_templates_are_listed_after_settings(run, stored):
    path = stored(COMMIT)
    lines = run("config", "list").stdout.splitlines()
    assert lines[-5:] == [
        "templates.commit.system = You are terse.",
        "templates.commit.prompt = A {kind} commit message for: {input}",
        "templates.commit.model = ctx-large",
        "templates.commit.params.temperature = 0",
        "templates.commit.params.seed = 7",
    ]
    line = run("config", "list", "--show-origin").stdout.splitlines()[-1]
    assert line == f"{path} [templates.commit]\ttemplates.commit.params.seed = 7"
    document = json.loads(run("config", "list", "--json").stdout)
    assert document["templates"]["commit"]["params"] == {"temperature": 0, "seed": 7}
    document = json.loads(run("config", "list", "--json", "--show-origin").stdout)
    assert document["templates"]["commit"]["model"] == {
        "value": "ctx-large",
        "origin": f"{path} [templates.commit]",
    }


@posix
def test_templates_are_in_table_on_terminal(terminal, stored):
    stored(COMMIT)
    child = terminal("config", "list", columns=120)
    child.expect(r"KEY +VALUE\r\n")
    child.expect(r"templates.commit.model +ctx-large\r\n")


def test_template_or_part_of_it_is_unset(run, stored):
    path = stored(f"{COMMIT}\n[templates.other]\nprompt = 'p'\n")
    keys = ["templates.commit.params.seed", "templates.commit.model"]
    assert run("config", "unset", *keys).status == 0
    assert read(path)["templates"]["commit"] == {
        "system": "You are terse.",
        "prompt": "A {kind} commit message for: {input}",
        "params": {"temperature": 0},
    }
    assert run("config", "unset", "templates.commit").status == 0
    assert read(path) == {"templates": {"other": {"prompt": "p"}}}
    assert run("config", "unset", "templates.other.prompt").status == 0
    assert read(path) == {}


def test_unset_of_unset_template_key_succeeds(run, stored):
    path = stored(COMMIT)
    result = run("config", "unset", "templates.commit.schema")
    assert (result.status, result.stderr) == (0, "")
    assert_fails(run("config", "unset", "templates.comit"), 3, "did you mean commit?")
    assert_fails(run("config", "unset", "templates"), 2, "templates.NAME.KEY")
    assert path.read_text() == COMMIT
