"""Configuration: its sources, their precedence, and what is said of faults."""

from pathlib import Path
from typing import Any

import pytest

from llmgine_core import ConfigError, MessageBus
from llmgine_core.config import Config, load_config


def load(given: dict[str, Any] | None = None, *, env: dict[str, str] | None = None, **options: Any) -> Config:
    return load_config(given or {}, environment=env or {}, **options)


def faults(given: dict[str, Any] | None = None, *, env: dict[str, str] | None = None, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(given, env=env, **options)
    return str(caught.value)


def test_without_any_source_the_defaults_are_selected() -> None:
    config = load()
    assert [(s.kind, s.name, s.source) for s in config.selections()] == [
        ("bus", "memory", "default"),
        ("context_store", "memory", "default"),
        ("tool_manager", "default", "default"),
    ]
    assert (config.content, config.allow, config.deny) == (False, None, ())


def test_without_discovery_only_the_bus_has_a_default() -> None:
    config = load(env={"LLMGINE_BUS": "nats"}, discover=False)
    assert [s.name for s in config.selections()] == ["memory"]


def test_each_source_gives_way_to_the_stronger_one(tmp_path: Path) -> None:
    Path("pyproject.toml").write_text('[tool.llmgine]\nbus = "p"\ncontext_store = "p"\ntool_manager = "p"\nllm = "p"')
    assert load().bus.source == "pyproject.toml [tool.llmgine]"
    Path("llmgine.toml").write_text('bus = "f"\ncontext_store = "f"\ntool_manager = "f"')
    config = load({"bus": "c", "llm": None}, env={"LLMGINE_BUS": "e", "LLMGINE_CONTEXT_STORE": "e"})
    assert config.context_store is not None
    assert config.tool_manager is not None
    assert [config.bus.use, config.context_store.use, config.tool_manager.use] == ["c", "e", "f"]
    assert config.llm["default"].use == "p"
    assert [config.bus.source, config.context_store.source] == ["the constructor", "the environment"]


def test_a_plugin_is_a_name_a_pair_a_table_or_a_ready_object() -> None:
    bus = MessageBus()
    config = load(
        {
            "bus": bus,
            "context_store": ("sqlite", {"path": "x"}),
            "observability": ["console", {"use": "file@dist", "as": "audit", "path": "a.jsonl"}],
            "llm": {"default": "local", "big": {"use": "openai", "model": "m"}},
        }
    )
    assert config.bus.instance is bus
    assert config.bus.name == "MessageBus"
    assert config.context_store is not None
    assert config.context_store.settings == {"path": "x"}
    assert [(s.name, s.use, dict(s.settings)) for s in config.observability] == [
        ("console", "console", {}),
        ("audit", "file@dist", {"path": "a.jsonl"}),
    ]
    assert {n: (s.use, dict(s.settings)) for n, s in config.llm.items()} == {
        "default": ("local", {}),
        "big": ("openai", {"model": "m"}),
    }
    assert load({"llm": {"use": "local", "threads": 2}}).llm["default"].settings == {"threads": 2}


def test_the_environment_selects_lists_and_changes_single_settings() -> None:
    config = load(
        env={
            "LLMGINE_LLM": "openai",
            "LLMGINE_OBSERVABILITY": "console, otel",
            "LLMGINE_OBSERVABILITY__OTEL__ENDPOINT": "http://x:4318",
            "LLMGINE_LLM__DEFAULT__MODEL": "b",
            "LLMGINE_BUS__CAPACITY": "5",
            "LLMGINE_CONTENT": "true",
            "LLMGINE_DENY": "one,two",
            "OTHER": "ignored",
        },
    )
    assert [s.name for s in config.observability] == ["console", "otel"]
    assert config.observability[1].settings == {"endpoint": "http://x:4318"}
    assert config.llm["default"].settings == {"model": "b"}
    assert config.bus.settings == {"capacity": 5}
    assert config.content is True
    assert config.deny == ("one", "two")


def test_a_setting_is_the_constructors_else_the_environments_else_a_files() -> None:
    Path("llmgine.toml").write_text('[context_store]\nuse = "sqlite"\npath = "file.db"\nsize = 1')
    config = load(
        {"observability": [("file", {"path": "ctor.jsonl"})]},
        env={
            "LLMGINE_OBSERVABILITY__FILE__PATH": "env.jsonl",
            "LLMGINE_OBSERVABILITY__FILE__MODE": "a",
            "LLMGINE_CONTEXT_STORE__PATH": "env.db",
        },
    )
    assert config.observability[0].settings == {"path": "ctor.jsonl", "mode": "a"}
    assert config.context_store is not None
    assert config.context_store.settings == {"path": "env.db", "size": 1}


def test_a_variable_for_a_ready_object_is_named_as_setting_nothing() -> None:
    said = faults(
        {"bus": MessageBus(), "llm": {"big": object()}},
        env={"LLMGINE_BUS__CAPACITY": "5", "LLMGINE_LLM__BIG__MODEL": "m"},
    )
    assert "LLMGINE_BUS__CAPACITY sets nothing: the constructor was given a ready object" in said
    assert "LLMGINE_LLM__BIG__MODEL sets nothing: the constructor was given a ready object" in said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("2.5", 2.5),
        ("true", True),
        ('["a#b", "c"]', ["a#b", "c"]),
        ("12#34", "12#34"),
        ("2024-01-01", "2024-01-01"),
        ('"quoted"', '"quoted"'),
        ("{a = 1}", "{a = 1}"),
        ("5\nother = 3", "5\nother = 3"),
        ("plain text", "plain text"),
        ("", ""),
    ],
)
def test_a_variable_is_a_number_boolean_or_array_or_else_the_text_itself(text: str, value: Any) -> None:
    assert load(env={"LLMGINE_BUS__X": text}).bus.settings == {"x": value}


def test_a_file_or_its_content_takes_the_place_of_llmgine_toml(tmp_path: Path) -> None:
    Path("llmgine.toml").write_text('bus = "ignored"')
    file = tmp_path / "other.toml"
    file.write_text('bus = "other"')
    assert load(file=file).bus.use == "other"
    assert load(file={"bus": "given"}).bus.source == "the configuration given"


def test_unknown_keys_are_named_with_their_source_and_nearest_match() -> None:
    Path("llmgine.toml").write_text('contxt_store = "memory"')
    said = faults({"observabilty": []}, env={"LLMGINE_PLUGIN": "x", "LLMGINE_ZZZ": "1"})
    assert "llmgine.toml: unknown key 'contxt_store'; did you mean 'context_store'?" in said
    assert "the constructor: unknown key 'observabilty'; did you mean 'observability'?" in said
    assert "unknown key 'LLMGINE_PLUGIN'; did you mean 'LLMGINE_PLUGINS'?" in said
    assert "unknown key 'LLMGINE_ZZZ'" in said


def test_all_faults_of_all_sources_come_in_one_report() -> None:
    Path("llmgine.toml").write_text("bus = 5\nobservability = 'console'\ndeny = 'evil'\ncontent = 'yes'")
    said = faults({"plugins": [("a", {}), "a", ("x",), {"path": 1}]}, env={"LLMGINE_LLM__NONE__KEY": "1"})
    for part in (
        "faults in the configuration:",
        "llmgine.toml: bus is a plugin's name",
        "llmgine.toml: observability is a list, not 'console'",
        "llmgine.toml: deny is a list of distributions, not 'evil'",
        "llmgine.toml: content is true or false, not 'yes'",
        "the constructor: plugins has two instances called 'a'; name one with `as`",
        "LLMGINE_LLM__NONE__KEY sets nothing",
    ):
        assert part in said
    assert said.count("plugins is a plugin's name") == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [("bus = ", "llmgine.toml: cannot be read"), ("\udc80", "llmgine.toml: cannot be read")],
)
def test_a_file_that_cannot_be_read_is_a_fault(content: str, says: str) -> None:
    Path("llmgine.toml").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert says in faults()


def test_a_file_that_is_missing_and_a_section_that_is_no_table_are_faults() -> None:
    assert "nowhere.toml: there is no such file" in faults(file="nowhere.toml")
    Path("pyproject.toml").write_text("[tool]\nllmgine = 5")
    assert "tool.llmgine is a table, not 5" in faults()


def test_defaults_that_are_given_count_where_no_source_says_anything() -> None:
    Path("llmgine.toml").write_text('plugins = ["mine"]')
    defaults = {"llm": "local", "plugins": ["agent"], "context_store": "sqlite"}
    config = load(defaults=defaults, env={"LLMGINE_LLM__DEFAULT__THREADS": "2"})
    assert (config.llm["default"].use, config.llm["default"].settings) == ("local", {"threads": 2})
    assert [(s.use, s.source) for s in config.plugins] == [("mine", "llmgine.toml")]
    assert config.context_store is not None
    assert (config.context_store.use, config.context_store.source) == ("sqlite", "the application's defaults")
    assert [s.use for s in load(defaults=defaults, discover=False).selections()] == [
        "memory",
        "sqlite",
        "local",
        "agent",
    ]


@pytest.mark.parametrize(
    ("content", "variable"),
    [
        ("content = 'yes'", "LLMGINE_CONTEXT_STORE__PATH"),
        ("bus = 5", "LLMGINE_BUS__CAPACITY"),
        ("[llm.big]\nmodel = 'm'", "LLMGINE_LLM__BIG__KEY"),
        ("observability = 'file'", "LLMGINE_OBSERVABILITY__FILE__PATH"),
        ("lllm = 'local'", "LLMGINE_LLM__DEFAULT__MODEL"),
        ("[", "LLMGINE_LLM__DEFAULT__MODEL"),
    ],
)
def test_a_variable_is_not_blamed_for_the_fault_of_another_source(content: str, variable: str) -> None:
    Path("llmgine.toml").write_text(content)
    said = faults(env={variable: "x"})
    assert "llmgine.toml" in said
    assert variable not in said


def test_pyproject_counts_below_a_file_that_is_given() -> None:
    Path("llmgine.toml").write_text('tool_manager = "ignored"')
    Path("pyproject.toml").write_text('[tool.llmgine]\nbus = "p"\ncontext_store = "p"')
    config = load(file={"bus": "given"})
    assert [s.use for s in config.selections()] == ["given", "p", "default"]
    assert [s.use for s in load(file={"bus": "given"}, discover=False).selections()] == ["given"]


@pytest.mark.parametrize(("content", "says"), [("tool = 3", "tool is a table, not 3"), ("[other]", "")])
def test_a_pyproject_without_tables_of_tools_is_a_fault_only_if_tool_is_something_else(content: str, says: str) -> None:
    Path("pyproject.toml").write_text(content)
    if says:
        assert faults() == f"pyproject.toml: {says}"
    else:
        assert load() == load(file={})
