"""What saved runs say about time: with which certainty, and whether it has changed."""
