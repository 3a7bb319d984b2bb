"""Settings of plugins: what their classes may want, and what is said of what does not fit."""

import datetime
import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, NewType, TypeVar

import attrs
import pytest

from llmgine_core import ConfigError
from llmgine_core._settings import settings_converter, structure_settings
from llmgine_core.config import load_config


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Tls:
    cert: str
    port: int = 0


@attrs.frozen(kw_only=True)
class Settings:
    """One of each form."""

    path: Path = Path()
    tls: Tls | None = None
    _private: int = 1
    sizes: list[int] = attrs.field(factory=list[int])
    pair: tuple[int, ...] = ()
    names: Sequence[str] = ()
    hosts: dict[str, Tls] = attrs.field(factory=dict[str, Tls])
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    colour: Colour = Colour.RED
    capacity: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    mode: Literal["read", "write"] = "read"
    either: int | str = 1
    seconds: float | None = None
    loud: bool = False
    key: str | None = None
    when: datetime.datetime | None = None
    other: Any = None


@attrs.frozen(kw_only=True)
class Needy:
    must: int


def read(settings: dict[str, Any] | None = None, wanted: type[Any] = Settings, **variables: str) -> Any:
    """The settings as a plugin gets them; names of variables in capitals are settings, others are variables."""
    env = {(f"LLMGINE_BUS__{k}" if k.isupper() else k): v for k, v in variables.items()}
    config = load_config({"bus": ("demo", settings or {})}, environment=env)
    return structure_settings(config.bus, wanted, settings_converter())


def faults(settings: dict[str, Any] | None = None, wanted: type[Any] = Settings, **variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(settings, wanted, **variables)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("path", "/a", Path("/a")),
        ("private", "3", 3),
        ("sizes", "1, 2", [1, 2]),
        ("sizes", "[1, 2]", [1, 2]),
        ("pair", "1,2", (1, 2)),
        ("names", "a,b", ("a", "b")),
        ("names", "1", ("1",)),
        ("headers", "{a = 'b'}", {"a": "b"}),
        ("hosts", "{h = {cert = 'c'}}", {"h": Tls("c")}),
        ("colour", "blue", Colour.BLUE),
        ("mode", "write", "write"),
        ("either", "12", 12),
        ("either", "twelve", "twelve"),
        ("seconds", "2", 2.0),
        ("seconds", "", None),
        ("loud", "true", True),
        ("key", "4.10", "4.10"),
        ("key", "true", "true"),
        ("when", "2026-01-02T03:04:05", datetime.datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ("other", "[1]", [1]),
        ("other", "text", "text"),
    ],
)
def test_a_variables_text_is_read_as_what_its_setting_wants(key: str, text: str, value: Any) -> None:
    config = load_config({"bus": "demo"}, environment={f"LLMGINE_BUS__{key.upper()}": text})
    settings = structure_settings(config.bus, Settings, settings_converter())
    got = getattr(settings, "_private" if key == "private" else key)
    assert (got, type(got)) == (value, type(value))


def test_a_variable_may_set_one_value_in_a_table() -> None:
    assert read({"tls": {"cert": "c"}}, TLS__PORT="7").tls == Tls("c", 7)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("tls", 5, "a table"),
        ("tls", "text", "a table"),
        ("sizes", "abc", "a list"),
        ("sizes", {"1": 2}, "a list"),
        ("names", "abc", "a list"),
        ("headers", [1], "a table"),
        ("hosts", 4, "a table"),
        ("colour", "green", "'red' or 'blue'"),
        ("mode", "append", "'read' or 'write'"),
        ("either", 1.5, "a whole number or a text"),
        ("seconds", True, "a number"),
        ("capacity", "5", "a whole number"),
        ("capacity", 2.5, "a whole number"),
        ("loud", 1, "true or false"),
        ("key", 5, "a text"),
        ("path", 5, "a path"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_is_wanted(key: str, value: Any, wanted: str) -> None:
    assert faults({key: value}) == f"the constructor: bus.{key}: {wanted} is wanted, not {value!r} (bus 'demo')"


def test_faults_are_all_told_each_with_its_path() -> None:
    said = faults({"sizes": [1, "x"], "hosts": {"h": {"port": 1}}, "tls": {"cert": "c", "prt": 1}, "sze": 1})
    for part in (
        "bus.sizes.1: a whole number is wanted, not 'x'",
        "bus.hosts.h.cert: it is missing; a text is wanted",
        "bus.tls.prt: unknown setting 'prt'; did you mean 'port'? (bus 'demo' takes cert, port)",
        "bus.sze: unknown setting 'sze'",
    ):
        assert part in said


def test_a_setting_that_is_missing_is_named() -> None:
    said = "the constructor: bus.must: it is missing; a whole number is wanted (bus 'demo')"
    assert faults(wanted=Needy) == said


def test_what_a_validator_says_is_told_with_the_settings_key() -> None:
    assert faults({"capacity": 0}) == "the constructor: bus.capacity: 'capacity' must be >= 1: 0 (bus 'demo')"
    assert "the environment: LLMGINE_BUS__CAPACITY: 'capacity' must be" in faults(CAPACITY="0")


@attrs.frozen
class Refusing:
    """A class that refuses what fits its fields."""

    path: Any = attrs.field(default="", validator=attrs.validators.instance_of(str))
    other: int = 0

    def __attrs_post_init__(self) -> None:
        if self.other:
            raise RuntimeError("not\nthis one")


def test_what_the_class_itself_refuses_is_told_in_its_own_words() -> None:
    assert "the constructor: bus.path: 'path' must be <class 'str'>" in faults({"path": 5}, Refusing)
    assert faults({"other": 1}, Refusing) == "the constructor: bus: RuntimeError: not this one (bus 'demo')"
    assert faults({"path": "a", "other": "x"}, Refusing).startswith(
        "the constructor: bus.other: a whole number is wanted"
    )


def test_a_setting_that_a_list_lacks_is_named_with_its_place_there() -> None:
    config = load_config({"observability": ["first", "second"]}, environment={})
    with pytest.raises(ConfigError) as caught:
        structure_settings(config.observability[1], Needy, settings_converter())
    said = "the constructor: observability[1].must: it is missing; a whole number is wanted (observability 'second')"
    assert str(caught.value) == said
    config = load_config({}, environment={"LLMGINE_BUS": "demo"})
    with pytest.raises(ConfigError, match=r"^the environment: bus\.must: it is missing"):
        structure_settings(config.bus, Needy, settings_converter())


def test_a_secret_reaches_the_plugin_and_no_message() -> None:
    settings = read({"key": "${env:token}", "names": ["${env:token}"]}, token="sk-123")
    assert (settings.key, settings.names) == ("sk-123", ("sk-123",))
    assert "sk-123" not in repr(settings)
    said = faults({"capacity": "${env:token}", "colour": "${env:token}"}, token="sk-123")
    assert "a whole number is wanted, not '${env:token}'" in said
    assert "sk-123" not in said


def test_a_secret_in_a_validators_text_is_hidden_and_so_is_its_cause() -> None:
    def refuse(_: Any, __: Any, value: str) -> None:
        raise ValueError(f"bad key {value}")

    keyed = attrs.make_class("keyed", {"key": attrs.field(type=str, validator=refuse)})
    with pytest.raises(ConfigError, match=r"bad key \$\{env:token\}") as caught:
        read({"key": "${env:token}"}, keyed, token="sk-123")
    assert caught.value.__cause__ is None


def test_a_number_may_come_from_a_reference() -> None:
    assert read({"capacity": "${env:size}"}, size="17").capacity == 17


@attrs.frozen
class Login:
    password: str
    token: list[str] = attrs.field(factory=list[str])


def test_a_value_below_a_key_that_calls_it_a_secret_is_masked() -> None:
    with pytest.raises(ConfigError) as caught:
        read({"password": 31337, "token": [31338]}, wanted=Login)
    assert "31337" not in str(caught.value)
    assert "31338" not in str(caught.value)
    assert "bus.password: a text is wanted, not '********'" in str(caught.value)


# ── types of all kinds ───────────────────────────────────────────────────────────────────────────────────────────────


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


Count = NewType("Count", int)
T = TypeVar("T")


@attrs.frozen
class Box(Generic[T]):
    content: T


@attrs.frozen(kw_only=True)
class Odd:
    level: Level = Level.LOW
    levels: frozenset[Level] = frozenset()
    maybe: Level | None = None
    count: Count = Count(0)
    counts: dict[str, list[Count]] = attrs.field(factory=dict[str, list[Count]])
    final: Final[int] = 1
    noted: Annotated[int | None, "a note"] = None
    both: tuple[int, str] = (0, "")
    box: Box[int] = Box(0)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LEVEL", "2", Level.HIGH),
        ("LEVELS", "1,2", {Level.LOW, Level.HIGH}),
        ("MAYBE", "2", Level.HIGH),
        ("COUNT", "5", 5),
        ("COUNTS__A", "1,2", {"a": [1, 2]}),
        ("FINAL", "5", 5),
        ("NOTED", "5", 5),
        ("BOTH", "5,5", (5, "5")),
        ("BOX__CONTENT", "5", Box(5)),
    ],
)
def test_a_variable_is_read_whatever_the_type_of_its_setting_is_made_of(name: str, text: str, value: object) -> None:
    assert getattr(read({}, Odd, **{name: text}), name.partition("__")[0].lower()) == value


def test_the_items_of_a_variable_that_do_not_fit_are_told_with_what_it_says() -> None:
    with pytest.raises(ConfigError, match=r"LLMGINE_BUS__LEVELS\.1: 1 or 2 is wanted, not '1,3'"):
        read(wanted=Odd, LEVELS="1,3")


@attrs.frozen(kw_only=True)
class Renamed:
    count: int = attrs.field(alias="number")
    made: int = attrs.field(init=False, default=3)


def test_a_setting_with_an_alias_is_told_by_the_name_that_configuration_uses() -> None:
    with pytest.raises(ConfigError, match=r"the constructor: bus\.number: a whole number is wanted, not 'x'"):
        read({"number": "x"}, wanted=Renamed)
    with pytest.raises(ConfigError, match="number: it is missing"):
        read({}, wanted=Renamed)


def test_what_a_class_makes_itself_is_no_setting() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'made' \(bus 'demo' takes number\)"):
        read({"number": 1, "made": 2}, wanted=Renamed)


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@attrs.frozen
class Picky:
    error: str

    def __attrs_post_init__(self) -> None:
        raise {"type": TypeError("it is not so"), "silent": SilentError()}[self.error]


@pytest.mark.parametrize(("error", "said"), [("type", "bus: it is not so"), ("silent", "bus: SilentError: ")])
def test_what_a_class_itself_refuses_is_told_in_its_words_whatever_it_raises(error: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read({"error": error}, wanted=Picky)


@attrs.frozen(kw_only=True)
class Pool:
    password: str = ""
    pin_key: int = 0


@attrs.frozen(kw_only=True)
class Written:
    api_key: str = ""
    url: str = attrs.field(default="", validator=attrs.validators.matches_re(r"(http.*)?"))
    api_keys: list[str] = attrs.field(factory=list[str])
    pool: Pool = Pool()


def test_a_secret_that_is_written_into_the_configuration_reaches_the_plugin_and_no_repr() -> None:
    written = {
        "api_key": "hunter2",
        "url": "http://u:hunter2@h",
        "api_keys": ["hunter2"],
        "pool": {"password": "hunter2"},
    }
    settings = read(written, Written)
    assert (settings.api_key, settings.url, settings.api_keys) == ("hunter2", "http://u:hunter2@h", ["hunter2"])
    assert f"{settings.pool.password}" == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "url='http://u:********@h'" in repr(settings)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"api_key": 73313}, "bus.api_key: a text is wanted, not '********'"),
        ({"api_key": ["73313"]}, "bus.api_key: a text is wanted, not ['********']"),
        ({"api_key": {"a": "73313"}}, "bus.api_key: a text is wanted, not a table"),
        ({"api_keys": [73313]}, "bus.api_keys.0: a text is wanted, not '********'"),
        ({"pool": {"password": {"x": "73313"}}}, "bus.pool.password: a text is wanted, not a table"),
        ({"pool": {"pin_key": "73313"}}, "bus.pool.pin_key: a whole number is wanted, not '********'"),
        ({"url": "ftp://u:73313@h"}, "'url' must match regex '(http.*)?' ('ftp://u:********@h' doesn't)"),
    ],
)
def test_a_fault_does_not_show_a_secret_that_is_written_into_the_configuration(
    written: dict[str, Any], says: str
) -> None:
    said = faults(written, Written)
    assert says in said
    assert "73313" not in said


def test_a_written_secret_that_is_a_word_is_taken_for_one_only_where_it_stands_alone() -> None:
    def refuse(_: Any, __: Any, value: str) -> None:
        raise ValueError(f"localhost does not know {value}")

    keyed = attrs.make_class("keyed", {"api_key": attrs.field(type=str, validator=refuse)})
    assert "localhost does not know ********" in faults({"api_key": "local"}, keyed)


def test_a_variable_for_a_secret_setting_reaches_the_plugin_and_no_repr() -> None:
    config = load_config({}, environment={"LLMGINE_BUS": "demo", "LLMGINE_BUS__API_KEY": "hunter2"})
    settings = structure_settings(config.bus, Written, settings_converter())
    assert settings.api_key == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(config)
