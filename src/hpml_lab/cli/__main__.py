"""`python -m hpml_lab.cli`: the command where the package is not installed."""

from hpml_lab.cli import main

main()
