"""Checks that decide claims by computing them; one file for each field of knowledge."""
