"""One module a version, named by its number; ``migrate.HEAD`` names the newest."""
