"""The completion scripts in real shells: what a TAB offers and inserts."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest

import contextops
from command_tree import COMMANDS
from contextops.api.model_ids import save_model_ids
from contextops.config import SETTINGS, load_config
from contextops.config.names import save_names

pytestmark = [
    pytest.mark.shells,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells"),
]

SCRIPTS = Path(__file__).parents[1] / "completions"

CONFIG = """
default_profile = "work"

[profiles.work]
base_url = "https://ai.example.com"

[profiles.work.params]
temperature = 0.2

[profiles."my lab"]  # contains a space
[ profiles . 'x.y' ]
[templates.brief]
[templates.brief.params]
[templates."in French"]
"""
MODELS = {
    # A malicious server may list ids that a shell would run.
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
    """fish, whose ``complete -C`` prints what a TAB would offer."""

    load = "source SCRIPTS/contextops.fish"

    def __init__(self, sandbox, load=""):
        self.sandbox = sandbox
        self._load = (load or self.load).replace("SCRIPTS", str(SCRIPTS))

    def offers(self, line):
        """Return the words that the last word can be completed to."""
        return set(self.descriptions(line))

    def descriptions(self, line):
        result = self.run(f"{self._load}; complete -C $argv", line)
        assert result.stderr == ""
        return dict(f"{each}\t".split("\t")[:2] for each in result.stdout.splitlines())

    def becomes(self, line):
        """Return the arguments that the command receives after a TAB."""
        (only,) = self.offers(line)
        return [*line.split(" ")[1:-1], only]

    def run(self, *command):
        return subprocess.run(
            [shutil.which("fish"), "--no-config", "-c", *command],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.sandbox.work,
            env=self.sandbox.environment,
        )

    def export(self, name, value):
        self.sandbox.environment[name] = value

    def close(self):
        pass


class TerminalShell:
    """A shell on a pseudo-terminal.

    It prints its answers between two control characters, to tell them from what it draws.
    """

    def __init__(self, sandbox, load=""):
        self.sandbox = sandbox
        pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
        rc = sandbox.home / self.rc
        text = f"{load or self.load}\n{self.setup}"
        rc.write_text(text.replace("SCRIPTS", str(SCRIPTS)), encoding="utf-8")
        program, *words = self.argv
        with warnings.catch_warnings():
            # Python 3.12 and later warn about forking with threads; the child only calls exec.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._terminal = pexpect.spawn(
                shutil.which(program),
                [word.replace("RC", str(rc)) for word in words],
                env={**sandbox.environment, "ZDOTDIR": str(sandbox.home)},
                cwd=sandbox.work,
                dimensions=(100, 200),
                encoding="utf-8",
                timeout=10,
            )
        self._terminal.delaybeforesend = None
        self._read_answer()

    def _read_answer(self):
        self._terminal.expect("\x1e([^\x1f]*)\x1f")
        return self._terminal.match[1].replace("\r\n", "\n").split("\n")

    def offers(self, line):
        """Return the words that the last word can be completed to."""
        self._terminal.send(f"{line}\t")
        typed_part, *offered = self._read_answer()
        # Ctrl-U
        self._terminal.send("\x15")
        # A shell may complete only the end of the word, such as the part after "=".
        before = line.rpartition(" ")[2].removesuffix(typed_part)
        return {f"{before}{each}" for each in offered if each}

    def becomes(self, line):
        """Return the arguments that the command receives after a TAB."""
        self._terminal.send(f"{line}\t")
        self._read_answer()
        self._terminal.send("\r")
        return self._read_answer()

    def shows(self, line):
        """Return what the terminal shows as the list of completions."""
        self._terminal.send(f"{line}\t")
        self._read_answer()
        self._terminal.send("\x15say\r")
        self._terminal.expect("\x1e\x1f")
        return self._terminal.before

    def run(self, command):
        self._terminal.send(f"{command}; say\r")
        self._read_answer()

    def export(self, name, value):
        self.run(f"export {name}='{value}'" if value else f"unset {name}")

    def close(self):
        # Shells end slowly after SIGHUP.
        self._terminal.kill(signal.SIGKILL)
        self._terminal.close(force=True)


class Bash(TerminalShell):
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


class Zsh(TerminalShell):
    """zsh, with the script in a folder that it autoloads from."""

    rc = ".zshrc"
    argv = ("zsh", "-d", "-i")
    load = "fpath=(SCRIPTS $fpath); autoload -Uz compinit; compinit -u -D"
    setup = r"""
        say() { print -rn -- $'\x1e'"${(F)@}"$'\x1f' }
        contextops() { say "$@" }
        compadd() {
            # Not where it is called only to see what matches.
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
        # Otherwise it asks before it shows a long list.
        LISTMAX=1000
        command_not_found_handler() { echo "$1" >>started }
        PS1='$ '
        say
    """


SHELLS = {"bash": Bash, "zsh": Zsh, "fish": Fish}


class Sandbox:
    """A home with profiles, a folder with files, and a PATH of programs that must not start."""

    def __init__(self, folder):
        self.home, self.work = folder / "home", folder / "work"
        self.programs = folder / "programs"
        self.started = self.work / "started"
        config, state = (self.home / each / "contextops" for each in (".config", ".local/state"))
        self.models = self.home / ".cache/contextops/models"
        for each in (config, state, self.models, self.work / "folder", self.programs):
            each.mkdir(parents=True)
        for name in SESSIONS:
            (state / f"{name}.jsonl").touch()
        (state / "history").touch()
        for name, ids in MODELS.items():
            save_model_ids(self.models.parent, name, ids)
        self.config = config / "config.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        for name in ("notes.txt", "two words.md", "folder/inner.json"):
            (self.work / name).touch()
        for name in ("contextops", "python", "python3"):
            (self.programs / name).write_text(f"#!/bin/sh\necho {name} >>'{self.started}'\n")
            (self.programs / name).chmod(0o755)
        self.environment = {
            "HOME": str(self.home),
            "PATH": str(self.programs),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        save_names(load_config(self.config), self.environment)


@pytest.fixture(scope="module")
def start_shell(tmp_path_factory):
    """Return a function that starts a shell with its completion script loaded."""
    with ExitStack() as stack:

        def start_shell(name, load=""):
            if not shutil.which(name):
                pytest.skip(f"needs {name}")
            shell = SHELLS[name](Sandbox(tmp_path_factory.mktemp(name)), load)
            stack.callback(shell.close)
            return shell

        yield start_shell


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, start_shell):
    loaded = start_shell(request.param)
    yield loaded
    assert not loaded.sandbox.started.exists()


# --- completed words ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cha", {"chat"}),
        ("chat ", {"send", "repl"}),
        ("config ", {"set", "get", "list", "unset", "path", "edit", "use", "check"}),
        # After options and their values.
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
        # Models of the selected profile.
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
        # Nothing is offered where no completion is known.
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
def test_tab_offers_words(shell, line, words):
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
def test_tab_completes_word(shell, line, word):
    assert shell.becomes(f"contextops {line}") == [*line.split(" ")[:-1], word]


@pytest.mark.parametrize(
    ("command", "options", "subcommands"), COMMANDS, ids=[command for command, *_ in COMMANDS]
)
def test_tab_offers_every_command_and_option(shell, command, options, subcommands):
    # zsh inserts --model= and removes the "=" when a space is typed.
    assert {each.removesuffix("=") for each in shell.offers(f"{command} -")} == options
    if subcommands:
        assert shell.offers(f"{command} ") == subcommands


def test_scripts_are_up_to_date():
    for path, text in runpy.run_path(str(SCRIPTS / "generate.py"))["scripts"]():
        assert path.read_text(encoding="utf-8") == text, "run: python completions/generate.py"


MAX_TIME = "Time limit for the command; 0 is none [none; 30s for models and config check]"


@pytest.mark.parametrize("shell", ["fish"], indirect=True)
def test_fish_shows_descriptions(shell):
    assert shell.descriptions("contextops chat send --max") == {
        "--max-time": MAX_TIME,
        "--max-tokens": "Stop after N tokens",
    }
    assert shell.descriptions("contextops cha") == {"chat": "Ask a model"}
    assert shell.descriptions("contextops config get proxy") == {
        "proxy": "Proxy, in place of the environment's"
    }


@pytest.mark.parametrize("shell", ["zsh"], indirect=True)
def test_zsh_shows_descriptions(shell):
    shown = shell.shows("contextops chat send --max")
    assert MAX_TIME in shown
    assert "Stop after N tokens" in shown
    assert "Address of the server, e.g. https://ai.example.com" in shell.shows("contextops --")
    assert "Ask a model" in shell.shows("contextops ")
    assert "Path of the API: /api, or /v1" in shell.shows("contextops config get ")


# --- profiles -------------------------------------------------------------------------------------


def test_tab_offers_profiles(shell):
    quoted = {name.replace(" ", "\\ ") for name in PROFILES}
    offered = shell.offers("contextops --profile ")
    assert offered in (PROFILES, quoted)
    assert offered == shell.offers("contextops config use ")


@pytest.fixture
def export(shell):
    """Return a function that exports variables in the shell for one test."""
    names = set()

    def export(**variables):
        for name, value in variables.items():
            names.add(name)
            shell.export(name, value)

    yield export
    for name in names:
        shell.export(name, "")


def test_tab_offers_templates(shell):
    offered = shell.offers("contextops chat send --template ")
    assert offered in ({"brief", "in French"}, {"brief", "in\\ French"})
    assert shell.offers("contextops chat send --template=b") == {"--template=brief"}


@pytest.fixture
def list_names(shell, export, tmp_path):
    """Return a function that writes the names of a config file into a cache of its own."""

    def list_names(file, **variables):
        variables["XDG_CACHE_HOME"] = str(tmp_path / "cache")
        save_names(load_config(file), {**shell.sandbox.environment, **variables})
        export(**variables)

    return list_names


def test_missing_config_file_offers_no_templates(shell, export):
    export(CONTEXTOPS_CONFIG="/nowhere/config.toml")
    assert shell.offers("contextops chat send --template ") == set()


def test_profiles_come_from_the_file_in_the_environment(shell, export, list_names, tmp_path):
    file = tmp_path / "other file.toml"
    file.write_text("[profiles.other]\r\n[profiles.last]", encoding="utf-8")
    list_names(file, CONTEXTOPS_CONFIG=str(file), XDG_CONFIG_HOME="/nowhere")
    assert shell.offers("contextops --profile ") == {"default", "local", "other", "last"}
    file.unlink()
    assert shell.offers("contextops --profile ") == {"default", "local"}


@pytest.mark.parametrize("end", ["", "/"])
def test_profiles_come_from_the_file_below_xdg_config_home(
    shell, export, list_names, tmp_path, end
):
    (tmp_path / "contextops").mkdir()
    file = tmp_path / "contextops/config.toml"
    file.write_text("[profiles.other]", encoding="utf-8")
    list_names(file, XDG_CONFIG_HOME=f"{tmp_path}{end}")
    assert shell.offers("contextops --profile o") == {"other"}
    # The specification says that relative paths are ignored.
    export(XDG_CONFIG_HOME="relative", XDG_CACHE_HOME="")
    assert shell.offers("contextops --profile w") == {"work"}


def test_models_come_from_the_exported_profile(shell, export, tmp_path):
    export(CONTEXTOPS_PROFILE="my lab")
    assert shell.offers("contextops chat send -m ") == {"lab-1"}
    assert shell.offers("contextops --local chat send -m ") == {"smol"}
    export(CONTEXTOPS_PROFILE="", CONTEXTOPS_CONFIG="/nowhere/config.toml")
    assert shell.offers("contextops chat send -m ") == {"plain"}
    save_model_ids(tmp_path / "contextops", "default", ["other"])
    export(XDG_CACHE_HOME=str(tmp_path))
    assert shell.offers("contextops chat send -m ") == {"other"}


def test_sessions_come_from_the_exported_state_folder(shell, export, tmp_path):
    export(XDG_STATE_HOME=str(tmp_path))
    assert shell.offers("contextops session show ") == set()
    (tmp_path / "contextops").mkdir()
    assert shell.offers("contextops session show ") == set()
    (tmp_path / "contextops/a.b.jsonl").touch()
    assert shell.offers("contextops session show ") == {"a.b"}


def test_profile_name_is_not_evaluated_by_the_shell(shell, list_names, tmp_path):
    file = tmp_path / "config.toml"
    hostile = "x$(echo>run)`echo>run`;*"
    file.write_text(f"[profiles.'{hostile}']\n", encoding="utf-8")
    list_names(file, CONTEXTOPS_CONFIG=str(file))
    assert shell.becomes("contextops --profile x") == ["--profile", hostile]
    assert not (shell.sandbox.work / "run").exists()


# --- the list of names, after the config file was edited by hand ----------------------------------


@pytest.fixture
def edit_config(start_shell):
    """Return a function that starts a shell, and edits its config file by hand.

    The shell has the real program, which records its arguments.
    """

    def edit_config(name, text):
        shell = start_shell(name)
        sandbox = shell.sandbox
        root = Path(contextops.__file__).parents[1]
        (sandbox.programs / "contextops").write_text(
            f"#!/bin/sh\necho \"$*\" >>'{sandbox.started}'\n"
            f"PYTHONPATH='{root}' exec '{sys.executable}' -P -m contextops \"$@\"\n"
        )
        sandbox.config.write_text(text, encoding="utf-8")
        # Older by more than the second to which some shells read times.
        os.utime(sandbox.home / ".cache/contextops/names", (0, 0))
        return shell

    return edit_config


REFRESH = "completion --names\n"


@pytest.mark.parametrize("name", SHELLS)
def test_edited_config_file_is_listed_by_one_program(edit_config, name):
    shell = edit_config(name, f"{CONFIG}\n[profiles.added]\n[templates.added]\n")
    assert shell.offers("contextops --profile a") == {"added"}
    assert shell.offers("contextops chat send --template a") == {"added"}
    assert shell.sandbox.started.read_text() == REFRESH


@pytest.mark.parametrize("name", SHELLS)
def test_broken_config_file_is_read_once(edit_config, name):
    shell = edit_config(name, "[profiles.broken")
    for _ in range(2):
        assert shell.offers("contextops --profile ") == {"default", "local"}
    assert shell.sandbox.started.read_text() == REFRESH


@pytest.mark.parametrize("name", SHELLS)
def test_list_that_cannot_be_written_is_tried_once(edit_config, name):
    shell = edit_config(name, CONFIG)
    # A folder cannot be below a file.
    shell.export("XDG_CACHE_HOME", str(shell.sandbox.work / "notes.txt"))
    for _ in range(2):
        assert shell.offers("contextops --profile ") == {"default", "local"}
    # Each line of fish is tested in a shell of its own.
    shells = 2 if name == "fish" else 1
    assert shell.sandbox.started.read_text() == REFRESH * shells


# --- how the scripts are loaded -------------------------------------------------------------------


@pytest.mark.parametrize("name", SHELLS)
def test_tab_starts_no_program(start_shell, name):
    shell = start_shell(name)
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
    assert not shell.sandbox.started.exists()
    # A program that starts is recorded.
    shell.run("python")
    assert shell.sandbox.started.read_text() == "python\n"


def test_zsh_completes_on_the_first_tab(start_shell):
    # The script itself is autoloaded by the first TAB.
    assert start_shell("zsh").becomes("contextops cha") == ["chat"]


def test_zsh_script_works_with_eval(start_shell):
    load = 'autoload -Uz compinit; compinit -u -D; eval "$(<SCRIPTS/_contextops)"'
    assert start_shell("zsh", load).becomes("contextops cha") == ["chat"]


def test_fish_loads_the_script_from_its_path(start_shell):
    shell = start_shell("fish", "set fish_complete_path SCRIPTS")
    assert shell.offers("contextops cha") == {"chat"}


@pytest.mark.parametrize(
    "settings",
    [
        "set -u",
        "shopt -s extglob nullglob failglob; IFS=c",
        "shopt -u hostcomplete",
        "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}",
        # Bash before version 4 has no compopt.
        "enable -n compopt",
    ],
)
def test_bash_script_works_with_user_settings(start_shell, settings):
    shell = start_shell("bash", f'{settings}; eval "$(<SCRIPTS/contextops.bash)"')
    assert shell.offers("contextops --profile work -q chat ") == {"send", "repl"}
    assert shell.offers("contextops --color=al") == {"--color=always"}
    assert shell.becomes("contextops --profile my") == ["--profile", "my lab"]
    assert shell.becomes("contextops --api-key-file no") == ["--api-key-file", "notes.txt"]
    assert shell.becomes("contextops chat send -s @two")[-1] == "@two words.md"
    assert shell.becomes("contextops api POST x -F a=@no")[-1] == "a=@notes.txt"


@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
@pytest.mark.parametrize("typed", ['"my', "'my", "my\\ l"])
def test_tab_completes_inside_quotes(shell, typed):
    assert shell.becomes(f"contextops --profile {typed}") == ["--profile", "my lab"]


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_bash_completes_the_word_before_the_cursor(shell):
    left = "\x1b[D"
    assert shell.becomes(f"contextops --col chat send{left * 10}")[0] == "--color"


@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
@pytest.mark.parametrize("typed", ["<no", "< no"])
def test_redirection_completes_a_file(shell, typed):
    # The command runs only if the redirection has a file.
    assert shell.becomes(f"contextops chat send {typed}") == ["chat", "send"]
