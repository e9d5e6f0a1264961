"""Markdown split into blocks, independent of how its text arrives, and code extracted from it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops.output.markdown_blocks import BlockSplitter, first_code_block

# Texts made of Markdown syntax, so that random ones are not all one paragraph.
TEXTS = st.lists(
    st.sampled_from(
        [
            *("\n", "\n\n", " ", "  ", "    ", "\t", "\r\n", "\r", "\u2028", "é"),
            *("word", "- ", "* ", "-", "1. ", "12", ".", ")", "| a |", "# ", "> ", "***"),
            *("```", "```py", "~~~", "````", "`", "   ```", "    ```", "``` ```"),
        ]
    )
    | st.text(max_size=5),
    max_size=30,
).map("".join)


def blocks_of(pieces: Iterable[str]) -> list[str]:
    blocks = BlockSplitter()
    return [block for piece in pieces for block in blocks.feed(piece)] + blocks.close()


def split_at(text: str, places: Sequence[int]) -> list[str]:
    edges = [0, *sorted(places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@given(TEXTS)
@settings(max_examples=60)
@example("\n\n\n")
@example("```\nnever closed")
@example("- a\n\n  \n")
def test_blocks_joined_by_newlines_are_the_text_without_trailing_space(text: str):
    joined = "\n".join(blocks_of([text]))
    assert text.startswith(joined)
    assert not text[len(joined) :].strip()


@given(TEXTS, st.data())
@settings(max_examples=60)
@example("- a\n\n1", None)
@example("- a\n\n1. b\n\n12 c", None)
def test_blocks_do_not_depend_on_how_text_is_split_into_pieces(
    text: str, data: st.DataObject | None
):
    expected = blocks_of([text])
    assert blocks_of(text) == expected
    if data:
        places = data.draw(st.lists(st.integers(0, len(text)), max_size=10))
        assert blocks_of(split_at(text, places)) == expected


def visible_blocks(text: str) -> list[str]:
    """Return the blocks that are not blank, without the blank lines around them."""
    return [block.strip("\n") for block in blocks_of([text]) if block.strip()]


@pytest.mark.parametrize(
    "blocks",
    [
        ["one\ntwo", "three"],
        ["# Title", "text"],
        ["text", "```py\na\n\nb\n```", "text"],
        ["```\na\n```", "```\nb\n```"],
        ["~~~\n```\n~~~", "text"],
        ["````md\n```\n\nx\n```\n````", "text"],
        ["```py\ndef f():\n    ```\n\n    x\n```", "text"],
        ["```x``` is code", "text"],
        ["- a\n- b", "text"],
        ["- a\n\n- b\n\n  more of b\n\n- c", "text"],
        ["1. a\n\n2. b\n\n10. c", "text"],
        ["- a\n\n      code\n\n- b", "**bold**"],
        ["| a | b |\n|---|---|\n| 1 | 2 |", "text"],
        ["> a\n> b", "text"],
    ],
    ids=lambda blocks: blocks[0][:12],
)
def test_block_is_a_complete_construct(blocks: list[str]):
    assert visible_blocks("\n\n".join(blocks)) == blocks
    assert visible_blocks("\n\n\n" + "\n\n\n".join(blocks) + "\n\n") == blocks


@pytest.mark.parametrize("blocks", [["text", "```\na\n```"], ["```\na\n```", "text"]])
def test_fence_starts_and_ends_block_without_blank_line(blocks: list[str]):
    assert visible_blocks("\n".join(blocks)) == blocks


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("one two\n\n", "one two"),
        ("```\na\n```\n", "```\na\n```"),
        ("one\n```\n", "one"),
        ("- a\n- b\n\nt", "- a\n- b"),
        ("- a\n\n**", "- a"),
        ("```x``` is code\n\n", "```x``` is code"),
    ],
)
def test_block_is_returned_with_the_character_that_completes_it(text: str, block: str):
    blocks = BlockSplitter()
    assert not [each for piece in text[:-1] for each in blocks.feed(piece)]
    assert [each.strip("\n") for each in blocks.feed(text[-1])] == [block]


def test_list_is_incomplete_while_next_line_may_be_an_item():
    blocks = BlockSplitter()
    assert not [each for piece in "1. a\n\n2" for each in blocks.feed(piece)]
    assert not blocks.feed(". b\n")
    assert blocks.close() == ["1. a\n\n2. b\n"]


@pytest.mark.parametrize("start", ["", "```\n", "- a\n\n- "])
def test_long_line_in_small_pieces_takes_linear_time(start: str):
    blocks = BlockSplitter()
    blocks.feed(start)
    begun = time.process_time()
    for _ in range(40_000):
        blocks.feed("some words, not very long")
    # Quadratic time would be more than three seconds.
    assert time.process_time() - begun < 1
    assert blocks.close() == [start + "some words, not very long" * 40_000]


# --- code blocks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n\n```py\nx = 1\n```\nand\n```\ny\n```\n", "x = 1\n"),
        ("```\n```", ""),
        ("```\n\n\n```", "\n\n"),
        ("~~~\n```\n~~~\n", "```\n"),
        ("````md\n```py\nx\n```\n````", "```py\nx\n```\n"),
        ("  ```\n  if x:\n      y\n z\n  ```", "if x:\n    y\nz\n"),
        ("1. so:\n   ```sh\n   ls\n   ```\n", "ls\n"),
        ("```\r\na\r\n```\r\n", "a\r\n"),
        ("```\nnever closed", "never closed"),
        ("```\na\n``\n```not the end\n```", "a\n``\n```not the end\n"),
        ("  ```\na\u2028  b\x0c  c\x85  d\u2028```\n  ```", "a\u2028  b\x0c  c\x85  d\u2028```\n"),
        ("text `code` and ```x``` too\n", None),
        ("    ```\n    indented\n    ```\n", None),
        ("no code", None),
        ("", None),
    ],
)
def test_first_code_block_is_found(text: str, code: str | None):
    assert first_code_block(text) == code


@pytest.mark.parametrize(
    ("language", "code"),
    [("py", "1\n"), ("PY", "1\n"), ("Sh", "2\n"), ("c++", "3\n"), ("p", None), ("", None)],
)
def test_first_code_block_of_language_is_found(language: str, code: str | None):
    text = "```\n0\n```\n```py title=x\n1\n```\n~~~ sh\n2\n~~~\n```c++\n3\n```\n```sh\n4\n```\n"
    assert first_code_block(text, language) == code


def test_code_block_inside_another_is_not_matched_by_language():
    assert first_code_block("````md\n```py\ninner\n```\n````\n```py\nouter\n```", "py") == "outer\n"


@given(TEXTS)
@settings(max_examples=40)
def test_fenced_code_is_extracted_unchanged(text: str):
    fence = "`" * (3 + text.count("`"))
    assert first_code_block(f"words\n{fence}py\n{text}\n{fence}\nwords", "py") == f"{text}\n"
