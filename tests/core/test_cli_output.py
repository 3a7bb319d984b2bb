"""Tables, colours and what may not reach a terminal."""

import os
import sys

import pytest

from llmgine_core.cli._output import complain, painted, print_table

ROWS = [("a", "one two three", "x" * 30), ("b", "", "")]


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Let standard output say that it is a terminal of so many columns, without colours."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.mark.parametrize(
    ("variables", "is_terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_terminal: bool, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert painted("x", "red") == ("\x1b[31mx\x1b[0m" if coloured else "x")


def test_a_table_in_a_pipe_has_one_line_a_row_however_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    print_table(("A", "B", "C"), ROWS, {})
    assert capsys.readouterr().out == f"A  B              C\na  one two three  {'x' * 30}\nb\n"


def test_a_table_on_a_terminal_is_folded_to_its_width_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, 30)
    print_table(("A", "B", "C"), ROWS, {})
    assert capsys.readouterr().out.splitlines() == [
        "A  B              C",
        "a  one two three  xxxxxxxxxxxx",
        "                  xxxxxxxxxxxx",
        "                  xxxxxx",
        "b",
    ]


def test_a_terminal_that_is_too_narrow_for_any_table_gets_all_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, 3)
    print_table(("A", "B", "C"), ROWS, {})
    out = capsys.readouterr().out
    assert out.count("x") == 30
    assert out.splitlines()[1:3] == ["a  one two   xxxxxxxx", "   three     xxxxxxxx"]


def test_colours_leave_the_columns_in_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_table(("A", "B"), [("long", "x"), ("s", "y")], {0: "red"})
    assert capsys.readouterr().out == (
        "\x1b[1mA\x1b[0m     \x1b[1mB\x1b[0m\n\x1b[31mlong\x1b[0m  x\n\x1b[31ms\x1b[0m     y\n"
    )


def test_what_others_wrote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A",), [("\x1b[2Jgone\r\n",)], {})
    complain("x: \x1b[2J\ny")
    out, err = capsys.readouterr()
    assert out == f"A\n\\x1b[2Jgone\\r\\n{os.linesep}"
    assert err == "llmgine x: \\x1b[2J\ny\n"
