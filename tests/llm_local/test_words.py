"""Words of a message."""

import pytest

from llmgine_llm_local._words import numbers, spans, split_name, stems


@pytest.mark.parametrize("name", ["get_time", "getTime", "get-time", "GetTime", "get__time_"])
def test_an_identifier_splits_into_its_words(name: str) -> None:
    assert split_name(name) == ["get", "time"]


@pytest.mark.parametrize(("one", "other"), [("raining", "rained"), ("alarms", "alarm"), ("rolling", "Roll")])
def test_forms_of_a_word_share_their_stem(one: str, other: str) -> None:
    assert stems(one) == stems(other) != frozenset()


def test_words_that_say_nothing_have_no_stem() -> None:
    assert stems("What is it that you want?") == frozenset()


def test_spans_neither_begin_nor_end_with_words_that_only_join() -> None:
    found = spans("What time is it in New York?")
    assert {"New York", "New", "York", "time"} <= set(found)
    assert not any(span.startswith(("in ", "What ")) or span.endswith((" in", " is")) for span in found)


def test_a_long_message_as_a_whole_is_no_span_but_a_short_one_is() -> None:
    assert "Please lock all doors" not in spans("Please lock all doors")
    assert "San Francisco" in spans("San Francisco")


def test_what_is_quoted_comes_first_and_whole() -> None:
    assert spans('Say "to be or not to be" to Anna')[0] == "to be or not to be"


def test_a_message_without_words_has_no_spans() -> None:
    assert spans("?! ...") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Roll a 20-sided die", [20]),
        ("a d12", [12]),
        ("roll two dice with 6 sides", [2, 6]),
        ("1,500 dollars and 2.5 euros", [1500, 2.5]),
        ("-3 degrees", [-3]),
        ("3-4", [3, 4]),
        ("from 10 to 10", [10]),
        ("none at all", []),
    ],
)
def test_numbers_are_found_in_digits_and_in_words(text: str, found: list[float]) -> None:
    assert numbers(text) == found
