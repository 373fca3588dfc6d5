"""Every performance claim, as a command that prints a ratio or a count.

`python -m benchmarks` runs them all; `python -m benchmarks rpc_chain` runs one.
Nothing here is asserted: machines differ, ratios within one run much less.
"""
