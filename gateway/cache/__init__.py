"""Answers that are already known: exact, under way, similar."""
