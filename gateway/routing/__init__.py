"""Which of the targets and keys that could answer a request is asked."""
