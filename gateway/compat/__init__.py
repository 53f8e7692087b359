"""What callers of other gateways send, understood where there is such a thing here. Imported where ``compat`` says."""
