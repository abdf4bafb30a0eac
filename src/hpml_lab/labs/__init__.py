"""The labs: one folder for each question, with its bench, table, figure and checks."""
