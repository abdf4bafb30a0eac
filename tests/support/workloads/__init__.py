"""Small training steps: those that are planned, and those that are refused."""
