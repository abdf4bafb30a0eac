"""The answers that published write-ups gave to the lab, and which of them hold."""
