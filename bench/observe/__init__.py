"""How quickly what happened can be looked at, and what that costs those who are served meanwhile."""
