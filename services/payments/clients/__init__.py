"""The payment provider behind our port. Its errors become ours here and nowhere else."""
