"""What docstrings say reaches the model."""

import pytest

from llmgine_tools._docstrings import class_documentation, read_docstring
from tests.tools.shapes import Pair, Point, Tree

GOOGLE = """The weather.

Use it for forecasts.

Args:
    city (str): Where,
        in English.
    *days: How many.

Returns:
    Words.
"""
NUMPY = """The weather.

Use it for forecasts.

Parameters
----------
city : str
    Where,
    in English.
*days : int
    How many.
"""
SPHINX = """The weather.

Use it for forecasts.

:param city: Where,
    in English.
:param days: How many.
:returns: Words.
"""
EPYDOC = """The weather.

Use it for forecasts.

@param city: Where,
    in English.
@param days: How many.
@return: Words.
"""


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX, EPYDOC], ids=["google", "numpy", "sphinx", "epydoc"])
def test_every_common_form_is_read(text: str) -> None:
    read = read_docstring(text)
    assert read.text == "The weather.\n\nUse it for forecasts."
    assert read.parameters == {"city": "Where, in English.", "days": "How many."}


@pytest.mark.parametrize("text", [None, "", "One line.", "Two\nlines: with a colon."])
def test_plain_words_are_taken_as_they_are(text: str | None) -> None:
    assert read_docstring(text).text == (text or "")


def test_what_a_decorator_wrote_is_not_taken_for_a_docstring() -> None:
    assert not class_documentation(Tree).text
    assert not class_documentation(Pair).text
    assert class_documentation(Point).text == "A place on a plane."
