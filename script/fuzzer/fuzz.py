"""Fuzzes the API of a real hub from its own OpenAPI document.

  fuzz.py GANTRY ROOT       the program, and the root of the checkout

GANTRY_FUZZ_SEED makes a run again; GANTRY_FUZZ_SECONDS is how long it may take (90). Whatever follows goes to
`schemathesis run`.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from hub import Hub

HERE = Path(__file__).parent
# Streams have no end that a fuzzer could wait for; tests/api/streams.rs reads them.
STREAMS = ("followChanges", "followLog")
# Operations that no call of a fuzzer can do well, and why.
NEVER_WELL = {
    "completeLease": "it would end the lease that the others need; tests/hub ends leases",
}


def with_examples(document, examples, bodies, git):
    """The document with an example of every parameter of a path, and of bodies: things that are there."""
    for item in document["paths"].values():
        for operation in item.values():
            own = {**examples, **bodies.get(operation["operationId"], {}).get("path", {})}
            for parameter in operation.get("parameters", []):
                if parameter.get("in") == "path":
                    parameter["example"] = own[parameter["name"]]
            for parameter in operation.get("parameters", []):
                if parameter.get("name") in bodies.get(operation["operationId"], {}).get("query", {}):
                    parameter["example"] = bodies[operation["operationId"]]["query"][parameter["name"]]
            if body := bodies.get(operation["operationId"], {}).get("body"):
                operation["requestBody"]["content"]["application/json"]["example"] = body
    # The hub looks at what is registered: nobody else's server is to be asked.
    document["components"]["schemas"]["NewRepoRequest"]["properties"]["url"]["enum"] = [f"{git}/example/probe.git"]
    # Any JSON at all brings Hypothesis to a limit of Python 3.11 (`AST constructor recursion depth mismatch`).
    hook = document["paths"]["/api/v1/hooks/{connection}"]["post"]["requestBody"]["content"]["application/json"]
    hook["schema"] = {"type": "object", "additionalProperties": {"type": ["string", "integer", "null"]}}
    # A long poll that waits long says nothing more.
    document["components"]["schemas"]["LeaseRequest"]["properties"]["wait_ms"]["maximum"] = 50
    return document


def main():
    gantry, root, more = sys.argv[1], sys.argv[2], sys.argv[3:]
    seed = os.environ.get("GANTRY_FUZZ_SEED") or str(random.randrange(1 << 32))
    seconds = os.environ.get("GANTRY_FUZZ_SECONDS", "90")
    with tempfile.TemporaryDirectory(prefix="gantry-fuzz-") as folder:
        hub = Hub(root, folder)
        try:
            hub.begin(gantry)
            print(f"seed {seed}: GANTRY_FUZZ_SEED={seed} script/fuzz makes this run again", flush=True)
            return fuzz(hub, seed, seconds, more)
        finally:
            hub.stop()


def fuzz(hub, seed, seconds, more):
    examples, bodies = hub.fill()
    document = with_examples(hub.call("GET", "/api/v1/openapi.json"), examples, bodies, hub.git)
    path, counts = hub.folder / "openapi.json", hub.folder / "counts.json"
    path.write_text(json.dumps(document))
    env = dict(
        os.environ, PYTHONPATH=str(HERE), SCHEMATHESIS_HOOKS="hooks", FUZZ_COUNTS=str(counts),
        FUZZ_HOOK_SECRET=hub.secret, FUZZ_TOKEN=hub.token, FUZZ_RUNNER_TOKEN=hub.runner_token, FUZZ_POOL_TOKEN=hub.pool,
    )
    command = [
        Path(sys.executable).with_name("st"), "--config-file", HERE / "schemathesis.toml", "run", path, "--url", hub.url,
        "--seed", seed, "--max-time", seconds, "--no-color",
    ]
    for stream in STREAMS:
        command += ["--exclude-operation-id", stream]
    # There, since it keeps what it found beside where it runs: a seed alone would not make a run again.
    ended = subprocess.run([*map(str, command), *more], env=env, cwd=hub.folder)
    failed = ended.returncode != 0
    if not more:
        failed |= not is_reached(document, json.loads(counts.read_text()))
    log = hub.log.read_text()
    for bad in ("panicked at", "ERROR"):
        if bad in log:
            print(f"the hub's log has `{bad}`:", *[line for line in log.splitlines() if bad in line][:20], sep="\n  ")
            failed = True
    return 1 if failed else 0


def is_reached(document, counts):
    """Whether every operation was done well at least once: a fuzzer that is refused everywhere finds nothing."""
    total, missed = Counter(), []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            label, name = f"{method.upper()} {path}", operation["operationId"]
            answers = counts.get(label, {})
            total.update({status[0] + "xx": n for status, n in answers.items()})
            if name not in STREAMS and name not in NEVER_WELL and not any(s.startswith("2") for s in answers):
                missed.append(f"{label}: {answers or 'never asked'}")
    print("answers:", ", ".join(f"{n} of {status}" for status, n in sorted(total.items())))
    if missed:
        print("never done well, so not tested:", *missed, sep="\n  ")
    return not missed


if __name__ == "__main__":
    sys.exit(main())
