"""Explanations of why the embedded engine did not start."""

from __future__ import annotations

import sys

import pytest

from engines import start_error

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def test_missing_libgomp_error_names_system_package(fake_engine):
    fake_engine.replace_package(
        """
        raise ImportError(
            "libgomp.so.1: cannot open shared object file: No such file or directory"
        )
        """
    )

    error = start_error(fake_engine.weights)

    assert "libgomp.so.1" in error.why
    assert "apt install libgomp1" in error.remedy


@posix
def test_illegal_instruction_is_explained_by_missing_avx2(fake_engine):
    fake_engine.replace_package("import os, signal; os.kill(os.getpid(), signal.SIGILL)")

    assert "this processor lacks AVX2" in start_error(fake_engine.weights).message


def test_rejected_file_is_explained_by_first_error_in_log(fake_engine):
    fake_engine.load_with(
        """
        log("0.00.035.945 E llama_model_load: error loading model: tensor 'b' is not within bounds")
        log("0.00.036.268 E srv          init: exiting due to model loading error")
        raise RuntimeError("Failed to init server, please check the input params.")
        """
    )

    error = start_error(fake_engine.weights)

    assert error.why == "error loading model: tensor 'b' is not within bounds"
    assert error.remedy == "use another GGUF file"


@pytest.mark.parametrize(
    "body",
    [
        'log("0.1 E ggml_aligned_malloc: insufficient memory (attempted 180 MB)"); sys.exit(1)',
        "raise MemoryError",
        """log("terminate called after throwing 'std::bad_alloc'"); sys.exit(134)""",
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", marks=posix),
    ],
)
def test_out_of_memory_is_reported(fake_engine, body):
    fake_engine.load_with(body)

    assert "memory" in start_error(fake_engine.weights).why


def test_incompatible_engine_is_explained_by_last_line_of_traceback(fake_engine):
    fake_engine.load_with("raise AttributeError('no hostnames')")

    error = start_error(fake_engine.weights)

    assert error.why == "AttributeError: no hostnames"
    assert "pip install --force-reinstall xllamacpp" in error.remedy


def test_silent_end_is_explained_by_status(fake_engine):
    fake_engine.load_with("os._exit(7)")

    assert start_error(fake_engine.weights).why == "it ended with status 7"


@posix
def test_crash_is_explained_by_signal(fake_engine):
    fake_engine.load_with("os.kill(os.getpid(), signal.SIGSEGV)")

    assert start_error(fake_engine.weights).why == "it was killed by SIGSEGV"
