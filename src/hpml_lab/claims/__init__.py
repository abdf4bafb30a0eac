"""The published write-ups' answers to the labs, and their verification."""
