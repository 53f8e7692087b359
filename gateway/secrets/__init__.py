"""Secrets at rest: encrypted with a master key that lies outside the database. Never imported by a worker."""
