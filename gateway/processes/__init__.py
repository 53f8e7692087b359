"""What every process of the gateway shares: where files lie, what a child is told, how processes talk and log."""
