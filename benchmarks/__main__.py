"""Run benchmarks by name."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

NAMES = {
    "rpc_chain": "unary calls through the whole interceptor chain against a bare grpc.aio server",
    "rest": "memory of everything that `make up` starts, at rest",
    "promql": "our PromQL engine against a real Prometheus, on the same data",
    "orders": "orders a second through the mesh, against one program that does the same alone",
    "ingest": "samples a second by OTLP and remote write, and the memory of a series and of a sample",
    "orders_at_scale": "an order with a million stored, and a claim with 100,000 jobs finished",
    "first_order": "seconds from a fresh clone, and from a second start, to a paid order",
}


def main() -> int:
    """Run the benchmarks that are named, or all."""
    listed = "\n".join(f"  {name:<12} {meaning}" for name, meaning in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what we claim.",
        epilog=listed,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (default: everything)")
    wanted = parser.parse_args().names or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}\n{listed}")
    for name in wanted:
        print(f"\n{name}: {NAMES[name]}", flush=True)
        importlib.import_module(f"benchmarks.{name}").run(os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
