// A real hub with its runner, on a folder of its own, with one Git repository.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { FILES } from "./workflows.ts";

export interface Hub {
  base: string;
  token: string;
  repository: string;
  /** Ends the hub and starts it again on the same data at the same address. */
  restart: () => Promise<void>;
  stop: () => Promise<void>;
}

const STARTED = /at (http:\/\/\S+)/;
const START_MS = 60_000;
const STOP_MS = 30_000;

function binary(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const target = process.env["CARGO_TARGET_DIR"] ?? join(cache, "gantry", "target");
  const path = process.env["GANTRY_BIN"] ?? join(target, "debug", "gantry");
  if (!existsSync(path)) throw new Error(`${path} is not built: run cargo build -p gantry`);
  return path;
}

function git(folder: string, ...args: string[]): void {
  const user = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
  execFileSync("git", [...user, ...args], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

function makeRepository(folder: string): void {
  for (const [name, text] of Object.entries(FILES)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  git(folder, "init", "--quiet", "--initial-branch=main");
  git(folder, "add", "-A");
  git(folder, "commit", "--quiet", "-m", "The first commit");
}

export async function startHub(): Promise<Hub> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-web-"));
  const repository = join(folder, "site");
  mkdirSync(repository);
  makeRepository(repository);
  const url = `file://${repository}`;
  writeFileSync(join(folder, "gantry.yaml"), `org: acme\nrepos:\n  site: { source: "${url}" }\n`);
  const data = join(folder, "data");
  const serve = (listen: string) => {
    const args = ["serve", "--hub", folder, "--data-dir", data, "--listen", listen, "--jobs", "2"];
    return spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
  };
  let child = serve("127.0.0.1:0");
  const base = await started(child);
  const token = readFileSync(join(data, "bootstrap-token"), "utf8").trim();
  return {
    base,
    token,
    repository: "acme/site",
    restart: async () => {
      await ended(child);
      child = serve(new URL(base).host);
      await started(child);
    },
    stop: async () => {
      await ended(child);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

/** Reads what the hub prints until it says where it is. */
function started(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => reject(new Error(`the hub did not start:\n${said}`)), START_MS);
    const read = (part: Buffer) => {
      said += part.toString();
      const base = STARTED.exec(said)?.[1];
      if (base) {
        clearTimeout(timer);
        resolve(base);
      }
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the hub ended with ${code}:\n${said}`));
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const hard = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    child.once("exit", () => {
      clearTimeout(hard);
      resolve();
    });
    child.kill("SIGTERM");
  });
}
