"""How long ``practice judge stability`` takes on a large file of scores, and how much memory.

    python benchmarks/stability.py                  100,000 groups of 5 rollouts x 5 evaluators
    python benchmarks/stability.py --groups 10000

The file is written first, into a folder that is removed again; it is read and analysed in a process of its own, with
one thread, as the command does it but for the printing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

EVALUATORS, ROLLOUTS = 5, 5
CODE = """
import resource, sys, time
from pathlib import Path
from practice.stability import analyse, read_scores

begun = time.process_time()
table = read_scores(Path(sys.argv[1]))
read = time.process_time()
report = analyse(table)
done = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
times = f"read {read - begun:.1f} s, analysed {done - read:.1f} s, together {done - begun:.1f} s CPU"
print(f"{report.verdict}: {times}, {peak:.2f} GiB")
"""


def write(path: Path, groups: int) -> None:
    """Scores from 1 to 10 of rollouts of different worth, a row a cell."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        file.write("group_id,rollout_id,score,evaluator,model,prompt,n_words,truth\n")
        for group in range(groups):
            worth = rng.normal(size=ROLLOUTS)
            words = rng.integers(20, 400, ROLLOUTS)
            scores = np.clip(np.rint(5.5 + 2 * (worth + rng.normal(0, 0.5, (EVALUATORS, ROLLOUTS)))), 1, 10)
            for who in range(EVALUATORS):
                for column in range(ROLLOUTS):
                    row = (
                        f"q{group}", f"r{column}", f"{scores[who, column]:g}", f"judge-{who}", f"model-{who % 2}",
                        f"wording-{who}", words[column], int(worth[column] > 0),
                    )  # fmt: skip
                    file.write(",".join(map(str, row)) + "\n")


def main() -> None:
    """Write the file, analyse it, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=100_000)
    groups = parser.parse_args().groups
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        write(path, groups)
        print(
            f"{groups:,} groups, {groups * EVALUATORS * ROLLOUTS:,} rows, {path.stat().st_size / 2**20:.0f} MiB",
            flush=True,
        )
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        subprocess.run([sys.executable, "-c", CODE, str(path)], check=True, env={**os.environ, **threads})


if __name__ == "__main__":
    main()
