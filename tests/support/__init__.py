"""What tests share: laws, simulated machines, saved runs, journals, workloads."""
