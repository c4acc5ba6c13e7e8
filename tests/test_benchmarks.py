"""What a benchmark would time in hours is run here on a few clips, so that other code does not break it unseen."""

import json
import subprocess
import sys
from pathlib import Path

from lrar.measured import FULL_SIZE

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

BRIEFLY = """
import json
import full_size
full_size.CLIPS, full_size.FRAMES, full_size.STEPS = 40, 6, 2
full_size.write_measurement = lambda script, measured: print(json.dumps([script, measured]))
full_size.main()
"""


def test_full_size_on_a_few_clips():
    """In a process of its own: it limits its own memory."""
    done = subprocess.run([sys.executable, "-c", BRIEFLY], check=False, cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script, measured = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert (script, measured["clips"]) == ("full_size", 40)
    for step in FULL_SIZE:
        assert min(measured[step]["milliseconds"]) > 0
        assert 0 < measured[step]["own"] < measured["limit"]
