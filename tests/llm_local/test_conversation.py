"""A request's messages as the stages need them."""

import pytest

from llmgine_core.contracts import ChatMessage, ImagePart, Role, ToolCall, ToolResult
from llmgine_llm_local._conversation import Conversation, Exchange

CALL = ToolCall("1", "get_time", '{"city": "Oslo"}')
RESULT = ToolResult("1", "get_time", "21:04")
ASKED = (
    ChatMessage.system("Be brief."),
    ChatMessage.user("What time is it in Oslo?"),
    ChatMessage.assistant(tool_calls=(CALL,)),
    ChatMessage.tool(RESULT),
)


def test_the_question_is_what_the_user_said_last_with_what_tools_gave_for_it() -> None:
    talk = Conversation.of(ASKED)
    assert (talk.system, talk.question, talk.results) == ("Be brief.", "What time is it in Oslo?", (RESULT,))


def test_results_for_an_earlier_question_are_none_for_this_one() -> None:
    talk = Conversation.of([*ASKED, ChatMessage.assistant("It is 21:04."), ChatMessage.user("Thanks!")])
    assert (talk.question, talk.results) == ("Thanks!", ())


def test_what_was_said_earlier_is_told_with_the_tool_called_for_it() -> None:
    said = [ChatMessage.user("Hi"), ChatMessage.assistant("Hello!"), *ASKED[1:], ChatMessage.user("And in Rome?")]
    assert Conversation.of(said).earlier == (Exchange("Hi"), Exchange("What time is it in Oslo?", "get_time"))


def test_talk_holds_what_was_said_and_neither_calls_nor_results() -> None:
    talk = Conversation.of([*ASKED, ChatMessage.assistant("It is 21:04."), ChatMessage.user("Thanks!")])
    assert [message["content"] for message in talk.talk] == ["What time is it in Oslo?", "It is 21:04.", "Thanks!"]


def test_several_results_of_several_messages_are_all_told() -> None:
    other = ToolResult("2", "get_time", "08:00")
    assert Conversation.of([*ASKED, ChatMessage.tool(other)]).results == (RESULT, other)


@pytest.mark.parametrize("messages", [(), (ChatMessage.system("Be brief."),)])
def test_there_must_be_something_to_answer(messages: tuple[ChatMessage, ...]) -> None:
    with pytest.raises(ValueError, match="no message of a user"):
        Conversation.of(messages)


def test_images_are_refused() -> None:
    picture = ChatMessage(Role.USER, (ImagePart(url="https://example.org/a.png"),))
    with pytest.raises(ValueError, match="images"):
        Conversation.of([picture])
