"""Configuration: its sources, their precedence, and what is said of faults."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from llmgine_core import ConfigError, MessageBus
from llmgine_core.config import Config, Secret, Text, load_config, read_config


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
    assert load().bus.source == "pyproject.toml"
    assert load().values[0].where == "pyproject.toml: tool.llmgine.bus"
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
    assert config.bus.settings == {"capacity": "5"}
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


def test_a_variables_text_is_kept_to_the_letter_until_its_setting_says_what_it_is() -> None:
    settings = load(env={"LLMGINE_BUS__X": "4.10", "LLMGINE_BUS__TLS__CERT": "c"}).bus.settings
    assert settings == {"x": "4.10", "tls": {"cert": "c"}}
    assert isinstance(settings["x"], Text)


def test_a_file_or_its_content_takes_the_place_of_llmgine_toml(tmp_path: Path) -> None:
    Path("llmgine.toml").write_text('bus = "ignored"')
    file = tmp_path / "other.toml"
    file.write_text('bus = "other"')
    assert load(file=file).bus.use == "other"
    assert load(file={"bus": "given"}).bus.source == "the configuration given"


def test_a_project_file_may_be_named_as_the_file(tmp_path: Path) -> None:
    project = tmp_path / "other" / "pyproject.toml"
    project.parent.mkdir()
    project.write_text("[project]\nname = 'x'\n[tool.llmgine]\nbus = 'other'")
    assert load(file=project).bus.use == "other"
    Path("pyproject.toml").write_text("[tool.llmgine]\nbus = 'here'")
    assert [v.overrides for v in load(file="pyproject.toml").values if v.key == "bus"] == [()]


def test_what_is_no_file_is_a_fault() -> None:
    assert faults(file=5) == "the constructor: config is a file, a mapping or a Config, not 5"


def test_unknown_keys_are_named_with_their_source_and_nearest_match() -> None:
    Path("llmgine.toml").write_text('contxt_store = "memory"')
    said = faults({"observabilty": []}, env={"LLMGINE_PLUGIN": "x", "LLMGINE_ZZZ": "1"})
    assert "llmgine.toml: unknown key 'contxt_store'; did you mean 'context_store'?" in said
    assert "the constructor: unknown key 'observabilty'; did you mean 'observability'?" in said
    assert "unknown key 'LLMGINE_PLUGIN'; did you mean 'LLMGINE_PLUGINS'?" in said
    assert "unknown key 'LLMGINE_ZZZ'" in said


def test_all_faults_of_all_sources_come_in_one_report() -> None:
    Path("llmgine.toml").write_text("bus = 5\nobservability = 'console'\ndeny = 'evil'\ncontent = 'yes'")
    said = faults({"plugins": [("a", {}), "a", ("x",), {"path": 1}]}, env={"LLMGINE_LLM": ""})
    for part in (
        "faults in the configuration:",
        "llmgine.toml: bus is a plugin's name",
        "llmgine.toml: observability is a list, not 'console'",
        "llmgine.toml: deny is a list of distributions, not 'evil'",
        "llmgine.toml: content is true or false, not 'yes'",
        "the constructor: plugins has two instances called 'a'; name one with `as`",
        "the environment: LLMGINE_LLM is empty; name a plugin, or unset it",
    ):
        assert part in said
    assert "the constructor: plugins[2] is a plugin's name" in said
    assert "the constructor: plugins[3] is a plugin's name" in said


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
    assert (config.llm["default"].use, config.llm["default"].settings) == ("local", {"threads": "2"})
    assert [(s.use, s.source) for s in config.plugins] == [("mine", "llmgine.toml")]
    assert config.context_store is not None
    assert (config.context_store.use, config.context_store.source) == ("sqlite", "the application's defaults")
    without = load(defaults=defaults, discover=False).selections()
    assert [s.use for s in without] == ["memory@llmgine-core", "sqlite", "local", "agent"]


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
    assert [s.name for s in config.selections()] == ["given", "p", "default"]
    assert [s.use for s in load(file={"bus": "given"}, discover=False).selections()] == ["given"]


@pytest.mark.parametrize(("content", "says"), [("tool = 3", "tool is a table, not 3"), ("[other]", "")])
def test_a_pyproject_without_tables_of_tools_is_a_fault_only_if_tool_is_something_else(content: str, says: str) -> None:
    Path("pyproject.toml").write_text(content)
    if says:
        assert faults() == f"pyproject.toml: {says}"
    else:
        assert load() == load(file={})


# ── how sources come together ────────────────────────────────────────────────────────────────────────────────────────


def test_settings_of_one_instance_come_together_from_all_sources_each_from_the_strongest() -> None:
    Path("pyproject.toml").write_text(
        "[tool.llmgine.bus]\nuse = 'nats'\na = 'p'\nb = 'p'\nc = 'p'\ntls = {x = 'p', y = 'p'}"
    )
    Path("llmgine.toml").write_text("bus = {a = 'f', b = 'f', tls = {x = 'f'}}")
    config = load({"bus": ("nats@acme", {"a": "c"})}, env={"LLMGINE_BUS__TLS__Z": "e"})
    assert config.bus.use == "nats@acme"
    assert config.bus.settings == {"a": "c", "b": "f", "c": "p", "tls": {"x": "f", "y": "p", "z": "e"}}
    assert config.bus.where(("a",)) == "the constructor: bus.a"
    assert config.bus.where(("tls", "x")) == "llmgine.toml: bus.tls.x"
    assert config.bus.where(("tls", "z")) == "the environment: LLMGINE_BUS__TLS__Z"
    assert config.bus.where(("c", "deeper")) == "pyproject.toml: tool.llmgine.bus.c.deeper"


def test_settings_of_another_plugin_than_the_one_selected_do_not_count() -> None:
    Path("llmgine.toml").write_text("bus = {use = 'nats', servers = 'x'}")
    config = load(env={"LLMGINE_BUS": "memory"})
    assert (config.bus.use, config.bus.settings) == ("memory", {})


def test_a_table_without_use_sets_what_the_default_takes() -> None:
    Path("llmgine.toml").write_text("[bus]\ncapacity = 5")
    config = load()
    assert (config.bus.name, config.bus.settings, config.bus.source) == ("memory", {"capacity": 5}, "default")


def test_a_table_without_use_that_nothing_else_selects_is_a_fault() -> None:
    Path("llmgine.toml").write_text("[llm.big]\nmodel = 'm'")
    assert faults() == "llmgine.toml: llm.big names no plugin; say which with `use`"


def test_a_list_is_the_strongest_sources_and_its_instances_keep_their_settings() -> None:
    Path("llmgine.toml").write_text("observability = ['console', {use = 'otel', endpoint = 'x'}]")
    config = load(env={"LLMGINE_OBSERVABILITY": "otel,file"})
    assert [(s.name, s.settings) for s in config.observability] == [("otel", {"endpoint": "x"}), ("file", {})]
    assert load({"observability": []}).observability == ()


def test_models_of_all_sources_are_there_by_name() -> None:
    Path("llmgine.toml").write_text("[llm.fast]\nuse = 'local'\n[llm.default]\nuse = 'openai'\nmodel = 'm'")
    config = load({"llm": {"big": "openai"}}, env={"LLMGINE_LLM": "local", "LLMGINE_LLM__BIG__MODEL": "b"})
    assert {name: (s.use, s.settings) for name, s in config.llm.items()} == {
        "big": ("openai", {"model": "b"}),
        "default": ("local", {}),
        "fast": ("local", {}),
    }


@pytest.mark.parametrize("content", ["context_store = false", "[context_store]\nuse = 'sqlite'"])
def test_false_switches_an_optional_kind_off(content: str) -> None:
    Path("llmgine.toml").write_text(content)
    env = {} if "false" in content else {"LLMGINE_CONTEXT_STORE": "false"}
    assert load(env=env).context_store is None


def test_a_pair_may_be_an_array() -> None:
    Path("llmgine.toml").write_text("observability = [['file', {path = 'x'}]]")
    assert load().observability[0].settings == {"path": "x"}


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    Path("llmgine.toml").write_text("bus = 'ignored'")
    file = tmp_path / "other.toml"
    file.write_text("bus = 'other'")
    assert load(env={"LLMGINE_CONFIG": str(file)}).bus.use == "other"
    assert load(env={"LLMGINE_CONFIG": "nowhere.toml"}, file={"bus": "given"}).bus.use == "given"
    assert "nowhere.toml: there is no such file" in faults(env={"LLMGINE_CONFIG": "nowhere.toml"})


def test_deadlines_are_numbers_of_seconds() -> None:
    Path("llmgine.toml").write_text("start_timeout = 5\nstop_timeout = 2.5")
    config = load(env={"LLMGINE_START_TIMEOUT": "7"})
    assert (config.start_timeout, config.stop_timeout) == (7, 2.5)
    for wrong in ("0", "-1", "soon", "true", "inf"):
        said = faults(env={"LLMGINE_STOP_TIMEOUT": wrong})
        assert "the environment: LLMGINE_STOP_TIMEOUT is a number of seconds above 0, not" in said


# ── where values come from ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_value_knows_where_it_was_said_and_what_it_overrides() -> None:
    Path("pyproject.toml").write_text("[tool.llmgine]\nbus = {use = 'nats', a = 1}\ncontent = true\nplugins = ['z']")
    Path("llmgine.toml").write_text("bus = {use = 'nats', a = 2}\nplugins = ['agent', {use = 'b', as = 'c', x = 1}]")
    values = load({"content": False}).values
    assert [(v.key, v.value, v.where, v.overrides) for v in values] == [
        ("bus", "nats", "llmgine.toml: bus", ("pyproject.toml: tool.llmgine.bus",)),
        ("bus.a", 2, "llmgine.toml: bus.a", ("pyproject.toml: tool.llmgine.bus.a",)),
        ("context_store", "memory@llmgine-context", "default", ()),
        ("tool_manager", "default@llmgine-tools", "default", ()),
        ("plugins", ["agent", "c"], "llmgine.toml: plugins", ("pyproject.toml: tool.llmgine.plugins",)),
        ("plugins.c.x", 1, "llmgine.toml: plugins[1].x", ()),
        ("content", False, "the constructor: content", ("pyproject.toml: tool.llmgine.content",)),
    ]


def test_secrets_are_put_in_from_variables_and_shown_by_their_references() -> None:
    Path("llmgine.toml").write_text("[llm.default]\nuse = 'openai'\nauth = 'Bearer ${env:KEY}'\nlist = ['${env:KEY}']")
    config = load(env={"KEY": "sk-1"})
    settings = config.llm["default"].settings
    assert settings == {"auth": "Bearer sk-1", "list": ["sk-1"]}
    assert isinstance(settings["auth"], Secret)
    assert "sk-1" not in repr(config)
    assert [v.value for v in config.values if v.key.startswith("llm.default.")] == ["Bearer ${env:KEY}", ["${env:KEY}"]]


def test_a_doubled_dollar_stands_for_the_text_itself() -> None:
    assert load({"bus": ("b", {"t": "$${env:KEY} ${other}"})}).bus.settings == {"t": "${env:KEY} ${other}"}


def test_a_reference_to_a_variable_that_is_not_set_is_a_fault() -> None:
    said = faults({"bus": ("b", {"t": {"key": "${env:NO_SUCH}"}})})
    assert said == "the constructor: bus.t.key: the environment variable 'NO_SUCH' is not set"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("api_key", "sk-1", "********"),
        ("PASSWORD", "p", "********"),
        ("access_token", "t", "********"),
        ("max_tokens", "5", "5"),
        ("api_key", "${env:KEY}", "${env:KEY}"),
        ("url", "postgres://me:pw@host/db", "postgres://me:********@host/db"),
    ],
)
def test_what_its_key_calls_a_secret_is_masked_where_values_are_shown(key: str, value: str, shown: str) -> None:
    config = load({"bus": ("b", {key: value})}, env={"KEY": "x"})
    assert config.values[1].value == shown


def test_a_secret_survives_copying_and_pickling() -> None:
    secret = Secret("sk-1", "${env:KEY}")
    for other in (copy.deepcopy(secret), pickle.loads(pickle.dumps(secret))):
        assert (other, repr(other)) == ("sk-1", "'${env:KEY}'")


# ── variables that set nothing ───────────────────────────────────────────────────────────────────────────────────────


def test_a_variable_for_what_is_not_selected_is_noted_and_no_fault() -> None:
    config = load(env={"LLMGINE_OBSERVABILITY__OTEL__ENDPOINT": "x", "LLMGINE_OBSERVABILITY": "console"})
    where = "the environment: LLMGINE_OBSERVABILITY__OTEL__ENDPOINT"
    assert config.notes == (f"{where} sets nothing: no observability 'otel' is selected",)


def test_a_variable_whose_instance_is_misspelt_is_a_fault() -> None:
    said = faults(env={"LLMGINE_OBSERVABILITY__CONSOL__COLOUR": "x", "LLMGINE_OBSERVABILITY": "console"})
    assert said.endswith("sets nothing: no observability 'consol' is selected; did you mean 'console'?")


@pytest.mark.parametrize(
    "variable", ["LLMGINE_LLM__MODEL", "LLMGINE_BUS____X", "LLMGINE_CONTENT__X", "LLMGINE_BUSS__X"]
)
def test_a_variable_of_no_known_form_is_a_fault(variable: str) -> None:
    assert f"the environment: unknown key {variable!r}" in faults(env={variable: "x"})


def test_two_variables_of_which_one_goes_deeper_than_the_other_are_a_fault() -> None:
    said = faults(env={"LLMGINE_BUS__TLS": "x", "LLMGINE_BUS__TLS__CERT": "y"})
    assert "LLMGINE_BUS__TLS__CERT goes deeper than the environment: LLMGINE_BUS__TLS, which is no table" in said


def test_what_can_be_read_is_read_beside_the_faults() -> None:
    Path("llmgine.toml").write_text("observability = ['console']\nplugins = 5\nzzz = 1")
    config, found = read_config({}, environment={})
    assert config is not None
    assert [s.name for s in config.observability] == ["console"]
    assert len(found) == 2


@pytest.mark.parametrize("content", ["deny = 'evil'", "allow = [1]", "dny = ['evil']", "[", "[tool]"])
def test_where_a_fault_may_hide_what_is_denied_there_is_nothing_to_go_on_with(content: str) -> None:
    Path("llmgine.toml").write_text(f"{content}\nbus = 'evil'")
    config, found = read_config({}, environment={})
    assert found
    assert (config is None) == (content != "[tool]")


# ── what only looks like nothing ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["llmgine.toml", "pyproject.toml"])
def test_a_file_that_is_none_is_a_fault_and_not_passed_over(name: str) -> None:
    Path(name).symlink_to("nowhere")
    assert faults() == f"{name}: there is no such file"
    Path(name).unlink()
    Path(name).mkdir()
    assert faults().startswith(f"{name}: cannot be read: ")


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000])
def test_what_no_reader_of_toml_can_take_is_a_fault_like_any(value: str) -> None:
    Path("llmgine.toml").write_text(f"x = {value}")
    assert faults().startswith("llmgine.toml: cannot be read: ")
    Path("llmgine.toml").unlink()
    assert "LLMGINE_START_TIMEOUT is a number of seconds" in faults(env={"LLMGINE_START_TIMEOUT": value})


@pytest.mark.parametrize("variable", ["LLMGINE_BUS__USE", "LLMGINE_LLM__FAST__AS"])
def test_a_variable_that_should_name_something_names_it(variable: str) -> None:
    assert faults(env={variable: " "}) == f"the environment: {variable} is no name; give one, or unset it"
    assert faults(env={f"{variable}__X": "y"}) == f"the environment: {variable}__X is no name; give one, or unset it"


@pytest.mark.parametrize(
    "given",
    [
        {"llm": {"a-b": "x", "A_B": "y"}},
        {"observability": [{"use": "x", "as": "a-b"}, {"use": "y", "as": "A_B"}]},
    ],
)
def test_two_instances_that_variables_cannot_tell_apart_are_a_fault(given: dict[str, Any]) -> None:
    assert "has two instances called 'a-b' and 'A_B', which variables cannot tell apart" in faults(file=given)


def test_two_models_of_one_name_are_a_fault() -> None:
    said = faults({"llm": {"a": {"use": "x", "as": "b"}, "b": "y"}})
    assert said == "the constructor: llm has two instances called 'b'; name one with `as`"


def test_a_key_that_is_no_text_is_unknown() -> None:
    assert "unknown key '1'" in faults(file={1: 2})


def test_the_repr_of_a_configuration_shows_no_secret_that_is_written_into_it() -> None:
    given = {"use": "demo", "api_key": "hunter2", "pools": [{"password": "hunter2"}], "url": "nats://u:hunter2@h"}
    config = load_config({"bus": given}, environment={})
    assert config.bus.settings["pools"] == [{"password": "hunter2"}]
    assert "hunter2" not in repr(config)
