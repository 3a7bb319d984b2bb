"""What a message is made of, and what a tool may give a model to see.

Each part has the fields that providers share, under the names that they use. What only one provider says of it goes
into `extra`, as that provider writes it, and comes back to it unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from llmgine_core.contracts.message import CONTENT

__all__ = [
    "ContentPart",
    "FilePart",
    "ImagePart",
    "ReasoningPart",
    "RefusalPart",
    "TextPart",
    "UnknownPart",
]


def extra_field() -> Any:
    """The field `extra` of what is said: content, since providers quote and repeat there."""
    return attrs.field(factory=dict[str, Any], kw_only=True, repr=False, metadata=CONTENT)


def id_field() -> Any:
    """The field `id` of a part."""
    return attrs.field(default=None, kw_only=True)


# One for each type: type checkers cannot read a field's type off a generic converter.
def _mappings(mappings: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(mappings)


def _strings(strings: Iterable[str]) -> tuple[str, ...]:
    return tuple(strings)


@attrs.frozen
class TextPart:
    """Words.

    Attributes:
        text: the words.
        id: the provider's id of the output item that the words belong to; parts of one item share it.
        annotations: where the words come from (citations of pages and files), each in the provider's form; JSON data.
        extra: what the provider says besides (cache marks); JSON data.
    """

    text: str = attrs.field(metadata=CONTENT, validator=attrs.validators.instance_of(str))
    id: str | None = id_field()
    annotations: tuple[Mapping[str, Any], ...] = attrs.field(
        default=(), converter=_mappings, kw_only=True, metadata=CONTENT
    )
    extra: Mapping[str, Any] = extra_field()


@attrs.frozen
class ImagePart:
    """A picture: by address, in full, or as a file that the provider holds.

    Attributes:
        url: an https: or data: address.
        data: the picture's bytes in Base64.
        media_type: its media type, `image/png`.
        detail: how closely to look, in the provider's words.
        file_id: the provider's id of a file uploaded before.
        extra: what the provider says besides; JSON data.
    """

    url: str | None = attrs.field(default=None, metadata=CONTENT)
    data: str | None = attrs.field(default=None, metadata=CONTENT, repr=False)
    media_type: str | None = None
    detail: str | None = None
    file_id: str | None = attrs.field(default=None, kw_only=True)
    extra: Mapping[str, Any] = extra_field()


@attrs.frozen(kw_only=True)
class FilePart:
    """A document or a recording: by address, in full, or as a file that the provider holds.

    Attributes:
        url: an https: or data: address.
        data: its bytes in Base64; of a text file the text, where `media_type` says so.
        media_type: its media type, `application/pdf`, `audio/wav`.
        name: the file's name.
        file_id: the provider's id of a file uploaded before.
        extra: what the provider says besides (a title, a transcript, whether to cite); JSON data.
    """

    url: str | None = attrs.field(default=None, metadata=CONTENT)
    data: str | None = attrs.field(default=None, metadata=CONTENT, repr=False)
    media_type: str | None = None
    name: str | None = attrs.field(default=None, metadata=CONTENT)
    file_id: str | None = None
    extra: Mapping[str, Any] = extra_field()


@attrs.frozen
class ReasoningPart:
    """What the model thought before it spoke.

    Attributes:
        text: the thought.
        signature: the provider's seal, to be sent back unchanged.
        redacted: the thought in the provider's encryption, to be sent back unchanged (`redacted_thinking` of Anthropic,
            `encrypted_content` of OpenAI).
        id: the provider's id of the output item.
        summary: what the provider tells of the thought, in paragraphs.
        extra: what the provider says besides; JSON data.
    """

    text: str = attrs.field(default="", metadata=CONTENT)
    signature: str | None = None
    redacted: str | None = None
    id: str | None = id_field()
    summary: tuple[str, ...] = attrs.field(default=(), converter=_strings, kw_only=True, metadata=CONTENT)
    extra: Mapping[str, Any] = extra_field()


@attrs.frozen
class RefusalPart:
    """The model's words for not answering.

    Attributes:
        text: the words.
        id: the provider's id of the output item that the words belong to; parts of one item share it.
        extra: what the provider says besides; JSON data.
    """

    text: str = attrs.field(metadata=CONTENT)
    id: str | None = id_field()
    extra: Mapping[str, Any] = extra_field()


@attrs.frozen
class UnknownPart:
    """A part of a kind that this version does not know, or that is one provider's own, kept as it was read.

    A provider's calls of the tools that it runs itself, and their results, are such parts: nobody else answers them.

    Attributes:
        type: the kind's stored name; none of those of the other parts.
        data: everything that was stored; JSON data.
    """

    type: str
    data: Mapping[str, Any] = attrs.field(metadata=CONTENT)


ContentPart = TextPart | ImagePart | FilePart | UnknownPart
"""What a tool may give a model to see."""
