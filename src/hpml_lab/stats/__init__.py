"""Statistics of repeated measurements: NumPy and SciPy only."""
