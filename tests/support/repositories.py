"""Repositories of git."""

import subprocess


def git(folder, *arguments):
    """Runs git with an author; returns what it prints."""
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
