"""Other gateways, each in an environment of its own, installed by one command."""
