"""A proxy that breaks what passes it, on purpose, and meters what it served: a provider to test against.

It stands between a caller and a provider, or plays the provider itself. Nothing that serves imports it.
"""
