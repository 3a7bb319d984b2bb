"""Sends the events of a llmgine application to an OpenTelemetry collector."""
