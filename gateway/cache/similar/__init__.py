"""Whether a question that is asked in other words has an answer already."""
