"""What a peer adds to the start of a FastAPI app: time to import and set up, and memory."""

from __future__ import annotations

import compileall
import json
import subprocess
from typing import Final

from benchmarks.lib.environments import ROOT, variables
from benchmarks.lib.peers import OURS, PEERS
from benchmarks.lib.question import Question, Row, Run, otlp, rounds_of

TIME: Final = Row("start-time", "added to import and set-up", "ms")
WORK: Final = Row("start-work", "processor time of it", "ms")
MEMORY: Final = Row("start-memory", "added to memory", "MB")

_APPS: Final = {
    "bare": "bare",
    OURS: "capibara",
    "capibara-sdk": "capibara",
    "pfi": "pfi",
    "opentelemetry": "opentelemetry",
    "native": "native",
    "contrib": "contrib",
    "logfire": "logfire",
    "openlit": "openlit",
}


def _start(run: Run, peer: str, environ: dict[str, str]) -> dict[str, float]:
    said = subprocess.run(
        [
            run.environments.python(PEERS[peer].environment),
            "-m",
            "benchmarks.lib.launch",
            f"benchmarks.apps:{_APPS[peer]}",
        ],
        cwd=ROOT,
        env=variables(PEERS[peer], environ),
        check=False,
        capture_output=True,
        text=True,
    )
    if said.returncode:
        raise RuntimeError(f"{peer} did not start: {said.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return answer


def measure(run: Run) -> None:
    """Start fresh processes turn by turn; the first start of each only fills the caches."""
    peers = run.peers(_APPS)
    # As pip does for the peers; this package runs from its checkout.
    compileall.compile_dir(ROOT / "capibara_otel", quiet=2)
    with run.sink() as sink:
        environ = otlp(sink.ask("endpoint")[0])
        for peer in peers:
            _start(run, peer, environ)
        for order in rounds_of(peers, run.pick(9, 1, 5)):
            said = {peer: _start(run, peer, environ) for peer in order}
            for peer in peers:
                for row, figure in ((TIME, "ms"), (WORK, "cpu_ms"), (MEMORY, "mb")):
                    if peer == "bare":
                        run.add(row, peer, said[peer][figure], "itself")
                    else:
                        run.add(row, peer, said[peer][figure] - said["bare"][figure])


QUESTION: Final = Question(
    "start",
    "The start",
    (TIME, WORK, MEMORY),
    "A fresh process per start, its byte code compiled before: from the first line to an app that is ready, with all "
    "signals and exporters set up, beyond a bare FastAPI app in the environment without further packages, whose own "
    "figures stand in its row. Memory is the resident set right then.",
    measure,
    {
        OURS: "the metrics page, the log lines and readings of the machine are set up too",
        "opentelemetry": "the SDK with OTLP for all signals; no request is observed",
        "pfi": "no OTLP",
        "logfire": "its plugin for pydantic is loaded by every app beside which it is installed",
        "openlit": "with a local price list, for it fetches one from the network at each start otherwise",
    },
)
