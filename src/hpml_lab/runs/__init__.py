"""Saved runs: their schema and where they are kept."""
