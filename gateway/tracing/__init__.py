"""Traces and metrics in OpenTelemetry's forms, made in control of what workers recorded."""
