"""What happens when there is too much: slots, the queue before them, loop lag, memory."""
