"""The parser of server-sent events against the standard, wherever the stream is split."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence

import httpx
import httpx_sse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.api.sse import Parser
from contextops.errors import TooLargeError
from sse_vectors import VECTORS, Vector

PLENTY = 1 << 20

# Parts that matter to the parser, so that random streams are not all comments and junk.
PIECES = st.lists(
    st.sampled_from(
        [
            *(b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n"),
            *(b"data: x\n", b"event: y\n", b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xbf", b"\0"),
            *("é".encode(), b"\xc3", b"\xff", "\u2028".encode(), b"[DONE]"),
        ]
    )
    | st.binary(max_size=8),
    max_size=60,
)
STREAMS = PIECES.map(b"".join) | st.binary(max_size=200)


def parse(blocks: Iterable[bytes], *, max_event: int = PLENTY) -> list[tuple[str, str]]:
    parser = Parser(max_event)
    events = [event for block in blocks for event in parser.feed(block)]
    return [(event.type, event.data) for event in [*events, *parser.close()]]


def split(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def bytewise(stream: bytes) -> list[bytes]:
    return split(stream, range(len(stream) + 1))


def each_vector(test: Callable[..., None]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)(test)


def test_vector_names_are_unique():
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)


@each_vector
def test_vector_in_one_block(vector: Vector):
    assert parse([vector.stream]) == vector.all_events


@each_vector
def test_vector_byte_by_byte(vector: Vector):
    assert parse(bytewise(vector.stream)) == vector.all_events


@each_vector
def test_vector_split_at_every_position(vector: Vector):
    for place in range(len(vector.stream) + 1):
        assert parse(split(vector.stream, [place])) == vector.all_events


@each_vector
def test_vector_split_at_random_positions(vector: Vector):
    chance = random.Random(vector.name)  # noqa: S311  a seed for each vector
    for _ in range(30):
        places = [chance.randint(0, len(vector.stream)) for _ in range(chance.randint(1, 12))]
        assert parse(split(vector.stream, places)) == vector.all_events, places


@each_vector
def test_ended_event_is_yielded_at_once(vector: Vector):
    parser = Parser(PLENTY)
    events = list(parser.feed(vector.stream))
    assert [(event.type, event.data) for event in events] == list(vector.events)


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector.httpx_sse], ids=lambda vector: vector.name
)
def test_httpx_sse_parses_vector_alike(vector: Vector):
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    response = httpx.Response(200, headers=headers, content=vector.stream)
    events = [(event.event, event.data) for event in httpx_sse.EventSource(response).iter_sse()]
    assert events == list(vector.events)


@given(STREAMS, st.data())
def test_events_do_not_depend_on_block_boundaries(stream: bytes, data: st.DataObject):
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    in_one_block = parse([stream])
    assert parse(split(stream, places)) == in_one_block
    assert parse(bytewise(stream)) == in_one_block


@given(st.lists(st.tuples(st.sampled_from(["message", "ping", "é"]), st.text(max_size=20))))
def test_written_events_are_parsed_back(events: list[tuple[str, str]]):
    events = [(kind, data.replace("\r", "\n")) for kind, data in events]
    written = "".join(
        f"event: {kind}\n" + "".join(f"data: {line}\n" for line in data.split("\n")) + "\n"
        for kind, data in events
    )
    assert parse([written.encode()]) == events


@given(STREAMS, st.integers(1, 64), st.data())
def test_limit_changes_nothing_but_too_large_error(stream: bytes, limit: int, data: st.DataObject):
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    try:
        events = parse(split(stream, places), max_event=limit)
    except TooLargeError:
        return
    assert events == parse([stream])


def pieces(block: bytes, size: int) -> list[bytes]:
    return [block[place : place + size] for place in range(0, len(block), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 2000 + b"\n\n",
        b"data: " + b"x" * 2000,
        b"data: xxx\n" * 300 + b"\n",
        b"data: xxx\n" * 300,
        b"data: x\n\n" * 10 + b"data: " + b"x" * 2000 + b"\n\n",
        b"event: " + b"x" * 2000 + b"\ndata: x\n\n",
    ],
    ids=["line", "open line", "lines", "open lines", "after others", "type"],
)
def test_event_beyond_max_event_raises(stream: bytes, size: int):
    with pytest.raises(TooLargeError) as raised:
        parse(pieces(stream, size), max_event=1000)
    assert raised.value.status == 63


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: " + b"x" * 900 + b"\n\n", 1),
        (b"data: " + b"x" * 900, 1),
        (b"data: xxx\n\n" * 1000, 1000),
        (b": keep-alive\n\n" * 1000 + b"data: x\n\n", 1),
        (b": keep-alive\n" * 1000 + b"data: x\n\n", 1),
        (b"retry: 1\n" * 1000 + b"data: x\n\n", 1),
        (b"\n" * 5000 + b"data: x\n\n", 1),
        (b"event: ping\n\n" * 1000 + b"data: x\n\n", 1),
    ],
    ids=["line", "open line", "many", "pings", "comments", "retries", "empty lines", "types"],
)
def test_events_within_max_event_are_parsed(stream: bytes, events: int, size: int):
    assert len(parse(pieces(stream, size), max_event=1000)) == events


@pytest.mark.parametrize("start", [b"data: ", b": ", b"x", b"event: ", b"data: x\ndata: "])
def test_endless_line_takes_no_more_memory_than_max_event(start: bytes):
    parser = Parser(100_000)
    list(parser.feed(start))
    block = b"x" * 10_000
    tracemalloc.start()
    try:
        for _ in range(1000):
            list(parser.feed(block))
    except TooLargeError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000


def seconds(stream: bytes, size: int) -> float:
    blocks = pieces(stream, size)
    spent = []
    for _ in range(3):
        start = time.process_time()
        parse(blocks, max_event=1 << 30)
        spent.append(time.process_time() - start)
    return min(spent)


@pytest.mark.parametrize(
    ("unit", "count", "size"),
    [
        (b"x", 16_000, 1),
        (b"data: x\n", 7_000, 8),
        (b"data: x\n\n", 7_000, 10**9),
        (b"data: x\n", 7_000, 10**9),
        (b"\r\n", 4_000, 1),
        (b": x\n", 7_000, 3),
    ],
    ids=["one line", "one event", "one block", "one block, one event", "crlf", "comments"],
)
def test_parsing_time_is_linear(unit: bytes, count: int, size: int):
    # Four times the input takes 4 times as long if time is linear, and 16 times if it is quadratic.
    assert seconds(b"data: " + unit * 4 * count, size) < 9 * seconds(b"data: " + unit * count, size)
