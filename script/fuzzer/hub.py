"""A real hub with its Git server and its runner, in a folder of its own, with something of everything in it.

Not in here: what is asked of it (fuzz.py).
"""

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

EXAMPLES = ("textkit", "handbook")
# Longest wait for something that must come, in seconds.
PATIENCE = 120

HUB_FILE = """\
org_defaults: {{ limits: {{ cpu: 1, memory: 512MiB, pids: 256, disk: 1GiB }}, timeout: 2m }}
teams: {{ web: {{}} }}
forges:
  probe: {{ kind: gitea, url: "{git}", webhook_secret: {{ env: FUZZ_HOOK_SECRET }} }}
repos:
  probe: {{ source: {{ git: "{git}/example/probe.git" }}, owner: example, team: web }}
  textkit: {{ source: {{ git: "{git}/example/textkit.git" }}, owner: example, team: web }}
  handbook: {{ source: {{ git: "{git}/example/handbook.git" }}, owner: example, allowed_egress: ["docs.example.org:443"] }}
"""

# One job that runs; two for the scripted runner, which takes one and keeps it.
WORKFLOW = """\
name: Probe
on:
  push:
  pull_request:
  workflow_dispatch:
    inputs:
      level: { type: choice, options: [low, high], default: low, description: how much }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo "::warning file=a.c,line=3::a variable is not used"
          echo "needle"
          echo "# Covered" >> "$GITHUB_STEP_SUMMARY"
          mkdir out && echo hello > out/file.txt
      - uses: actions/upload-artifact@v4
        with: { name: result, path: out }
  held:
    runs-on: held
    steps: [{ run: "true" }]
  waits:
    runs-on: held
    steps: [{ run: "true" }]
"""


class Refused(Exception):
    """An answer that is none of those that were expected."""


class Hub:
    """Starts the hub; `stop` ends what was started and forgets the folder."""

    def __init__(self, root, folder):
        self.root, self.folder = Path(root), Path(folder)
        self.secret = "an-example-secret-of-a-hook"
        self.children = []

    def begin(self, gantry):
        """Starts the Git server and the hub."""
        self.make_repositories()
        git = self.start([self.root / "examples/git-server", self.folder / "git", "0"], "git-server")
        git = self.git = self.wait_for(git, r"(http://\S+)")
        (self.folder / "gantry.yaml").write_text(HUB_FILE.format(git=git))
        data = self.folder / "data"
        serve = [gantry, "serve", "--hub", self.folder, "--data-dir", data, "--listen", "127.0.0.1:0", "--jobs", "2"]
        self.log = self.start([*serve, "--poll", "2s"], "hub")
        self.url = self.wait_for(self.log, r"at (http://\S+)")
        self.token = (data / "bootstrap-token").read_text().strip()

    def start(self, command, name):
        """Starts a program; answers the file with what it says."""
        said = self.folder / f"{name}.log"
        env = dict(os.environ, FUZZ_HOOK_SECRET=self.secret)
        with said.open("w") as out:
            command = [str(word) for word in command]
            self.children.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env))
        return said

    def wait_for(self, said, pattern):
        def look():
            if self.children[-1].poll() is not None:
                raise Refused(f"it ended: {said.read_text()}")
            return re.search(pattern, said.read_text())

        return self.until(look, f"`{pattern}` in {said}").group(1)

    def until(self, look, what):
        """What `look` answers once it is something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.1)
        raise Refused(f"{what} did not come within {PATIENCE} s")

    def make_repositories(self):
        user = ["-c", "user.name=example", "-c", "user.email=example@localhost", "-c", "init.defaultBranch=main"]
        for name in ("probe", *EXAMPLES):
            work = self.folder / "work" / name
            if name in EXAMPLES:
                shutil.copytree(self.root / "examples" / name, work)
            else:
                (work / ".github/workflows").mkdir(parents=True)
                (work / ".github/workflows/ci.yml").write_text(WORKFLOW)
            for words in (["init"], ["add", "."], ["commit", "-m", "the first commit"]):
                subprocess.run(["git", *user, *words, "--quiet"] if words[0] != "add" else ["git", *words], cwd=work, check=True)
            bare = self.folder / "git/example" / f"{name}.git"
            subprocess.run(["git", "clone", "--quiet", "--bare", work, bare], check=True)

    def call(self, method, path, body=None, token=None, headers=None, raw=None):
        """One call; answers its JSON, or its text."""
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method)
        request.add_header("Authorization", f"Bearer {token or self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                text = answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
        return json.loads(text) if text.startswith(("{", "[")) else text

    def sign(self, body):
        return hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()

    def fill(self):
        """Fills the hub; answers an example of every parameter of a path, and what single operations need instead."""
        runner, token = self.register()
        taken = [
            self.call("POST", f"/api/v1/repos/example/{name}/dispatch", {"event": "push"})["event"]
            for name in ("probe", *EXAMPLES)
        ]
        runs = [self.until(lambda e=e: self.runs_of(e), f"the runs of {e}")[0]["id"] for e in taken]
        for run in runs[1:]:
            self.until(lambda r=run: self.call("GET", f"/api/v1/runs/{r}")["state"] == "finished", f"the end of {run}")
        probe = self.until(lambda: self.ended(runs[0], "build"), "the end of the job `build`")
        lease = self.hold(runner, token)
        self.runner_token, self.pool = token, self.make_token(name="fuzz-pool", kind="runner-pool")["secret"]
        viewer, spare = self.make_token(name="fuzz-viewer", org="example"), self.make_token(name="fuzz-spare")
        self.call("POST", "/api/v1/repos", {"name": "example/spare", "url": f"{self.git}/example/probe.git"})
        spare_runner, _ = self.register()
        # What follows is to be asked for, not to be run: the machine's own runner takes nothing more.
        for other in self.call("GET", "/api/v1/runners")["items"]:
            if other["id"] != runner:
                self.call("POST", f"/api/v1/runners/{other['id']}/drain")
        job = next(j for j in probe["jobs"] if j["job"] == "build")
        kept = self.call("GET", f"/api/v1/leases/{lease['lease']}/artifacts", token=token)
        examples = {
            "owner": "example", "name": "probe", "org": "example", "run": runs[0], "job": job["id"],
            "attempt": job["attempts"][0]["id"], "artifact": probe["artifacts"][0]["id"], "event": taken[0],
            "runner": runner, "token": spare["id"], "connection": "probe", "lease": lease["lease"],
            "digest": kept[0]["blob"],
        }
        single = {
            "beginSession": {"body": {"token": viewer["secret"]}},
            "removeRepo": {"path": {"name": "spare"}},
            "removeRunner": {"path": {"runner": spare_runner}},
            "rerunRun": {"path": {"run": runs[1]}},
            "reportLease": {"body": {"epoch": lease["epoch"], "started_at": None, "steps": []}},
            "pollLeases": {"body": {"slots": 0, "free": self.capacity, "held": [lease["lease"]], "wait_ms": 0}},
            "appendLog": {"query": {"epoch": lease["epoch"], "offset": 0}},
            "uploadLeaseArtifact": {"query": {"epoch": lease["epoch"], "name": "mine", "overwrite": True}},
            "removeLeaseArtifact": {"query": {"epoch": lease["epoch"], "name": "mine"}},
            "lookUpCache": {"body": {"key": "k", "restore_keys": [], "version": "v"}},
            "saveCache": {"query": {"epoch": lease["epoch"], "key": "k", "version": "v"}},
            "deliverHook": {"body": {"ref": "refs/heads/main", "repository": {"full_name": "example/probe"}}},
            "approveRun": {"path": {"run": self.fork()}},
        }
        return examples, single

    def make_token(self, **body):
        return self.call("POST", "/api/v1/tokens", body)

    def runs_of(self, event):
        return self.call("GET", f"/api/v1/runs?event_id={event}")["items"]

    def ended(self, run, job):
        run = self.call("GET", f"/api/v1/runs/{run}")
        return run if any(j["job"] == job and j["state"] == "finished" for j in run["jobs"]) else None

    def register(self):
        """Registers a runner that is nothing but this program."""
        token = self.make_token(name="fuzz-once", kind="runner-once")["secret"]
        self.capacity = {"cpu_millis": 4000, "memory_bytes": 1 << 32, "pids": 4096, "disk_bytes": 1 << 34}
        asked = {"name": "held", "protocol": 1, "labels": ["held"], "slots": 1, "capacity": self.capacity, "features": ["isolation=container"]}
        made = self.call("POST", "/api/v1/runners", asked, token=token)
        return made["runner"], made["token"]

    def hold(self, runner, token):
        """Takes a job and keeps it."""
        wanted = {"slots": 1, "free": self.capacity, "held": [], "wait_ms": 20000}
        path = f"/api/v1/runners/{runner}/leases"
        lease = self.until(lambda: self.call("POST", path, wanted, token=token)["leases"], "a lease")[0]
        beat = {"epoch": lease["epoch"], "started_at": None, "steps": []}

        def keep():
            while True:
                time.sleep(5)
                try:
                    self.call("POST", f"/api/v1/leases/{lease['lease']}/report", beat, token=token)
                except (Refused, OSError):
                    return  # The fuzzer has ended it, or the hub has stopped.

        threading.Thread(target=keep, daemon=True).start()
        return lease

    def deliver(self, kind, payload):
        """Sends what a forge would; answers the event."""
        repository = {"full_name": "example/probe", "clone_url": f"{self.git}/example/probe.git", "default_branch": "main"}
        body = json.dumps({"repository": repository, **payload}).encode()
        headers = {"X-Gitea-Event": kind, "X-Gitea-Delivery": kind, "X-Gitea-Signature": self.sign(body)}
        return self.call("POST", "/api/v1/hooks/probe", headers={**headers, "Content-Type": "application/json"}, raw=body)["event"]

    def fork(self):
        """A run of a stranger's pull request, which waits for somebody to allow it."""
        bare = self.folder / "git/example/probe.git"
        sha = subprocess.run(["git", "rev-parse", "main"], cwd=bare, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["git", "update-ref", "refs/pull/1/head", sha], cwd=bare, check=True)
        stranger = {"login": "stranger"}
        side = {"sha": sha, "ref": "main", "repo": {"full_name": "example/probe"}}
        theirs = {**side, "repo": {"full_name": "stranger/probe", "fork": True}}
        pull = {"number": 1, "title": "a change", "user": stranger, "head": theirs, "base": side}
        event = self.deliver("pull_request", {"action": "opened", "number": 1, "pull_request": pull, "sender": stranger})
        return self.until(lambda: self.runs_of(event), f"the run of {event}")[0]["id"]

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
        for child in self.children:
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
