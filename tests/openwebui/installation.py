"""The official wheel of Open WebUI in a virtual environment of its own, less what chat can spare.

What it requires, its own metadata tell; so only the names of what is left out stand here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

_SECONDS = 1800.0
"""An installation takes 3 minutes on two busy cores; a slow network is not an error."""

# Chat needs none of these, and none is imported before it is used. With them it is some GB more.
_UNNEEDED = {
    # embeddings, rerankers and speech: torch, CTranslate2 and their models
    *("accelerate", "einops", "faster-whisper", "sentence-transformers", "sentencepiece"),
    *("transformers", "soundfile"),
    # reading images and office documents
    *("nltk", "onnxruntime", "opencv-python-headless", "openpyxl", "pandas", "pyarrow"),
    *("pypandoc", "python-docx", "python-pptx", "pyxlsb", "rapidocr", "rapidocr-onnxruntime"),
    *("unstructured", "xlrd"),
    # clients of providers, databases and clouds that are not there
    *("anthropic", "azure-ai-documentintelligence", "google-api-python-client"),
    *("google-auth-httplib2", "google-auth-oauthlib", "google-genai", "google-generativeai"),
    *("openai", "opensearch-py", "psycopg", "pymysql"),
}

# Versions that can be told to be slim (0.12.4, not 0.6.43) import these only when they are not.
_UNNEEDED_BY_SLIM = {
    *("azure-identity", "azure-storage-blob", "chromadb", "google-cloud-storage"),
    "googleapis-common-protos",
}

# What versions import and do not name, as something that is left out brings it.
_UNNAMED = ("beautifulsoup4", "pytz", "typer")

SLIM = "USE_SLIM_DOCKER"
"""The variable that keeps a version that knows it from loading what it can do without."""


def installed(version: str) -> Path:
    """Give the folder of a virtual environment with this version; it is made once a machine."""
    folder = _cache() / f"open-webui-{version}"
    done = folder / "installed"
    if not done.exists() or done.read_text("utf-8") != "\n".join(requirements(folder)):
        # What an earlier run could not finish, or left out for other reasons, is of no use.
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", folder)
        pip = (program(folder, "python"), "-m", "pip", "install", "--quiet")
        _run(*pip, "--no-deps", f"open-webui=={version}")
        wanted = requirements(folder)
        _run(*pip, *wanted)
        done.write_text("\n".join(wanted), "utf-8")
    return folder


def requirements(folder: Path) -> list[str]:
    """Give what the installed wheel asks for, less what chat has no need of."""
    (wheel,) = metadata.distributions(name="open-webui", path=[str(_packages(folder))])
    unneeded = _UNNEEDED | (_UNNEEDED_BY_SLIM if _can_be_slim(folder) else set())
    named = {_name(each): each for each in wheel.requires or [] if "extra ==" not in each}
    wanted = {**{name: name for name in _UNNAMED}, **named}
    return [each for name, each in wanted.items() if name not in unneeded]


def _cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "contextops-tests"


def _run(*argv: str | Path) -> None:
    told = subprocess.run(argv, capture_output=True, timeout=_SECONDS, check=False)
    if told.returncode:
        command = shlex.join(map(str, argv))
        raise RuntimeError(f"{command} failed:\n{told.stderr.decode(errors='replace')}")


def program(folder: Path, name: str) -> Path:
    """Give a program of the environment."""
    return folder / ("Scripts" if os.name == "nt" else "bin") / name


def _packages(folder: Path) -> Path:
    (found,) = folder.glob("Lib/site-packages" if os.name == "nt" else "lib/*/site-packages")
    return found


def _can_be_slim(folder: Path) -> bool:
    return SLIM in (_packages(folder) / "open_webui/env.py").read_text("utf-8")


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
