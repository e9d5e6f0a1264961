"""Templates: which words in braces are fields, and what fills them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.config.template import Template
from contextops.errors import UsageError


def template(prompt):
    return Template("brief", prompt, schema=None, says_system=False)


# --- fields ---


@pytest.mark.parametrize(
    ("prompt", "fields"),
    [
        ("Translate {input} to {language}.", ["input", "language"]),
        ("{a} {_b} {C3} {a}", ["a", "_b", "C3"]),
        ("{input}{input}", ["input"]),
        # Braces around other text are left alone: JSON, code, other alphabets, unclosed ones.
        ('{"kind": "x"} {} { input } {a-b} {1} {a.b} {x!r} {größe} {a', []),
        ("if (x) {\n  return;\n}", []),
        # Double braces do not escape a field.
        ("{{name}}", ["name"]),
        ("${name}", ["name"]),
    ],
)
def test_field_is_word_in_braces(prompt, fields):
    assert template(prompt).fields == fields


def test_template_takes_input_if_it_has_the_field():
    assert template("a {input}").takes_input
    assert not template("a { input }").takes_input


# --- filling ---


@pytest.mark.parametrize(
    ("prompt", "given", "text"),
    [
        ("Translate to {language}: {input}!", "bread", "Translate to French: bread!"),
        ("{input} = {input}", "1", "1 = 1"),
        ('Fill {"to": "{language}"}: {input}', "x", 'Fill {"to": "French"}: x'),
        # Without a place of its own, the input comes last.
        ("Translate to {language}.", "bread", "Translate to French.\n\nbread"),
        ("Translate to {language}.\n", "bread\n", "Translate to French.\n\nbread\n"),
        ("Translate to {language}.\n", "", "Translate to French.\n"),
        ("Translate to {language}.", " \n", "Translate to French."),
        ("", "bread", "bread"),
        # Values and input are not templates.
        ("{language}: {input}", "{language} {x} \\1 \\g<0>", "French: {language} {x} \\1 \\g<0>"),
        ("{{language}}", "", "{French}"),
    ],
)
def test_values_and_input_fill_their_fields(prompt, given, text):
    assert template(prompt).fill({"language": "French"}, given) == text


FIELD = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
without_fields = st.text("{}a_1 \n\"'$\\é", max_size=30).filter(lambda text: not FIELD.search(text))


@given(without_fields, without_fields)
def test_text_around_fields_is_unchanged(before, after):
    assert template(before).fill({}, "") == before
    assert template(f"{before} {{x}} {after}").fill({"x": "y"}, "") == f"{before} y {after}"


@given(st.text(), st.text())
def test_filled_in_text_is_unchanged(value, text):
    assert template("<{x}|{input}>").fill({"x": value}, text) == f"<{value}|{text}>"


# --- values that do not fit ---


def test_values_for_exactly_the_fields_are_accepted():
    template("{a} {b} {input}").check({"a": "", "b": "1"})
    template("").check({})


def test_missing_values_are_named_with_how_to_set_them():
    with pytest.raises(UsageError) as caught:
        template("{kind} {a} {input} {scope}").check({"a": "1"})
    assert caught.value.message == (
        "template brief needs a value for kind, scope; add --var kind=VALUE --var scope=VALUE"
    )


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{kind} {language}", "it has kind, language; did you mean language?"),
        ("{kind}", "it has kind; leave out --var langage=VALUE"),
        ("{input}", "it has none; leave out --var langage=VALUE"),
    ],
)
def test_value_without_field_is_refused(prompt, message):
    values = {"kind": "1", "language": "2", "langage": "3"}
    used = {name: value for name, value in values.items() if f"{{{name}}}" in prompt}
    with pytest.raises(UsageError) as caught:
        template(prompt).check({**used, "langage": "3"})
    assert caught.value.message == f"template brief has no field langage: {message}"


def test_hint_says_how_a_field_is_set():
    with pytest.raises(UsageError) as caught:
        template("{kind} {scope}").check({}, hint=lambda field: f"{field}=VALUE")
    assert caught.value.remedy == "add kind=VALUE scope=VALUE"
