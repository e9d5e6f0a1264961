"""The programs that are compared: how each is installed, configured and called.

Each is called as its own documentation recommends for scripts, without expensive features that
scripts do not need: shell-gpt without Markdown, openwebui-cli without tools. A method that returns
None is a function that the program does not have.
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
    """The home folder of a program and the URL of the server, which selects the answer."""

    home: Path
    url: str
    prompt: str = PROMPT


class Program:
    """A program in its own virtual environment."""

    name = ""
    distribution = ""
    requirements_name = ""
    """The name of its requirements file, without the suffix; by default that of the program."""

    def __init__(self, environments: Path) -> None:
        self.bin = environments / (self.requirements_name or self.name) / "bin"

    @property
    def python(self) -> str:
        """The Python interpreter of its environment."""
        return str(self.bin / "python")

    def install(self) -> None:
        """Install its requirements, unless they are installed already."""
        requirements = HERE / "requirements" / f"{self.requirements_name or self.name}.txt"
        installed = self.bin.parent / requirements.name
        if installed.exists() and installed.read_text() == requirements.read_text():
            return
        self._make()
        self._pip("--requirement", str(requirements))
        self.prepare()
        shutil.copy(requirements, installed)

    def prepare(self) -> None:
        """Prepare the environment after the installation."""

    def _make(self) -> None:
        venv.create(self.bin.parent, with_pip=True, clear=True)

    def _pip(self, *words: str) -> None:
        # Twice --quiet suppresses warnings about the package index; errors are still printed.
        subprocess.run(
            [self.python, "-m", "pip", "install", "--quiet", "--quiet", *words], check=True
        )

    def version(self) -> str:
        """Return its name and version."""
        ask = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        result = subprocess.run(
            [self.python, "-c", ask, self.distribution or self.name],
            check=True,
            capture_output=True,
            text=True,
        )
        return f"{self.name} {result.stdout.strip()}"

    def environment(self, _place: Place) -> Mapping[str, str]:
        """Return the environment variables that point it at the server."""
        return {}

    def configure(self, place: Place) -> None:
        """Write the config files that point it at the server."""

    def make_session(self, place: Place, turns: int) -> None:
        """Create a stored conversation of ``turns`` turns."""

    def ask(self, _place: Place) -> Argv:
        """Return the command for one streamed answer."""
        return None

    def ask_piped(self, _place: Place) -> Argv:
        """Return the command with standard input as part of the prompt."""
        return None

    def continue_session(self, _place: Place) -> Argv:
        """Return the command for the next turn of the conversation."""
        return None

    def list_models(self, _place: Place) -> Argv:
        """Return the command that lists the models."""
        return None

    def help(self, _place: Place) -> Argv:
        """Return the command that prints the help."""
        return None

    def print_version(self, _place: Place) -> Argv:
        """Return the command that prints the version."""
        return None

    def complete(self, _place: Place) -> Argv:
        """Return a command that completes an option in a new bash, as a TAB does."""
        return None

    def config_path(self, _place: Place) -> Argv:
        """Return the command that prints the path of the config file."""
        return None

    def completion(self, _place: Place) -> Argv:
        """Return the command that prints the completion script."""
        return None


def conversation(turns: int) -> list[dict[str, str]]:
    """Return the messages of a conversation of ``turns`` turns."""
    turn = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY}]
    return turn * turns


def bash_completion(script: Path | str, function: str, *line: str) -> list[str]:
    """Return a command that loads a completion script in bash and completes the last word."""
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
        """Return the environment variables that point it at the server."""
        return {
            "CONTEXTOPS_BASE_URL": place.url,
            "CONTEXTOPS_API_KEY": KEY,
            "CONTEXTOPS_MODEL": MODEL,
        }

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "contextops"), *words]

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        return self._run("chat", "send", "-n", place.prompt)

    def ask_piped(self, place: Place) -> Argv:
        """Return the command with standard input as part of the prompt."""
        return self._run("chat", "send", place.prompt)

    def make_session(self, place: Place, turns: int) -> None:
        """Write a session file."""
        metadata = {"time": "2026-11-01T12:00:00+00:00"}
        answered = {"model": MODEL, "complete": True}
        lines = [
            json.dumps({**one, **(answered if one["role"] == "assistant" else {}), **metadata})
            + "\n"
            for one in conversation(turns)
        ]
        (place.home / "session.jsonl").write_text("".join(lines))

    def continue_session(self, place: Place) -> Argv:
        """Return the command for the next turn of the session."""
        return self._run("chat", "send", "-n", "--session", f"{place.home}/session.jsonl", QUESTION)

    def list_models(self, _place: Place) -> Argv:
        """Return the command that lists the models."""
        return self._run("models", "list")

    def help(self, _place: Place) -> Argv:
        """Return the command that prints the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Return the command that prints the version."""
        return self._run("--version")

    def complete(self, _place: Place) -> Argv:
        """Return a command that completes an option in a new bash, as a TAB does."""
        script = ROOT / "completions" / "contextops.bash"
        return bash_completion(script, "_contextops", "contextops", "chat", "send", "--")

    def config_path(self, _place: Place) -> Argv:
        """Return the command that prints the path of the config file."""
        return self._run("config", "path")

    def completion(self, _place: Place) -> Argv:
        """Return the command that prints the completion script."""
        return self._run("completion", "bash")


class ImportTyper(Program):
    """The minimum cost of a Typer command line, in the environment of contextops."""

    name = "import typer"
    distribution = "typer"
    requirements_name = "contextops"

    def install(self) -> None:
        """Do nothing, since Typer is installed with contextops."""

    def help(self, _place: Place) -> Argv:
        """Return the command that only imports Typer."""
        return [self.python, "-c", "import typer; print('Usage 0.0 --')"]

    def print_version(self, _place: Place) -> Argv:
        """Return the same command."""
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
PIPED_SCRIPT = SCRIPT.replace(
    '"content": prompt', '"content": prompt + "\\n\\n" + sys.stdin.read()'
)
SESSION_SCRIPT = """\
import json, pathlib, sys, httpx
url, prompt, file = sys.argv[1:]
file = pathlib.Path(file)
messages = json.loads(file.read_text()) + [{"role": "user", "content": prompt}]
body = {"model": "ctx-small", "messages": messages, "stream": True}
headers = {"Authorization": "Bearer sk-bench"}
text = ""
with httpx.Client(timeout=None) as client:
    url += "/api/chat/completions"
    with client.stream("POST", url, json=body, headers=headers) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
                    print(choice["delta"].get("content") or "", end="", flush=True)
print()
file.write_text(json.dumps(messages + [{"role": "assistant", "content": text}]))
"""
MODELS_SCRIPT = """\
import sys, httpx
url = sys.argv[1] + "/api/models"
answer = httpx.get(url, headers={"Authorization": "Bearer sk-bench"}, timeout=None)
for model in answer.raise_for_status().json()["data"]:
    print(model["id"])
"""


class Script(Program):
    """A script of a dozen lines with httpx, as one writes without a tool."""

    name = "script"
    distribution = "httpx"

    def version(self) -> str:
        """Return the name of the script and the version of httpx."""
        return super().version().replace("script", "script: httpx")

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        return [self.python, "-c", SCRIPT, place.url, place.prompt]

    def ask_piped(self, place: Place) -> Argv:
        """Return the command with standard input as part of the prompt."""
        return [self.python, "-c", PIPED_SCRIPT, place.url, place.prompt]

    def make_session(self, place: Place, turns: int) -> None:
        """Write the messages as JSON."""
        (place.home / "session.json").write_text(json.dumps(conversation(turns)))

    def continue_session(self, place: Place) -> Argv:
        """Return the command for the next turn of the conversation."""
        return [
            self.python,
            "-c",
            SESSION_SCRIPT,
            place.url,
            QUESTION,
            f"{place.home}/session.json",
        ]

    def list_models(self, place: Place) -> Argv:
        """Return the command that lists the models."""
        return [self.python, "-c", MODELS_SCRIPT, place.url]


class LeanScript(Program):
    """The script without loading CA certificates, which a plain http URL does not need."""

    name = "lean script"
    distribution = "httpx"
    requirements_name = "script"

    def version(self) -> str:
        """Return a description."""
        return "lean script: the script with verify=False"

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        lean = SCRIPT.replace("timeout=None", "timeout=None, verify=False")
        return [self.python, "-c", lean, place.url, place.prompt]


class Curl(Program):
    """curl, with jq to encode the prompt as JSON; it prints the events unchanged."""

    name = "curl"
    _options = ("-sSN", "-H", f"Authorization: Bearer {KEY}")

    def install(self) -> None:
        """Do nothing; raise FileNotFoundError if the system has no curl."""
        if not shutil.which("curl"):
            raise FileNotFoundError("curl is not installed")

    def version(self) -> str:
        """Return its name and version."""
        result = subprocess.run(["curl", "--version"], check=True, capture_output=True, text=True)
        return " ".join(result.stdout.split()[:2])

    def _post(self, place: Place, data: str) -> list[str]:
        # Otherwise curl waits a second for "100 Continue" before it sends more than 1 MB.
        headers = ["-H", "Content-Type: application/json", "-H", "Expect:"]
        url = f"{place.url}/api/chat/completions"
        return ["curl", *self._options, *headers, "--data-binary", data, url]

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        message = {"role": "user", "content": place.prompt}
        body = {"model": MODEL, "messages": [message], "stream": True}
        return self._post(place, json.dumps(body))

    def ask_piped(self, place: Place) -> Argv:
        """Return the command with standard input as part of the prompt."""
        if not shutil.which("jq"):
            return None
        form = '{model: $m, stream: true, messages: [{role: "user", content: ($p + "\\n\\n" + .)}]}'
        code = 'form=$1 m=$2 p=$3; shift 3; jq -Rs --arg m "$m" --arg p "$p" "$form" | "$@"'
        return ["sh", "-c", code, "sh", form, MODEL, place.prompt, *self._post(place, "@-")]

    def list_models(self, place: Place) -> Argv:
        """Return the command that lists the models."""
        return ["curl", *self._options, f"{place.url}/api/models"]

    def help(self, _place: Place) -> Argv:
        """Return the command that prints the help."""
        return ["curl", "--help"]

    def print_version(self, _place: Place) -> Argv:
        """Return the command that prints the version."""
        return ["curl", "--version"]


_LLM_SESSION = """\
import sys, llm, sqlite_utils
from llm.migrations import migrate

class Fixed(llm.Model):
    model_id = "bench"
    def execute(self, prompt, stream, response, conversation):
        yield sys.argv[3]

database = sqlite_utils.Database(llm.user_dir() / "logs.db")
migrate(database)
session = Fixed().conversation()
for _ in range(int(sys.argv[1])):
    answer = session.prompt(sys.argv[2])
    answer.text()
    answer.log_to_db(database)
"""


class Llm(Program):
    """llm, which logs prompts and answers in SQLite by default."""

    name = "llm"

    @property
    def script(self) -> Path:
        """The path of its completion script."""
        return self.bin.parent / "completion.bash"

    def prepare(self) -> None:
        """Write the completion script."""
        installed = {**os.environ, "_LLM_COMPLETE": "bash_source"}
        with self.script.open("w") as output:
            subprocess.run([self.bin / "llm"], env=installed, check=True, stdout=output)

    def environment(self, place: Place) -> Mapping[str, str]:
        """Return the environment variables that point it at the server."""
        return {"LLM_USER_PATH": f"{place.home}/llm"}

    def configure(self, place: Place) -> None:
        """Write the config files that point it at the server."""
        folder = place.home / "llm"
        folder.mkdir(exist_ok=True)
        model = {"model_id": "bench", "model_name": MODEL, "api_base": f"{place.url}/v1"}
        # JSON is valid YAML.
        (folder / "extra-openai-models.yaml").write_text(json.dumps([model]))

    def make_session(self, place: Place, turns: int) -> None:
        """Log a conversation with a model that returns a fixed text."""
        installed = {**os.environ, **self.environment(place)}
        words = [str(turns), QUESTION, REPLY]
        subprocess.run([self.python, "-c", _LLM_SESSION, *words], env=installed, check=True)

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "llm"), *words]

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        return self._run("-m", "bench", place.prompt)

    def ask_piped(self, place: Place) -> Argv:
        """Return the command with standard input before the prompt."""
        return self.ask(place)

    def continue_session(self, _place: Place) -> Argv:
        """Return the command for the next turn of the last conversation."""
        return self._run("-c", QUESTION)

    def list_models(self, place: Place) -> Argv:
        """Return the command that lists the models."""
        return self._run("openai", "endpoint", f"{place.url}/v1", "--models")

    def help(self, _place: Place) -> Argv:
        """Return the command that prints the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Return the command that prints the version."""
        return self._run("--version")

    def complete(self, _place: Place) -> Argv:
        """Return a command that completes an option in a new bash, as a TAB does."""
        return bash_completion(
            self.script, "_llm_completion", str(self.bin / "llm"), "prompt", "--"
        )


class ShellGpt(Program):
    """shell-gpt without Markdown, which it renders from the start with every token."""

    name = "shell-gpt"

    def environment(self, place: Place) -> Mapping[str, str]:
        """Return the environment variables that point it at the server."""
        return {
            "OPENAI_API_KEY": KEY,
            "API_BASE_URL": f"{place.url}/v1",
            "DEFAULT_MODEL": MODEL,
            "CACHE_PATH": f"{place.home}/cache",
            "CHAT_CACHE_PATH": f"{place.home}/chats",
            # By default it drops all but the last 100 messages.
            "CHAT_CACHE_LENGTH": "1000000",
            "REQUEST_TIMEOUT": "600",
        }

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "sgpt"), *words]

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        return self._run("--no-md", place.prompt)

    def ask_piped(self, place: Place) -> Argv:
        """Return the command with standard input before the prompt."""
        return self.ask(place)

    def make_session(self, place: Place, turns: int) -> None:
        """Write the file of a chat."""
        system = {"role": "system", "content": "You are ShellGPT\nYou answer."}
        folder = place.home / "chats"
        folder.mkdir(exist_ok=True)
        (folder / "session").write_text(json.dumps([system, *conversation(turns)]))

    def continue_session(self, _place: Place) -> Argv:
        """Return the command for the next turn of the chat."""
        return self._run("--no-md", "--chat", "session", QUESTION)

    def help(self, _place: Place) -> Argv:
        """Return the command that prints the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Return the command that prints the version."""
        return self._run("--version")


class OpenWebUICli(Program):
    """openwebui-cli without tools, which need another request first."""

    name = "openwebui-cli"

    def environment(self, place: Place) -> Mapping[str, str]:
        """Return the environment variables that point it at the server."""
        return {"OPENWEBUI_URL": place.url, "OPENWEBUI_API_KEY": KEY, "OPENWEBUI_TIMEOUT": "600"}

    def _run(self, *words: str) -> list[str]:
        return [str(self.bin / "openwebui-cli"), *words]

    def ask(self, place: Place) -> Argv:
        """Return the command for one streamed answer."""
        return self._run("ask", MODEL, place.prompt, "--plain", "--no-tools")

    def ask_piped(self, place: Place) -> Argv:
        """Return the command with standard input as part of the prompt."""
        return self._run("ask", MODEL, place.prompt, "--plain", "--no-tools", "--stdin")

    def list_models(self, _place: Place) -> Argv:
        """Return the command that lists the models."""
        return self._run("models", "list")

    def help(self, _place: Place) -> Argv:
        """Return the command that prints the help."""
        return self._run("--help")

    def print_version(self, _place: Place) -> Argv:
        """Return the command that prints the version."""
        return self._run("--version")


PROGRAMS: tuple[type[Program], ...] = (
    *(Contextops, Curl, OpenWebUICli, LeanScript, Script, Llm, ShellGpt, ImportTyper),
)
