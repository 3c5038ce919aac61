// A daemon of the check's own, and what is sent to it.

import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const binary = path.resolve("../../bin/nexusctl");
export const dir = fs.mkdtempSync(path.join(os.tmpdir(), "nexus-console-"));
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function freePort() {
  return new Promise((done) => {
    const s = net.createServer().listen(0, "127.0.0.1", () => { const { port } = s.address(); s.close(() => done(port)); });
  });
}

const port = await freePort();
export const base = `http://127.0.0.1:${port}`;

// No setting of this machine may reach the daemon.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NEXUS_|DATABASE_|PORT$)/.test(name)));

const running = new Set();

function run(args, stdio) {
  const p = spawn(binary, args, { stdio, env });
  running.add(p);
  p.once("exit", () => running.delete(p));
  return p;
}

// daemon starts one on the check's port and data directory. Its short patience with
// silent connections is for the browser's sake, which opens some ahead of need.
export function daemon() {
  const log = fs.openSync(path.join(dir, "daemon.log"), "a");
  const config = path.join(dir, "check.toml");
  fs.writeFileSync(config, "");
  const p = run(["daemon", "--config", config, "--listen", `127.0.0.1:${port}`, "--data-dir", path.join(dir, "data"), "--set", "aggregate.resolution=5s", "--set", "ingest.max_name_series=50",
    "--set", "ingest.first_byte_timeout=1s"],
    ["ignore", log, log]);
  fs.closeSync(log);
  return p;
}

export const loadgen = () => run(["loadgen", "--server", base, "--rate", "1k", "--duration", "10m", "--series", "200", "--tags", "2"], "ignore");

const ended = (p) => p.exitCode !== null || p.signalCode !== null;

// kill ends a process that this check started, as a lost machine would.
export async function kill(p) {
  if (!p || ended(p)) return;
  const gone = new Promise((done) => p.once("exit", done));
  p.kill("SIGKILL");
  await gone;
}

export const killAll = () => Promise.all([...running].map(kill));

// ready tries until probe says yes. Tries are counted, not time: a machine that
// stood still meanwhile has not said no.
export async function ready(what, probe, seconds = 30) {
  for (let tries = seconds * 5; tries > 0; tries--) {
    if (await probe().catch(() => false)) return;
    await wait(200);
  }
  throw new Error(`${what}: not within ${seconds} s; ${dir}/daemon.log may say why`);
}

export const up = () => ready("the daemon", async () => (await fetch(base + "/ready")).ok);

// fed waits until the store has what the pages show.
export const fed = () => ready("figures to show", async () => {
  const o = await (await fetch(base + "/api/v1/overview")).json();
  return o.series.length >= 15 && o.slos.length > 0 && o.slos.every((s) => s.state === "met") && o.golden.latency.http.count > 0;
}, 60);

// feed sends what the pages show: some good, some hostile, some refused.
export function feed() {
  const s = net.connect(port, "127.0.0.1");
  s.on("error", () => {});
  const timer = setInterval(() => {
    for (const region of ["eu", "us"]) s.write(`shop.orders:${1 + Math.floor(Math.random() * 9)}|c|#region:${region}\nshop.latency:${20 + Math.random() * 50}|ms|#region:${region}\n`);
    s.write(`a.b:1|c|#k:<img src=x onerror=alert(1)>\nmany:1|c|#user:${Math.floor(Math.random() * 1e6)}\nbro ken:1|c\nno.number:x|c\n`);
  }, 100);
  return () => { clearInterval(timer); s.destroy(); };
}
