"""`python -m cai_eval`."""

from cai_eval.cli import main

main()
