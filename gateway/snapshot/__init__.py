"""The immutable picture of the configuration that workers serve from, and how it is made, written and read."""
