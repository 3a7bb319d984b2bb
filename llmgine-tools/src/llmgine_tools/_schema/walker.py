"""From a type hint to its shape."""

from __future__ import annotations

import collections
import inspect
import types
from collections import abc
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

import attrs

from llmgine_core.errors import ToolSchemaError
from llmgine_tools._docstrings import class_documentation
from llmgine_tools._schema.choices import one_of, union
from llmgine_tools._schema.containers import array, fixed_array, mapping, unique_array
from llmgine_tools._schema.fields import Field, fields_of
from llmgine_tools._schema.hints import substituted, type_arguments, unwrapped
from llmgine_tools._schema.records import Property, Record
from llmgine_tools._schema.scalars import ANYTHING, KEYS, NULL, SCALARS
from llmgine_tools._schema.shape import Reading, Shape

__all__ = ["Walker"]

_ARRAYS: Final[dict[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    collections.deque: collections.deque,
}
_SETS: Final[dict[Any, Callable[[list[Any]], Any]]] = {
    set: set,
    abc.Set: set,
    abc.MutableSet: set,
    frozenset: frozenset,
}
_MAPPINGS: Final = (dict, abc.Mapping, abc.MutableMapping)
_JSON_SCALARS: Final = (str, int, float, bool, type(None))


class Walker:
    """Walks the hints of one tool.

    Attributes:
        definitions: the schemas of the classes met, by the name under which `$ref` finds them in `$defs`.
    """

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._references: dict[Any, Shape] = {}
        self.definitions: dict[str, dict[str, Any]] = {}

    def shape(self, hint: Any, place: str) -> Shape:
        """The shape of a type.

        Args:
            hint: the type, its forward references resolved.
            place: where it stands, for the error (`parameter 'city'`).

        Raises:
            ToolSchemaError: JSON Schema has no words for it.
        """
        plain = unwrapped(hint)
        shape = self._bare(plain.type, place)
        if not plain.description:
            return shape
        return attrs.evolve(shape, schema={**shape.schema, "description": plain.description})

    def properties(self, fields: Sequence[Field], descriptions: abc.Mapping[str, str], place: str) -> list[Property]:
        """The properties of a record with these fields."""
        return [
            Property(
                field.key,
                field.key,
                self.shape(field.hint, f"{place} {field.key!r}"),
                field.required,
                field.default,
                # What stands at the type itself is nearer than what the docstring says.
                "" if unwrapped(field.hint).description else descriptions.get(field.documented, ""),
            )
            for field in fields
        ]

    def _bare(self, hint: Any, place: str) -> Shape:
        if hint in (Any, object, inspect.Parameter.empty):
            return ANYTHING
        if hint in (None, type(None)):
            return NULL
        if inspect.isclass(hint) and hint in SCALARS:
            return SCALARS[hint]
        if isinstance(hint, TypeVar):
            return self._type_variable(hint, place)
        if (supertype := getattr(hint, "__supertype__", None)) is not None:  # NewType
            return self.shape(supertype, place)
        if isinstance(hint, (str, ForwardRef)):
            raise self._refusal(place, f"the forward reference {hint!r} cannot be resolved")
        if type(hint).__name__ == "TypeAliasType":  # `type Name = …`, from Python 3.12 on
            alias: Any = hint
            return self._reference(alias, alias.__name__, lambda: self.shape(alias.__value__, place))
        origin, arguments = get_origin(hint) or hint, get_args(hint)
        if origin is Literal:
            return self._values([(v.value if isinstance(v, Enum) else v, v) for v in arguments], place)
        if origin in (Union, types.UnionType):
            return union([self.shape(a, place) for a in arguments])
        return self._container(origin, arguments, place) or self._class(hint, origin, arguments, place)

    def _container(self, origin: Any, arguments: tuple[Any, ...], place: str) -> Shape | None:
        if origin is tuple:
            return self._tuple(arguments, place)
        if origin in _MAPPINGS:
            key, value = arguments or (str, Any)
            return mapping(self._key(key, place), self.shape(value, place))
        if origin not in _ARRAYS and origin not in _SETS:
            return None
        element = unwrapped(arguments[0]).type if arguments else Any
        item = self.shape(arguments[0], place) if arguments else ANYTHING
        if origin in _ARRAYS:
            return array(item, _ARRAYS[origin])
        if getattr(get_origin(element) or element, "__hash__", ...) is None:
            raise self._refusal(place, f"{_named(element)} cannot be in a set, since it has no hash")
        return unique_array(item, _SETS[origin])

    def _tuple(self, arguments: tuple[Any, ...], place: str) -> Shape:
        if not arguments:  # the bare tuple; tuple[()] cannot be told from it and is of no use as a parameter
            return array(ANYTHING, tuple)
        if len(arguments) == 2 and arguments[1] is ...:
            return array(self.shape(arguments[0], place), tuple)
        return fixed_array([self.shape(a, place) for a in arguments], tuple)

    def _key(self, hint: Any, place: str) -> Shape:
        hint = unwrapped(hint).type
        if hint is Any:
            return KEYS[str]
        if inspect.isclass(hint) and hint in KEYS:
            return KEYS[hint]
        if get_origin(hint) is Literal or (inspect.isclass(hint) and issubclass(hint, Enum)):
            shape = self._bare(hint, place)
            if shape.schema.get("type") == "string":
                return shape
        raise self._refusal(place, f"a JSON object cannot have {_named(hint)} as keys")

    def _type_variable(self, variable: TypeVar, place: str) -> Shape:
        if variable.__constraints__:
            return union([self.shape(c, place) for c in variable.__constraints__])
        return self.shape(variable.__bound__, place) if variable.__bound__ else ANYTHING

    def _values(self, pairs: list[tuple[Any, Any]], place: str) -> Shape:
        for value, _ in pairs:
            if type(value) not in _JSON_SCALARS:
                raise self._refusal(place, f"JSON has no value for {value!r}")
        return one_of(pairs)

    def _class(self, hint: Any, origin: Any, arguments: tuple[Any, ...], place: str) -> Shape:
        if inspect.isclass(origin) and issubclass(origin, Enum):
            return self._enum(origin, place)
        try:
            fields = fields_of(origin)
        except NameError as error:
            raise self._refusal(place, f"an annotation of {_named(origin)} cannot be resolved: {error}") from error
        if fields is None:
            raise self._refusal(place, f"{_named(hint)} has no JSON Schema")
        known = type_arguments(origin, arguments)
        documentation = class_documentation(origin)
        typed_dict = issubclass(origin, dict)
        record = Record(dict if typed_dict else lambda given: origin(**given), documentation.text)

        def complete() -> Shape:
            plain = [attrs.evolve(f, hint=substituted(f.hint, known)) for f in fields]
            record.complete(self.properties(plain, documentation.parameters, f"{place} ({origin.__name__})"))
            return Shape(record.schema(), record.read, "an object")

        return self._reference(hint, origin.__name__, complete)

    def _enum(self, kind: type[Enum], place: str) -> Shape:
        members = list(kind)
        if not members:
            raise self._refusal(place, f"{kind.__name__} has no members")
        plain = all(type(m.value) in _JSON_SCALARS for m in members)
        # A member whose value JSON cannot say goes by its name.
        return one_of([(m.value if plain else m.name, m) for m in members])

    def _reference(self, key: Any, name: str, build: Callable[[], Shape]) -> Shape:
        """A shape that stands in `$defs`, where it may refer to itself."""
        if key in self._references:
            return self._references[key]
        while name in self.definitions:
            name += "_"
        self.definitions[name] = {}
        built: list[Shape] = []

        def read(value: Any, path: str, reading: Reading) -> Any:
            return built[0].read(value, path, reading)

        self._references[key] = Shape({"$ref": f"#/$defs/{name}"}, read, "an object")
        built.append(build())
        self.definitions[name] |= built[0].schema
        self._references[key] = attrs.evolve(self._references[key], noun=built[0].noun, nullable=built[0].nullable)
        return self._references[key]

    def _refusal(self, place: str, reason: str) -> ToolSchemaError:
        return ToolSchemaError(self._tool, f"{place}: {reason}")


def _named(hint: Any) -> str:
    return hint.__qualname__ if inspect.isclass(hint) else str(hint).replace("typing.", "")
