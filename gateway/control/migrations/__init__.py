"""Migrations of the control database. Each is one transaction, so a file is at one version or at the next."""
