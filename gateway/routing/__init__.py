"""Which of the keys and targets that could answer a request is asked."""
