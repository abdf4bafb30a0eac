"""Checks that decide claims by computation, one module for each subject."""
