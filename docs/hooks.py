"""Writes what reference/hooks.md says of hooks, kinds and protocols from the code: uv run python docs/hooks.py.

The page is written by hand but for what stands between `<!-- generated: WHAT -->` and `<!-- end -->`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llmgine_core import abc, hookspecs, observability
from llmgine_core.hookspecs import HOOKS, KINDS, Hook, Kind

PAGE = Path(__file__).with_name("reference") / "hooks.md"
REGION = re.compile(r"(<!-- generated: (\w+)(?: (\w+))? -->\n).*?(<!-- end -->)", re.DOTALL)
# What a handler's author writes; the rest is the base class's affair.
WRITTEN = {"ObservabilityEventHandler": ("open_exporter", "export", "close_exporter")}


def page(text: str) -> str:
    """The page with every generated part as the code has it now."""
    return REGION.sub(lambda found: f"{found[1]}\n{PARTS[found[2]](*filter(None, [found[3]]))}\n\n{found[4]}", text)


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def kinds() -> str:
    """A table of the kinds."""
    rows = [f"| {_kind_link(k)} | `{k.group}` | {_factory(k)} | `{k.name}` |" for k in KINDS.values()]
    return "\n".join(
        ["| kind | group of the entry point | factory hook | its key in the configuration |", "|---" * 4 + "|", *rows]
    )


def hooks() -> str:
    """A table of the hooks."""
    rows = [f"| {_link(h.name)} | {_where(h)} | {_sentence(h.specification)} |" for h in HOOKS.values()]
    return "\n".join(["| hook | kinds | |", "|---" * 3 + "|", *rows])


def hook(name: str) -> str:
    """All of a hook's text."""
    specification = HOOKS[name].specification
    sections = _sections(specification)
    text, _, where = sections[""].rpartition("\n\n")
    arguments = [f"- `{argument}`: {text}" for argument, text in _entries(sections.get("Args", ""))]
    signature = f"def {name}{_signature(specification)}: ..."
    returned = [f"**Returns:** {_flow(sections['Returns'])}"] if "Returns" in sections else []
    parts = [f"```python\n{signature}\n```", text, "\n".join(arguments), *returned, f"*{where}*"]
    return "\n\n".join(filter(None, parts))


def protocol(name: str) -> str:
    """The members of a protocol."""
    kind: type[Any] = getattr(abc, name, None) or getattr(observability, name)
    return "\n".join(f"- `{_stated(each, member)}`: {_sentence(member)}" for each, member in _members(kind))


def attributes(name: str) -> str:
    """The attributes of a class, from its docstring."""
    entries = _entries(_sections(getattr(hookspecs, name))["Attributes"])
    return "\n".join(f"- `{attribute}`: {text}" for attribute, text in entries)


PARTS: dict[str, Callable[..., str]] = {part.__name__: part for part in (kinds, hooks, hook, protocol, attributes)}


# ── reading the code ─────────────────────────────────────────────────────────────────────────────────────────────────


def _members(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """A protocol's methods and properties, those of its bases last; what has no text is what every class has."""
    seen = set[str]()
    for base in kind.__mro__:
        for name, member in vars(base).items():
            wanted = name in WRITTEN.get(kind.__name__, (name,)) and not name.startswith("_")
            if wanted and name not in seen and member.__doc__ and base.__module__.startswith("llmgine_core"):
                seen.add(name)
                yield name, member


def _stated(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"{name}: {inspect.signature(member.fget).return_annotation}" if member.fget else name
    word = "async " if inspect.iscoroutinefunction(member) else ""
    return f"{word}{name}{_signature(member)}"


def _signature(function: Any) -> str:
    """A signature as written, without `self`."""
    signature = inspect.signature(function)
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    return str(signature.replace(parameters=parameters)).replace("'", "")


def _sections(documented: Any) -> dict[str, str]:
    """A docstring's sections by name; its text, under the empty name, comes without them."""
    text = inspect.cleandoc(documented.__doc__)
    parts = re.split(r"\n*^(Args|Attributes|Returns|Raises):\n", text, flags=re.MULTILINE)
    return {
        "": parts[0],
        **{name: inspect.cleandoc("\n" + body) for name, body in zip(parts[1::2], parts[2::2], strict=True)},
    }


def _entries(section: str) -> list[tuple[str, str]]:
    """The entries `name: text` of a section."""
    found: list[tuple[str, str]] = re.findall(r"^(\w+): (.+(?:\n +.+)*)", section, re.MULTILINE)
    return [(name, _flow(text)) for name, text in found]


def _sentence(documented: Any) -> str:
    return _flow(inspect.cleandoc(documented.__doc__ or "").partition("\n\n")[0])


def _flow(text: str) -> str:
    return " ".join(text.split())


def _link(name: str) -> str:
    return f"[`{name}`](#{name})"


def _kind_link(kind: Kind) -> str:
    heading = kind.noun if kind.factory else "everything else"
    return f"[{heading}](#{heading.replace(' ', '-')})"


def _factory(kind: Kind) -> str:
    return _link(kind.factory) if kind.factory else "none: whichever hooks it needs"


def _where(hook: Hook[Any]) -> str:
    return "every" if hook.kinds == tuple(KINDS) else ", ".join(f"`{kind}`" for kind in hook.kinds)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
