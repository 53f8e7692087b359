"""Texts to vectors, for the semantic cache: by a provider, or by a model in the cache process."""
