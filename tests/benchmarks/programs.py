"""The programs that are compared: how each is installed, set up, and asked.

Each asks as its own page has it for scripts, with what is dear and not wanted there turned off:
shell-gpt without Markdown, openwebui-cli without tools. A method that a program leaves out is what
it cannot do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loopback import MODEL

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEY = "sk-bench"
PROMPT = "Say it in three words."
QUESTION = "And what follows from that, in one sentence, for the tenth of May?"
REPLY = "What follows is a sentence of the length that such answers have. " * 6

Argv = list[str] | None


@dataclass(frozen=True)
class Place:
    """Where a program runs: its home, and the server, whose address says what it answers."""

    home: Path
    url: str
    prompt: str = PROMPT


class Program:
    """A program in a virtual environment of its own."""

    name = ""
    distribution = ""
    file = ""
    """The name of its requirements, without the ending."""

    def __init__(self, environments: Path) -> None:
        self.bin = environments / (self.file or self.name) / "bin"

    @property
    def python(self) -> str:
        """Give the interpreter of its environment."""
        return str(self.bin / "python")

    def install(self) -> None:
        """Install what its requirements say, unless that is there."""
        wanted = HERE / "requirements" / f"{self.file or self.name}.txt"
        there = self.bin.parent / wanted.name
        if there.exists() and there.read_text() == wanted.read_text():
            return
        self._make()
        self._pip("--requirement", str(wanted))
        self.prepare()
        shutil.copy(wanted, there)

    def prepare(self) -> None:
        """Make once what is wanted later."""

    def _make(self) -> None:
        venv.create(self.bin.parent, with_pip=True, clear=True)

    def _pip(self, *words: str) -> None:
        # Its warnings are about indexes of the machine; a failure says its own.
        subprocess.run(
            [self.python, "-m", "pip", "install", "--quiet", "--quiet", *words], check=True
        )

    def version(self) -> str:
        """Name it with its version."""
        ask = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        told = subprocess.run(
            [self.python, "-c", ask, self.distribution or self.name],
            check=True,
            capture_output=True,
            text=True,
        )
        return f"{self.name} {told.stdout.strip()}"

    def environment(self, _place: Place) -> Mapping[str, str]:
        """Give the variables that point it at the server."""
        return {}

    def settle(self, place: Place) -> None:
        """Write the files that point it at the server."""

    def remember(self, place: Place, turns: int) -> None:
        """Make a conversation of so many turns."""

    def ask(self, _place: Place) -> Argv:
        """Ask for one answer, streamed."""
        return None

    def ask_piped(self, _place: Place) -> Argv:
        """Ask with standard input as the prompt."""
        return None

    def go_on(self, _place: Place) -> Argv:
        """Ask one more thing in the conversation."""
        return None

    def list_models(self, _place: Place) -> Argv:
        """List what the server offers."""
        return None

    def help(self, _place: Place) -> Argv:
        """Print the help."""
        return None

    def print_version(self, _place: Place) -> Argv:
        """Print the version."""
        return None

    def complete(self, _place: Place) -> Argv:
        """Complete an option in a new bash, as a TAB does."""
        return None

    def config_path(self, _place: Place) -> Argv:
        """Print a thing that needs no server."""
        return None

    def completion(self, _place: Place) -> Argv:
        """Print the completion script."""
        return None


def said(turns: int) -> list[dict[str, str]]:
    """Give the messages of a conversation."""
    turn = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY}]
    return turn * turns


def tab(script: Path | str, function: str, *line: str) -> list[str]:
    """Load a completion script in a new bash and complete the last word of a line."""
    code = """
source "$1"; shift; function=$1; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
$function "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
    words = [str(script), function, *line]
    return ["bash", "--norc", "--noprofile", "-c", code, "bash", *words]


class Contextops(Program):
    """This package, as pip installs it from the checkout."""

    name = "contextops"
    distribution = "contextops-cli"

    def install(self) -> None:
        """Install the checkout as it is now."""
        if not self.bin.exists():
            self._make()
            self._pip(str(ROOT))
        self._pip("--force-reinstall", "--no-deps", str(ROOT))

    def environment(self, place: Place) -> Mapping[str, str]:
        """Give the variables that point it at the server."""
        return {
            "CONTEXTOPS_BASE_URL": place.url,
            "CONTEXTOPS_API_KEY": KEY,
            "CONTEXTOPS_MODEL": MODEL,
        }

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "contextops"), *words]

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        return self._run("chat", "send", "-n", place.prompt)

    def ask_piped(self, place: Place) -> Argv:
        """Ask with standard input as the prompt."""
        return self._run("chat", "send", place.prompt)

    def remember(self, place: Place, turns: int) -> None:
        """Write a session file."""
        about = {"time": "2026-11-01T12:00:00+00:00"}
        answered = {"model": MODEL, "complete": True}
        lines = [
            json.dumps({**one, **(answered if one["role"] == "assistant" else {}), **about}) + "\n"
            for one in said(turns)
        ]
        (place.home / "talk.jsonl").write_text("".join(lines))

    def go_on(self, place: Place) -> Argv:
        """Ask one more thing in the session."""
        return self._run("chat", "send", "-n", "--session", f"{place.home}/talk.jsonl", QUESTION)

    def list_models(self, _place: Place) -> Argv:
        """List what the server offers."""
        return self._run("models", "list")

    def help(self, _place: Place) -> Argv:
        """Print the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Print the version."""
        return self._run("--version")

    def complete(self, _place: Place) -> Argv:
        """Complete an option in a new bash, as a TAB does."""
        script = ROOT / "completions" / "contextops.bash"
        return tab(script, "_contextops", "contextops", "chat", "send", "--")

    def config_path(self, _place: Place) -> Argv:
        """Print the path of the config file."""
        return self._run("config", "path")

    def completion(self, _place: Place) -> Argv:
        """Print the completion script."""
        return self._run("completion", "bash")


class ImportTyper(Program):
    """The least that a command line made with Typer can cost, in the environment of ours."""

    name = "import typer"
    distribution = "typer"
    file = "contextops"

    def install(self) -> None:
        """Do nothing: it is there with contextops."""

    def help(self, _place: Place) -> Argv:
        """Import it, and end."""
        return [self.python, "-c", "import typer; print('Usage 0.0 --')"]

    def print_version(self, _place: Place) -> Argv:
        """Do the same."""
        return self.help(_place)

    complete = config_path = completion = print_version


SCRIPT = """\
import json, sys, httpx
url, prompt = sys.argv[1:]
body = {"model": "ctx-small", "messages": [{"role": "user", "content": prompt}], "stream": True}
headers = {"Authorization": "Bearer sk-bench"}
with httpx.Client(timeout=None) as client:
    url += "/api/chat/completions"
    with client.stream("POST", url, json=body, headers=headers) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    print(choice["delta"].get("content") or "", end="", flush=True)
print()
"""
PIPED = SCRIPT.replace('"content": prompt', '"content": prompt + "\\n\\n" + sys.stdin.read()')
TALK = """\
import json, pathlib, sys, httpx
url, prompt, file = sys.argv[1:]
file = pathlib.Path(file)
messages = json.loads(file.read_text()) + [{"role": "user", "content": prompt}]
body = {"model": "ctx-small", "messages": messages, "stream": True}
headers = {"Authorization": "Bearer sk-bench"}
said = ""
with httpx.Client(timeout=None) as client:
    url += "/api/chat/completions"
    with client.stream("POST", url, json=body, headers=headers) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    said += choice["delta"].get("content") or ""
                    print(choice["delta"].get("content") or "", end="", flush=True)
print()
file.write_text(json.dumps(messages + [{"role": "assistant", "content": said}]))
"""
MODELS = """\
import sys, httpx
url = sys.argv[1] + "/api/models"
answer = httpx.get(url, headers={"Authorization": "Bearer sk-bench"}, timeout=None)
for model in answer.raise_for_status().json()["data"]:
    print(model["id"])
"""


class Script(Program):
    """A dozen lines with httpx: what one writes without a tool."""

    name = "script"
    distribution = "httpx"

    def version(self) -> str:
        """Name it with the version of httpx."""
        return super().version().replace("script", "script: httpx")

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        return [self.python, "-c", SCRIPT, place.url, place.prompt]

    def ask_piped(self, place: Place) -> Argv:
        """Ask with standard input as the prompt."""
        return [self.python, "-c", PIPED, place.url, place.prompt]

    def remember(self, place: Place, turns: int) -> None:
        """Write the messages."""
        (place.home / "talk.json").write_text(json.dumps(said(turns)))

    def go_on(self, place: Place) -> Argv:
        """Ask one more thing in the conversation."""
        return [self.python, "-c", TALK, place.url, QUESTION, f"{place.home}/talk.json"]

    def list_models(self, place: Place) -> Argv:
        """List what the server offers."""
        return [self.python, "-c", MODELS, place.url]


class LeanScript(Program):
    """The same without the store of certificates, which a plain http address cannot need."""

    name = "lean script"
    distribution = "httpx"
    file = "script"

    def version(self) -> str:
        """Say what it is."""
        return "lean script: the same with verify=False"

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        lean = SCRIPT.replace("timeout=None", "timeout=None, verify=False")
        return [self.python, "-c", lean, place.url, place.prompt]


class Curl(Program):
    """curl, with jq where a prompt must become JSON; it prints the events as they came."""

    name = "curl"
    _options = ("-sSN", "-H", f"Authorization: Bearer {KEY}")

    def install(self) -> None:
        """Do nothing, as the system has it; raises OSError where it has not."""
        if not shutil.which("curl"):
            raise FileNotFoundError("curl is not installed")

    def version(self) -> str:
        """Name it with its version."""
        told = subprocess.run(["curl", "--version"], check=True, capture_output=True, text=True)
        return " ".join(told.stdout.split()[:2])

    def _post(self, place: Place, data: str) -> list[str]:
        # Without "Expect:" it would wait a second for leave to send more than a megabyte.
        headers = ["-H", "Content-Type: application/json", "-H", "Expect:"]
        url = f"{place.url}/api/chat/completions"
        return ["curl", *self._options, *headers, "--data-binary", data, url]

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        message = {"role": "user", "content": place.prompt}
        body = {"model": MODEL, "messages": [message], "stream": True}
        return self._post(place, json.dumps(body))

    def ask_piped(self, place: Place) -> Argv:
        """Ask with standard input as the prompt."""
        if not shutil.which("jq"):
            return None
        form = '{model: $m, stream: true, messages: [{role: "user", content: ($p + "\\n\\n" + .)}]}'
        code = 'form=$1 m=$2 p=$3; shift 3; jq -Rs --arg m "$m" --arg p "$p" "$form" | "$@"'
        return ["sh", "-c", code, "sh", form, MODEL, place.prompt, *self._post(place, "@-")]

    def list_models(self, place: Place) -> Argv:
        """List what the server offers."""
        return ["curl", *self._options, f"{place.url}/api/models"]

    def help(self, _place: Place) -> Argv:
        """Print the help."""
        return ["curl", "--help"]

    def print_version(self, _place: Place) -> Argv:
        """Print the version."""
        return ["curl", "--version"]


_TALK_OF_LLM = """\
import sys, llm, sqlite_utils
from llm.migrations import migrate

class Told(llm.Model):
    model_id = "bench"
    def execute(self, prompt, stream, response, conversation):
        yield sys.argv[3]

database = sqlite_utils.Database(llm.user_dir() / "logs.db")
migrate(database)
talk = Told().conversation()
for _ in range(int(sys.argv[1])):
    answer = talk.prompt(sys.argv[2])
    answer.text()
    answer.log_to_db(database)
"""


class Llm(Program):
    """llm, which logs what is asked and answered in SQLite, as it does until told not to."""

    name = "llm"

    @property
    def script(self) -> Path:
        """Give where its completion script is."""
        return self.bin.parent / "completion.bash"

    def prepare(self) -> None:
        """Write the completion script."""
        there = {**os.environ, "_LLM_COMPLETE": "bash_source"}
        with self.script.open("w") as file:
            subprocess.run([self.bin / "llm"], env=there, check=True, stdout=file)

    def environment(self, place: Place) -> Mapping[str, str]:
        """Give the variables that point it at the server."""
        return {"LLM_USER_PATH": f"{place.home}/llm"}

    def settle(self, place: Place) -> None:
        """Write the files that point it at the server."""
        folder = place.home / "llm"
        folder.mkdir(exist_ok=True)
        model = {"model_id": "bench", "model_name": MODEL, "api_base": f"{place.url}/v1"}
        # JSON is YAML.
        (folder / "extra-openai-models.yaml").write_text(json.dumps([model]))

    def remember(self, place: Place, turns: int) -> None:
        """Log a conversation, as it does itself, of a model that answers at once."""
        there = {**os.environ, **self.environment(place)}
        words = [str(turns), QUESTION, REPLY]
        subprocess.run([self.python, "-c", _TALK_OF_LLM, *words], env=there, check=True)

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "llm"), *words]

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        return self._run("-m", "bench", place.prompt)

    def ask_piped(self, place: Place) -> Argv:
        """Ask with standard input before the prompt."""
        return self.ask(place)

    def go_on(self, _place: Place) -> Argv:
        """Ask one more thing in the last conversation."""
        return self._run("-c", QUESTION)

    def list_models(self, place: Place) -> Argv:
        """List what the server offers."""
        return self._run("openai", "endpoint", f"{place.url}/v1", "--models")

    def help(self, _place: Place) -> Argv:
        """Print the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Print the version."""
        return self._run("--version")

    def complete(self, _place: Place) -> Argv:
        """Complete an option in a new bash, as a TAB does."""
        return tab(self.script, "_llm_completion", str(self.bin / "llm"), "prompt", "--")


class ShellGpt(Program):
    """shell-gpt without Markdown: it renders the whole answer anew with every token."""

    name = "shell-gpt"

    def environment(self, place: Place) -> Mapping[str, str]:
        """Give the variables that point it at the server."""
        return {
            "OPENAI_API_KEY": KEY,
            "API_BASE_URL": f"{place.url}/v1",
            "DEFAULT_MODEL": MODEL,
            "CACHE_PATH": f"{place.home}/cache",
            "CHAT_CACHE_PATH": f"{place.home}/chats",
            # It would forget what was said more than 100 messages ago.
            "CHAT_CACHE_LENGTH": "1000000",
            "REQUEST_TIMEOUT": "600",
        }

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "sgpt"), *words]

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        return self._run("--no-md", place.prompt)

    def ask_piped(self, place: Place) -> Argv:
        """Ask with standard input before the prompt."""
        return self.ask(place)

    def remember(self, place: Place, turns: int) -> None:
        """Write what it keeps of a chat."""
        system = {"role": "system", "content": "You are ShellGPT\nYou answer."}
        folder = place.home / "chats"
        folder.mkdir(exist_ok=True)
        (folder / "talk").write_text(json.dumps([system, *said(turns)]))

    def go_on(self, _place: Place) -> Argv:
        """Ask one more thing in the chat."""
        return self._run("--no-md", "--chat", "talk", QUESTION)

    def help(self, _place: Place) -> Argv:
        """Print the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Print the version."""
        return self._run("--version")


class OpenWebUICli(Program):
    """openwebui-cli without tools, which it would first ask the server about."""

    name = "openwebui-cli"

    def environment(self, place: Place) -> Mapping[str, str]:
        """Give the variables that point it at the server."""
        return {"OPENWEBUI_URL": place.url, "OPENWEBUI_API_KEY": KEY, "OPENWEBUI_TIMEOUT": "600"}

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "openwebui-cli"), *words]

    def ask(self, place: Place) -> Argv:
        """Ask for one answer, streamed."""
        return self._run("ask", MODEL, place.prompt, "--plain", "--no-tools")

    def ask_piped(self, place: Place) -> Argv:
        """Ask with standard input as the prompt."""
        return self._run("ask", MODEL, place.prompt, "--plain", "--no-tools", "--stdin")

    def list_models(self, _place: Place) -> Argv:
        """List what the server offers."""
        return self._run("models", "list")

    def help(self, _place: Place) -> Argv:
        """Print the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Print the version."""
        return self._run("--version")


PROGRAMS: tuple[type[Program], ...] = (
    *(Contextops, Curl, OpenWebUICli, LeanScript, Script, Llm, ShellGpt, ImportTyper),
)
