"""`python -m tests.real.promqltest PATH...`: run test files of Prometheus and print the score of each."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.real.promqltest.running import Outcome, Verdict, run_file


def script_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and all in the folders named."""
    return [file for path in paths for file in (sorted(path.rglob("*.test")) if path.is_dir() else [path])]


def score(outcomes: Sequence[Outcome]) -> float:
    """Return the share of float evals which the parser accepts that passed."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    total = counts[Verdict.PASSED] + counts[Verdict.FAILED]
    return counts[Verdict.PASSED] / total if total else 1.0


def main(paths: Sequence[str]) -> int:
    """Print a line for each file, then what did not pass, with reasons. Exit 1 if a file is under 99 %."""
    if not paths:
        print("usage: python -m tests.real.promqltest PATH...", file=sys.stderr)
        return 2
    print(f"{'file':<36} {'score':>8} {'passed':>7} {'failed':>7} {'native':>7} {'refused':>8}")
    everything: list[Outcome] = []
    lowest = 1.0
    for file in script_files(map(Path, paths)):
        outcomes = list(run_file(file))
        counts = Counter(outcome.verdict for outcome in outcomes)
        columns = (Verdict.PASSED, Verdict.FAILED, Verdict.NATIVE)
        numbers = " ".join(f"{counts[verdict]:>7}" for verdict in columns)
        print(f"{file.name:<36} {score(outcomes):>8.2%} {numbers} {counts[Verdict.REFUSED]:>8}")
        lowest = min(lowest, score(outcomes))
        everything += outcomes
    print("\nnative: touches a native histogram, out of scope. refused: promql-parser does not accept it.")
    for verdict in (Verdict.FAILED, Verdict.REFUSED):
        for outcome in everything:
            if outcome.verdict is verdict:
                place = f"{outcome.path}:{outcome.command.line}"
                print(f"\n{verdict.value}: {place}: {outcome.command.expression}\n    {outcome.reason[:400]}")
    return 0 if lowest >= 0.99 else 1  # what we ask of ourselves


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
