"""How a workload is measured, and on which machine."""
