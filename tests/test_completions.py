"""The completion scripts in their own shells: a real TAB, and what it answers."""

from __future__ import annotations

import runpy
import shutil
import signal
import subprocess
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest

from command_tree import COMMANDS
from contextops.api.model_ids import save_model_ids
from contextops.config import SETTINGS

pytestmark = [
    pytest.mark.shells,
    pytest.mark.skipif(sys.platform == "win32", reason="these are shells of POSIX"),
]

SCRIPTS = Path(__file__).parents[1] / "completions"

CONFIG = """
default_profile = "work"

[profiles.work]
base_url = "https://ai.example.com"

[profiles.work.params]
temperature = 0.2

[profiles."my lab"]  # has a blank
[ profiles . 'x.y' ]
[templates.brief]
[templates.brief.params]
[templates."in French"]
"""
MODELS = {
    # A hostile server may list what a shell would run.
    "work": ["llama3.1:8b", "llama3.1:70b", "qwen 2", "x$(echo>run)`echo>run`;*"],
    "my lab": ["lab-1"],
    "local": ["smol"],
    "default": ["plain"],
}
SESSIONS = ["review", "v1.2"]
PROFILES = {"default", "local", "work", "my lab", "x.y"}
KEYS = {*SETTINGS, "default_profile"}


# --- the shells -----------------------------------------------------------------------------------


class Fish:
    """fish, which tells what a TAB would offer."""

    load = "source SCRIPTS/contextops.fish"

    def __init__(self, place, load=""):
        self.place = place
        self._load = (load or self.load).replace("SCRIPTS", str(SCRIPTS))

    def offers(self, line):
        """Give the words that the last one can become."""
        return set(self.helps(line))

    def helps(self, line):
        told = self.run(f"{self._load}; complete -C $argv", line)
        assert told.stderr == ""
        return dict(f"{each}\t".split("\t")[:2] for each in told.stdout.splitlines())

    def becomes(self, line):
        """Give the words that the command would get after a TAB."""
        (only,) = self.offers(line)
        return [*line.split(" ")[1:-1], only]

    def run(self, *command):
        return subprocess.run(
            [shutil.which("fish"), "--no-config", "-c", *command],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.place.work,
            env=self.place.environment,
        )

    def export(self, name, value):
        self.place.environment[name] = value

    def close(self):
        pass


class OnTerminal:
    """A shell that is typed to on a pseudo-terminal.

    It says what it has to say between two control characters, apart from what it draws.
    """

    def __init__(self, place, load=""):
        self.place = place
        pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
        rc = place.home / self.rc
        text = f"{load or self.load}\n{self.setup}"
        rc.write_text(text.replace("SCRIPTS", str(SCRIPTS)), encoding="utf-8")
        program, *words = self.argv
        with warnings.catch_warnings():
            # From 3.12 on forking beside threads warns; the child does nothing but exec.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._terminal = pexpect.spawn(
                shutil.which(program),
                [word.replace("RC", str(rc)) for word in words],
                env={**place.environment, "ZDOTDIR": str(place.home)},
                cwd=place.work,
                dimensions=(100, 200),
                encoding="utf-8",
                timeout=10,
            )
        self._terminal.delaybeforesend = None
        self._said()

    def _said(self):
        self._terminal.expect("\x1e([^\x1f]*)\x1f")
        return self._terminal.match[1].replace("\r\n", "\n").split("\n")

    def offers(self, line):
        """Give the words that the last one can become."""
        self._terminal.send(f"{line}\t")
        seen, *offered = self._said()
        # Ctrl-U
        self._terminal.send("\x15")
        # A shell may see only the end of the word, such as what stands behind its "=".
        before = line.rpartition(" ")[2].removesuffix(seen)
        return {f"{before}{each}" for each in offered if each}

    def becomes(self, line):
        """Give the words that the command would get after a TAB."""
        self._terminal.send(f"{line}\t")
        self._said()
        self._terminal.send("\r")
        return self._said()

    def shows(self, line):
        """Give what the terminal shows for the list of the answers."""
        self._terminal.send(f"{line}\t")
        self._said()
        self._terminal.send("\x15say\r")
        self._terminal.expect("\x1e\x1f")
        return self._terminal.before

    def run(self, command):
        self._terminal.send(f"{command}; say\r")
        self._said()

    def export(self, name, value):
        self.run(f"export {name}='{value}'" if value else f"unset {name}")

    def close(self):
        # Shells take their time over a hang-up.
        self._terminal.kill(signal.SIGKILL)
        self._terminal.close(force=True)


class Bash(OnTerminal):
    """bash."""

    rc = ".bashrc"
    argv = ("bash", "--noprofile", "--rcfile", "RC", "-i")
    load = "source SCRIPTS/contextops.bash"
    setup = r"""
        say() { local IFS=$'\n'; printf '\x1e%s\x1f' "$*"; }
        contextops() { say "$@"; }
        answer() { _contextops "$@"; say "$2" "${COMPREPLY[@]-}"; }
        eval "$(complete -p contextops | { read -r line; echo "${line/_contextops/answer}"; })"
        command_not_found_handle() { echo "$1" >>started; }
        bind 'set completion-query-items 0'
        bind 'set page-completions off'
        PS1='$ '
        say
    """


class Zsh(OnTerminal):
    """zsh, with the script where it is autoloaded from."""

    rc = ".zshrc"
    argv = ("zsh", "-d", "-i")
    load = "fpath=(SCRIPTS $fpath); autoload -Uz compinit; compinit -u -D"
    setup = r"""
        say() { print -rn -- $'\x1e'"${(F)@}"$'\x1f' }
        contextops() { say "$@" }
        compadd() {
            # Not where it is only asked what would match.
            if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
                local -a hits
                local suffix
                ((${@[(I)-S]})) && suffix=${@[${@[(i)-S]} + 1]}
                builtin compadd -A hits "$@"
                offered+=($IPREFIX$^hits$suffix)
            fi
            builtin compadd "$@"
        }
        answer() {
            local word=${LBUFFER##* }
            offered=()
            zle expand-or-complete
            say "$word" "$offered[@]"
        }
        zle -N answer
        bindkey '^I' answer
        # It is not to ask whether all is to be shown.
        LISTMAX=1000
        command_not_found_handler() { echo "$1" >>started }
        PS1='$ '
        say
    """


SHELLS = {"bash": Bash, "zsh": Zsh, "fish": Fish}


class Place:
    """A home with profiles, a folder with files, and no program but those that must not start."""

    def __init__(self, folder):
        self.home, self.work, programs = (folder / name for name in ("home", "work", "programs"))
        self.started = self.work / "started"
        config, state = (self.home / each / "contextops" for each in (".config", ".local/state"))
        self.models = self.home / ".cache/contextops/models"
        for each in (config, state, self.models, self.work / "folder", programs):
            each.mkdir(parents=True)
        for name in SESSIONS:
            (state / f"{name}.jsonl").touch()
        (state / "history").touch()
        for name, ids in MODELS.items():
            save_model_ids(self.models.parent, name, ids)
        (config / "config.toml").write_text(CONFIG, encoding="utf-8")
        for name in ("notes.txt", "two words.md", "folder/inner.json"):
            (self.work / name).touch()
        for name in ("contextops", "python", "python3"):
            (programs / name).write_text(f"#!/bin/sh\necho {name} >>'{self.started}'\n")
            (programs / name).chmod(0o755)
        self.environment = {
            "HOME": str(self.home),
            "PATH": str(programs),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a shell that has loaded its script."""
    with ExitStack() as stack:

        def start(name, load=""):
            if not shutil.which(name):
                pytest.skip(f"no {name} on this machine")
            shell = SHELLS[name](Place(tmp_path_factory.mktemp(name)), load)
            stack.callback(shell.close)
            return shell

        yield start


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, start):
    started = start(request.param)
    yield started
    assert not started.place.started.exists()


# --- what a TAB offers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cha", {"chat"}),
        ("chat ", {"send", "repl"}),
        ("config ", {"set", "get", "list", "unset", "path", "edit", "use", "check"}),
        # Past options and their values.
        ("--profile work -q --color=never ch", {"chat"}),
        ("--profile chat mod", {"models"}),
        ("-H 'X-A: b c' chat --local ", {"send", "repl"}),
        ("-qH chat mod", {"models"}),
        ("-qHchat mod", {"models"}),
        ("--retries 3 chat -q send --mo", {"--model"}),
        ("chat send two words --mo", {"--model"}),
        ("-- cha", {"chat"}),
        # Values.
        ("--color ", {"auto", "always", "never"}),
        ("chat send --color al", {"always"}),
        ("chat send --color=al", {"--color=always"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("help ", {"exit-codes", "environment"}),
        ("api P", {"POST", "PUT", "PATCH"}),
        ("config use wo", {"work"}),
        ("chat send --profile x", {"x.y"}),
        ("--profile=w", {"--profile=work"}),
        # Settings.
        ("config get ", KEYS | {"profile"}),
        ("config unset model ", KEYS),
        ("config set allow", {"allow_http"}),
        ("config set allow_http ", {"true", "false"}),
        ("config set allow_http=t", {"allow_http=true"}),
        ("config set model=a retr", {"retries="}),
        ("config set default_profile w", {"work"}),
        ("config set model pl", set()),
        ("config set model=llama3.1:7", {"model=llama3.1:70b"}),
        ("config set --profile local model ", {"smol"}),
        # Sessions.
        ("chat send --session ", set(SESSIONS)),
        ("chat repl --session=r", {"--session=review"}),
        ("session show ", set(SESSIONS)),
        ("session rm review v", {"v1.2"}),
        ("config set session r", {"review"}),
        # Models, of the profile that is meant.
        ("chat send -m llama", {"llama3.1:8b", "llama3.1:70b"}),
        ("chat send --model=llama3.1:7", {"--model=llama3.1:70b"}),
        ("models check llama3.1:8b llama3.1:7", {"llama3.1:70b"}),
        ("models list l", {"llama3.1:8b", "llama3.1:70b"}),
        ("--profile local chat send -m ", {"smol"}),
        ("chat repl --local -m ", {"smol"}),
        ("--local chat send --profile=default -m ", {"plain"}),
        ("--profile 'my lab' chat send -m ", {"lab-1"}),
        ("--profile my\\ lab chat send -m ", {"lab-1"}),
        ("--profile x.y chat send -m ", set()),
        # Nothing, rather than what does not fit.
        ("chat send ", set()),
        ("chat send -- --mo", set()),
        ("api GET ", set()),
        ("config set proxy ", set()),
        ("--base-url ", set()),
        ("chat send -s ", set()),
        ("chat send --color x", set()),
        ("chatter ", set()),
        ("chatter send --mo", set()),
    ],
)
def test_offers(shell, line, words):
    assert shell.offers(f"contextops {line}") == words


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--api-key-file no", "notes.txt"),
        ("--api-key-file=no", "--api-key-file=notes.txt"),
        ("serve --model-file folder/", "folder/inner.json"),
        ("chat send -s @no", "@notes.txt"),
        ("chat send -s@no", "-s@notes.txt"),
        ("chat send --system=@no", "--system=@notes.txt"),
        ("chat send --system @two", "@two words.md"),
        ("api POST x -d @folder/", "@folder/inner.json"),
        ("api POST x -F file=@no", "file=@notes.txt"),
        ("api POST x --form=file=@no", "--form=file=@notes.txt"),
        ("config set ca_bundle no", "notes.txt"),
        ("config set system=@no", "system=@notes.txt"),
        ("--profile my", "my lab"),
        ("config use my", "my lab"),
        ("chat send --template in", "in French"),
        ("chat send -m qw", "qwen 2"),
        ("chat send -m x", MODELS["work"][-1]),
        ("chat send --session folder/", "folder/inner.json"),
    ],
)
def test_becomes(shell, line, word):
    assert shell.becomes(f"contextops {line}") == [*line.split(" ")[:-1], word]


@pytest.mark.parametrize(
    ("command", "options", "subcommands"), COMMANDS, ids=[command for command, *_ in COMMANDS]
)
def test_every_command_and_option(shell, command, options, subcommands):
    # zsh has the "=" of --model= in the word, and takes it away when a blank is typed.
    assert {each.removesuffix("=") for each in shell.offers(f"{command} -")} == options
    if subcommands:
        assert shell.offers(f"{command} ") == subcommands


def test_the_scripts_are_what_the_generator_writes():
    for path, text in runpy.run_path(str(SCRIPTS / "generate.py"))["scripts"]():
        assert path.read_text(encoding="utf-8") == text, "run: python completions/generate.py"


MAX_TIME = "Time limit for everything; 0 is none [none; 30s for models and config check]"


@pytest.mark.parametrize("shell", ["fish"], indirect=True)
def test_helps_in_fish(shell):
    assert shell.helps("contextops chat send --max") == {
        "--max-time": MAX_TIME,
        "--max-tokens": "Stop after N tokens",
    }
    assert shell.helps("contextops cha") == {"chat": "Ask a model"}
    assert shell.helps("contextops config get proxy") == {
        "proxy": "the proxy, instead of the environment's"
    }


@pytest.mark.parametrize("shell", ["zsh"], indirect=True)
def test_helps_in_zsh(shell):
    shown = shell.shows("contextops chat send --max")
    assert MAX_TIME in shown
    assert "Stop after N tokens" in shown
    assert "The server, e.g. https://ai.example.com" in shell.shows("contextops --")
    assert "Ask a model" in shell.shows("contextops ")
    assert "where its API begins: /api, or /v1" in shell.shows("contextops config get ")


# --- profiles -------------------------------------------------------------------------------------


def test_profiles(shell):
    quoted = {name.replace(" ", "\\ ") for name in PROFILES}
    offered = shell.offers("contextops --profile ")
    assert offered in (PROFILES, quoted)
    assert offered == shell.offers("contextops config use ")


@pytest.fixture
def export(shell):
    """Export variables in the shell for one test."""
    names = set()

    def export(**variables):
        for name, value in variables.items():
            names.add(name)
            shell.export(name, value)

    yield export
    for name in names:
        shell.export(name, "")


def test_templates(shell):
    offered = shell.offers("contextops chat send --template ")
    assert offered in ({"brief", "in French"}, {"brief", "in\\ French"})
    assert shell.offers("contextops chat send --template=b") == {"--template=brief"}


def test_without_a_file_there_are_no_templates(shell, export):
    export(CONTEXTOPS_CONFIG="/nowhere/config.toml")
    assert shell.offers("contextops chat send --template ") == set()


def test_profiles_of_the_file_that_is_named(shell, export, tmp_path):
    file = tmp_path / "other file.toml"
    file.write_text("[profiles.other]\r\n[profiles.last]", encoding="utf-8")
    export(CONTEXTOPS_CONFIG=str(file), XDG_CONFIG_HOME="/nowhere")
    assert shell.offers("contextops --profile ") == {"default", "local", "other", "last"}
    file.unlink()
    assert shell.offers("contextops --profile ") == {"default", "local"}


def test_profiles_of_the_file_below_xdg(shell, export, tmp_path):
    (tmp_path / "contextops").mkdir()
    (tmp_path / "contextops/config.toml").write_text("[profiles.other]", encoding="utf-8")
    export(XDG_CONFIG_HOME=str(tmp_path))
    assert shell.offers("contextops --profile o") == {"other"}
    # The specification has relative paths ignored.
    export(XDG_CONFIG_HOME="relative")
    assert shell.offers("contextops --profile w") == {"work"}


def test_models_of_the_profile_that_is_exported(shell, export, tmp_path):
    export(CONTEXTOPS_PROFILE="my lab")
    assert shell.offers("contextops chat send -m ") == {"lab-1"}
    assert shell.offers("contextops --local chat send -m ") == {"smol"}
    export(CONTEXTOPS_PROFILE="", CONTEXTOPS_CONFIG="/nowhere/config.toml")
    assert shell.offers("contextops chat send -m ") == {"plain"}
    save_model_ids(tmp_path / "contextops", "default", ["other"])
    export(XDG_CACHE_HOME=str(tmp_path))
    assert shell.offers("contextops chat send -m ") == {"other"}


def test_sessions_of_the_folder_that_is_exported(shell, export, tmp_path):
    export(XDG_STATE_HOME=str(tmp_path))
    assert shell.offers("contextops session show ") == set()
    (tmp_path / "contextops").mkdir()
    assert shell.offers("contextops session show ") == set()
    (tmp_path / "contextops/a.b.jsonl").touch()
    assert shell.offers("contextops session show ") == {"a.b"}


def test_the_name_of_a_profile_is_mere_text(shell, export, tmp_path):
    file = tmp_path / "config.toml"
    hostile = "x$(echo>run)`echo>run`;*"
    file.write_text(f"[profiles.'{hostile}']\n", encoding="utf-8")
    export(CONTEXTOPS_CONFIG=str(file))
    assert shell.becomes("contextops --profile x") == ["--profile", hostile]
    assert not (shell.place.work / "run").exists()


# --- how the scripts are loaded, and by whom ------------------------------------------------------


@pytest.mark.parametrize("name", SHELLS)
def test_a_tab_starts_no_program(start, name):
    shell = start(name)
    for line in (
        "",
        "cha",
        "--profile ",
        "chat send -s @",
        "config set model=a ",
        "api POST x -F f=@",
        "chat send -m ",
        "session show ",
    ):
        shell.offers(f"contextops {line}")
    assert not shell.place.started.exists()
    # What the guard relies on: it would be seen.
    shell.run("python")
    assert shell.place.started.read_text() == "python\n"


def test_zsh_answers_the_first_tab(start):
    # Nothing but the name is loaded before.
    assert start("zsh").becomes("contextops cha") == ["chat"]


def test_zsh_evaluates_the_script_too(start):
    load = 'autoload -Uz compinit; compinit -u -D; eval "$(<SCRIPTS/_contextops)"'
    assert start("zsh", load).becomes("contextops cha") == ["chat"]


def test_fish_finds_the_script_by_itself(start):
    shell = start("fish", "set fish_complete_path SCRIPTS")
    assert shell.offers("contextops cha") == {"chat"}


@pytest.mark.parametrize(
    "taste",
    [
        "set -u",
        "shopt -s extglob nullglob failglob; IFS=c",
        "shopt -u hostcomplete",
        "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}",
        # As it is before bash 4.
        "enable -n compopt",
    ],
)
def test_bash_as_its_user_likes_it(start, taste):
    shell = start("bash", f'{taste}; eval "$(<SCRIPTS/contextops.bash)"')
    assert shell.offers("contextops --profile work -q chat ") == {"send", "repl"}
    assert shell.offers("contextops --color=al") == {"--color=always"}
    assert shell.becomes("contextops --profile my") == ["--profile", "my lab"]
    assert shell.becomes("contextops --api-key-file no") == ["--api-key-file", "notes.txt"]
    assert shell.becomes("contextops chat send -s @two")[-1] == "@two words.md"
    assert shell.becomes("contextops api POST x -F a=@no")[-1] == "a=@notes.txt"


@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
@pytest.mark.parametrize("typed", ['"my', "'my", "my\\ l"])
def test_quotes(shell, typed):
    assert shell.becomes(f"contextops --profile {typed}") == ["--profile", "my lab"]


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_bash_completes_what_stands_before_the_cursor(shell):
    left = "\x1b[D"
    assert shell.becomes(f"contextops --col chat send{left * 10}")[0] == "--color"


@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
@pytest.mark.parametrize("typed", ["<no", "< no"])
def test_a_redirection_takes_a_file(shell, typed):
    # It would not run without one.
    assert shell.becomes(f"contextops chat send {typed}") == ["chat", "send"]
