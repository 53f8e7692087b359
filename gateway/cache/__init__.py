"""Answers that are known already: exact, in flight, similar; and the process that keeps them."""
