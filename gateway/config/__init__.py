"""The operator's configuration: what may be written, where a mistake stands, and what the values refer to."""
