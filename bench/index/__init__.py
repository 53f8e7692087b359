"""The vector index: how fast it finds what, and whether it stays right beside a writer that is killed."""
