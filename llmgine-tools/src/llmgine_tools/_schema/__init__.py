"""From type hints to JSON Schema, and from JSON to values of those types: one walk gives both."""

from llmgine_tools._schema.fields import Field
from llmgine_tools._schema.hints import resolved, unwrapped
from llmgine_tools._schema.records import UNSTATED, Record
from llmgine_tools._schema.shape import Reader, Reading
from llmgine_tools._schema.strict import strict_form
from llmgine_tools._schema.walker import Walker

__all__ = ["UNSTATED", "Field", "Reader", "Reading", "Record", "Walker", "resolved", "strict_form", "unwrapped"]
