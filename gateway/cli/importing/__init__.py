"""``microgate import``: other gateways' configurations, made into one of this gateway's, and told line by line."""
