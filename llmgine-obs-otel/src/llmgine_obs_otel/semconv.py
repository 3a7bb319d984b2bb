"""Every name that this package writes on spans, metrics and logs.

OpenTelemetry semantic conventions 1.44 (https://opentelemetry.io/schemas/1.44.0) with those for generative AI
(https://github.com/open-telemetry/semantic-conventions-genai), which are still in development: names change
there, so they stand in this module only. What the conventions have no name for is called `llmgine.*`.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "llmgine"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

# resource
SERVICE_NAME: Final = "service.name"
LLMGINE_VERSION: Final = "llmgine.version"

# general
ERROR_TYPE: Final = "error.type"
ERROR_OTHER: Final = "_OTHER"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
SESSION_ID: Final = "session.id"

# generative AI: what is done, by whom
OPERATION_NAME: Final = "gen_ai.operation.name"
OPERATION_CHAT: Final = "chat"
OPERATION_EXECUTE_TOOL: Final = "execute_tool"
OPERATION_INVOKE_AGENT: Final = "invoke_agent"
PROVIDER_NAME: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
AGENT_NAME: Final = "gen_ai.agent.name"
OUTPUT_TYPE: Final = "gen_ai.output.type"

# generative AI: the request
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"

# generative AI: the response
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_CREATION_INPUT_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"

# generative AI: content
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"

# generative AI: tools
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_TYPE_FUNCTION: Final = "function"

# our own
OUTCOME: Final = "llmgine.outcome"
OUTCOME_UNFINISHED: Final = "unfinished"
COMMAND_TYPE: Final = "llmgine.command.type"
COMMAND_ID: Final = "llmgine.command.id"
HANDLER_NAME: Final = "llmgine.handler.name"
HANDLER_ATTEMPTS: Final = "llmgine.handler.attempts"
MODEL_NAME: Final = "llmgine.llm.name"
STREAM_CHUNK_COUNT: Final = "llmgine.stream.chunk_count"
TOOL_OUTCOME: Final = "llmgine.tool.outcome"
APPLICATION: Final = "llmgine.application"
PLUGIN_KIND: Final = "llmgine.plugin.kind"
PLUGIN_NAME: Final = "llmgine.plugin.name"
PLUGIN_VERSION: Final = "llmgine.plugin.version"
PLUGIN_ENTRY_POINT: Final = "llmgine.plugin.entry_point"
PLUGIN_DISTRIBUTION: Final = "llmgine.plugin.distribution"
PLUGIN_OUTCOME: Final = "llmgine.plugin.outcome"
APPROVAL: Final = "llmgine.approval"
APPROVAL_APPROVED: Final = "llmgine.approval.approved"
EVENT_TYPE: Final = "llmgine.event.type"
EVENT_ID: Final = "llmgine.event.id"
CONTEXT_OPERATION: Final = "llmgine.context.operation"
CONTEXT_MESSAGE_COUNT: Final = "llmgine.context.message_count"
CONTEXT_VERSION: Final = "llmgine.context.version"
DROPPED_COUNT: Final = "llmgine.dropped.count"
DROPPED_REASON: Final = "llmgine.dropped.reason"

# names of log events
EVENT_SESSION_START: Final = "session.start"
EVENT_SESSION_END: Final = "session.end"
EVENT_CLIENT_EXCEPTION: Final = "gen_ai.client.operation.exception"
EVENT_COMMAND_EXCEPTION: Final = "llmgine.command.exception"
EVENT_HANDLER_EXCEPTION: Final = "llmgine.handler.exception"
EVENT_TOOL_EXCEPTION: Final = "llmgine.tool.exception"
EVENT_DROPPED: Final = "llmgine.event.dropped"
EVENT_CONTEXT_UPDATED: Final = "llmgine.context.updated"
EVENT_PLUGIN_FAILED: Final = "llmgine.plugin.failed"
EVENT_OTHER: Final = "llmgine.event"

# metrics, and the boundaries of their buckets
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"
METRIC_TOOL_DURATION: Final = "gen_ai.execute_tool.duration"
METRIC_AGENT_DURATION: Final = "gen_ai.invoke_agent.duration"
METRIC_COMMAND_DURATION: Final = "llmgine.command.duration"
TOKEN_TYPE: Final = "gen_ai.token.type"
TOKEN_TYPE_INPUT: Final = "input"
TOKEN_TYPE_OUTPUT: Final = "output"
UNIT_SECONDS: Final = "s"
UNIT_TOKENS: Final = "{token}"
BUCKETS_DURATION: Final = tuple(0.01 * 2**n for n in range(14))
BUCKETS_AGENT: Final = tuple(0.1 * 2**n for n in range(13))
BUCKETS_TOKENS: Final = tuple(float(4**n) for n in range(14))
