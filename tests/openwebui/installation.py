"""The official wheel of Open WebUI in a virtual environment, without packages that chat can omit.

The requirements come from its metadata; only the omitted packages are listed here.
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

# Chat needs none of these, and none is imported before use. They would take some GB more.
_EXCLUDED = {
    # embeddings, rerankers and speech: torch, CTranslate2 and their models
    *("accelerate", "einops", "faster-whisper", "sentence-transformers", "sentencepiece"),
    *("transformers", "soundfile"),
    # reading images and office documents
    *("nltk", "onnxruntime", "opencv-python-headless", "openpyxl", "pandas", "pyarrow"),
    *("pypandoc", "python-docx", "python-pptx", "pyxlsb", "rapidocr", "rapidocr-onnxruntime"),
    *("unstructured", "xlrd"),
    # clients of providers, databases and clouds that the tests do not use
    *("anthropic", "azure-ai-documentintelligence", "google-api-python-client"),
    *("google-auth-httplib2", "google-auth-oauthlib", "google-genai", "google-generativeai"),
    *("openai", "opensearch-py", "psycopg", "pymysql"),
}

# Versions with a slim mode (0.12.4, not 0.6.43) import these only outside that mode.
_EXCLUDED_IF_SLIM = {
    *("azure-identity", "azure-storage-blob", "chromadb", "google-cloud-storage"),
    "googleapis-common-protos",
}

# Imported but undeclared, since an omitted package would install them.
_UNDECLARED = ("beautifulsoup4", "pytz", "typer")

SLIM = "USE_SLIM_DOCKER"
"""The environment variable that turns on the slim mode."""


def installed(version: str) -> Path:
    """Return the virtual environment of a version; it is created once per machine."""
    folder = _cache() / f"open-webui-{version}"
    marker = folder / "installed"
    if not marker.exists() or marker.read_text("utf-8") != "\n".join(requirements(folder)):
        # An unfinished installation, or one with other requirements, is replaced.
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", folder)
        pip = (program(folder, "python"), "-m", "pip", "install", "--quiet")
        _run(*pip, "--no-deps", f"open-webui=={version}")
        required = requirements(folder)
        _run(*pip, *required)
        marker.write_text("\n".join(required), "utf-8")
    return folder


def requirements(folder: Path) -> list[str]:
    """Return the requirements of the installed wheel, without those that chat can omit."""
    (wheel,) = metadata.distributions(name="open-webui", path=[str(_packages(folder))])
    excluded = _EXCLUDED | (_EXCLUDED_IF_SLIM if _can_be_slim(folder) else set())
    declared = {_name(each): each for each in wheel.requires or [] if "extra ==" not in each}
    by_name = {**{name: name for name in _UNDECLARED}, **declared}
    return [each for name, each in by_name.items() if name not in excluded]


def _cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "contextops-tests"


def _run(*argv: str | Path) -> None:
    result = subprocess.run(argv, capture_output=True, timeout=_SECONDS, check=False)
    if result.returncode:
        command = shlex.join(map(str, argv))
        raise RuntimeError(f"{command} failed:\n{result.stderr.decode(errors='replace')}")


def program(folder: Path, name: str) -> Path:
    """Return the path of a program of the environment."""
    return folder / ("Scripts" if os.name == "nt" else "bin") / name


def _packages(folder: Path) -> Path:
    (site_packages,) = folder.glob(
        "Lib/site-packages" if os.name == "nt" else "lib/*/site-packages"
    )
    return site_packages


def _can_be_slim(folder: Path) -> bool:
    return SLIM in (_packages(folder) / "open_webui/env.py").read_text("utf-8")


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
