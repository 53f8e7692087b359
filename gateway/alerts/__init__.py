"""What operators are told of: budgets nearly spent, providers that are down, requests that fail."""
