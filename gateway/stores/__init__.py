"""Durable stores behind protocols, opened by URL: one implementation a file, one contract test suite a protocol."""
