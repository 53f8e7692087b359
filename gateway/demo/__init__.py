"""The built-in upstream: a provider that needs no account, for trying and testing everything else."""
