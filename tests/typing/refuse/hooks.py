"""What is no implementation of its hook is refused where it is marked."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from llmgine_core import Application, MessageBus, abc
from llmgine_core.hookspecs import Build, Kind, impl


class NoRedactor:
    """It has another method."""

    def redacted(self) -> None:
        """Nothing."""


def misspelt(build: Build[Any]) -> MessageBus:
    """Right, but for what it is said to be."""
    return MessageBus()


def misnamed(biuld: Build[Any]) -> MessageBus:
    """The parameter's name is misspelt."""
    return MessageBus()


def positional(build: Build[Any], /) -> MessageBus:
    """Hooks are called by keyword."""
    return MessageBus()


def mistyped(build: Kind) -> MessageBus:
    """The parameter is something else."""
    return MessageBus()


def without_parameter() -> MessageBus:
    """The parameter is missing."""
    return MessageBus()


def with_two(build: Build[Any], app: abc.Application) -> MessageBus:
    """There is no such parameter."""
    return MessageBus()


def behind_another(app: abc.Application, build: Build[Any]) -> MessageBus:
    """There is no such parameter in front either, and it is no `self`."""
    return MessageBus()


def number(build: Build[Any]) -> int:
    """Returns something else."""
    return 1


def perhaps(build: Build[Any]) -> MessageBus | None:
    """Returns nothing at times."""
    return None


async def coroutine(build: Build[Any]) -> MessageBus:
    """Hooks are plain functions."""
    return MessageBus()


def no_redactor(build: Build[Any]) -> NoRedactor:
    """Returns an object without the method."""
    return NoRedactor()


def manager_itself(build: Build[Any]) -> abc.ToolManager:
    """Returns a manager where a factory is asked for."""
    raise NotImplementedError


def instance() -> object:
    """Returns an object where a class is asked for."""
    return object()


def settings_of(build: Build[Any]) -> type[Any]:
    """Takes what it is not given."""
    return int


def one_tool() -> Callable[..., Any]:
    """Returns a function where functions are asked for."""
    return len


async def handlers_later(app: abc.Application) -> None:
    """Hooks are plain functions."""


def handlers_of_a_bus(app: MessageBus) -> None:
    """Takes something else."""


def handlers_of_ours(app: Application) -> None:
    """Takes the core's own class, where a hook is promised no more than the protocol."""


async def lifespan(app: abc.Application) -> AsyncIterator[None]:
    """A generator function, not yet a context manager."""
    yield


def checks(app: abc.Application) -> dict[str, bool]:
    """Returns what the checks would say."""
    return {"mine": True}


def converters(convertor: Any) -> None:
    """The parameter's name is misspelt."""


impl.llmgine_create_mesage_bus(misspelt)  # E: there is no such hook
impl.llmgine_create_message_bus(misnamed)  # E: another name
impl.llmgine_create_message_bus(positional)  # E: no name
impl.llmgine_create_message_bus(mistyped)  # E: another type
impl.llmgine_create_message_bus(without_parameter)  # E: nothing is taken
impl.llmgine_create_message_bus(with_two)  # E: one too many
impl.llmgine_create_message_bus(behind_another)  # E: one too many in front
impl.llmgine_create_message_bus(number)  # E: another return type
impl.llmgine_create_message_bus(perhaps)  # E: a wider return type
impl.llmgine_create_message_bus(coroutine)  # E: a coroutine function
impl.llmgine_create_message_bus(5)  # E: no function
impl.llmgine_create_redactor(no_redactor)  # E: without the protocol's method
impl.llmgine_create_tool_manager(manager_itself)  # E: a manager, not what makes one
impl.llmgine_settings(instance)  # E: an object, not a class
impl.llmgine_settings(settings_of)  # E: one too many
impl.llmgine_register_tools(one_tool)  # E: one, not a sequence
impl.llmgine_register_handlers(handlers_later)  # E: a coroutine function
impl.llmgine_register_handlers(handlers_of_a_bus)  # E: another type
impl.llmgine_register_handlers(handlers_of_ours)  # E: a narrower type
impl.llmgine_lifespan(lifespan)  # E: @asynccontextmanager is missing
impl.llmgine_health_checks(checks)  # E: values that are no functions
impl.llmgine_register_converters(converters)  # E: another name


@impl.llmgine_create_event_handlr  # E: there is no such hook
def llmgine_create_event_handlr(build: Build[Any]) -> MessageBus:
    """As a decorator."""
    return MessageBus()


class PluginObject:
    """Methods are held against the specification too."""

    def misnamed(self, biuld: Build[Any]) -> MessageBus:
        """The parameter's name is misspelt."""
        return MessageBus()

    async def coroutine(self, build: Build[Any]) -> MessageBus:
        """Hooks are plain functions."""
        return MessageBus()

    @classmethod
    def number(cls, build: Build[Any]) -> int:
        """Returns something else."""
        return 1

    def settings_of(self, build: Build[Any]) -> type[Any]:
        """Takes what it is not given."""
        return int


impl.llmgine_create_message_bus(PluginObject.misnamed)  # E: another name
impl.llmgine_create_message_bus(PluginObject.coroutine)  # E: a coroutine function
impl.llmgine_create_message_bus(PluginObject.number)  # E: another return type
impl.llmgine_settings(PluginObject.settings_of)  # E: one too many
