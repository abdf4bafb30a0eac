"""Two revisions measured side by side: `hpml-lab ab`."""
