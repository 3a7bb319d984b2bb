"""What the events of the runtime say."""

import attrs
import pytest

from llmgine_core import Event, events
from llmgine_core.contracts import ErrorInfo, Outcome

EVENTS: list[type[Event]] = [getattr(events, name) for name in events.__all__]
ENDS = [kind for kind in EVENTS if kind.__name__.endswith(("ResultEvent", "ResponseEvent", "EndEvent"))]


def fields_of(kind: type[Event]) -> list[str]:
    return [field.name for field in attrs.fields(kind)]


@pytest.mark.parametrize("kind", ENDS)
def test_whatever_ends_says_how_and_when_and_with_which_error(kind: type[Event]) -> None:
    attrs.resolve_types(kind)
    types = {field.name: field.type for field in attrs.fields(kind)}
    assert (types["outcome"], types["duration"], types["error"]) == (Outcome, float, ErrorInfo | None)


def test_there_are_such_ends_of_all_that_takes_time() -> None:
    assert {kind.__name__ for kind in ENDS} == {
        "SessionEndEvent",
        "CommandResultEvent",
        "EventHandlerResultEvent",
        "LLMResponseEvent",
        "ToolExecuteResultEvent",
        "SpanEndEvent",
    }


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (events.EventHandlerFailedEvent, ["event_id", "event_type", "handler", "attempts", "error"]),
        (events.EventDroppedEvent, ["event_type", "subscription", "reason", "count"]),
        (events.CommandStartedEvent, ["command_id", "command_type", "handler"]),
        (events.CommandResultEvent, ["command_id", "command_type", "outcome", "duration", "result", "error"]),
        (events.SessionEndEvent, ["outcome", "duration", "error"]),
    ],
)
def test_fields_that_others_rely_on_keep_their_names_and_order(kind: type[Event], fields: list[str]) -> None:
    assert fields_of(kind) == fields


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_stored_under_its_bare_name_and_its_span_is_one_of_its_fields(kind: type[Event]) -> None:
    assert kind.type_name == kind.__name__
    assert kind.span_field is None or kind.span_field in fields_of(kind)
