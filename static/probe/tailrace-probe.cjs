"use strict";
// The probe of Tailrace: a world for Vercel's Workflow SDK (4.x and 5.x, Node 20.19 and newer) that wraps the
// real one and reports what went through it: every write and close of a stream, every event of a run, and the
// errors of this process that are failures of a stream.
//
//   WORKFLOW_TARGET_WORLD=./tailrace-probe.cjs npm run dev
//
// It adds no behaviour. The app gets the same results, the same errors (thrown or rejected, handled or not) and
// the same order; no listener is added to the process, nothing keeps it alive, and no hook can throw into the
// app. Settings, and what is sent, are described in docs/probe.md.

const { AsyncResource } = require("node:async_hooks");
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const { createRequire } = require("node:module");
const os = require("node:os");
const path = require("node:path");
const { performance } = require("node:perf_hooks");
const { setInterval, setTimeout, clearTimeout } = require("node:timers");
const { pathToFileURL } = require("node:url");
const { inspect, types } = require("node:util");
const { isMainThread, threadId } = require("node:worker_threads");

// A second copy of this file in the same process (handlers and runtime may each load their own) hands out the
// first one's functions, so that there is one numbering, one sender and one set of patches.
const SHARED = Symbol.for("tailrace.probe");
const VERSION = "1";

// --- Settings ----------------------------------------------------------------------------------------------

const env = process.env;
const flag = (value, otherwise) => (value === undefined || value === "" ? otherwise : value !== "0");
const development = env.NODE_ENV !== "production";
const settings = {
  off: flag(env.TAILRACE_OFF, false),
  world: env.TAILRACE_WORLD || "local",
  url: (env.TAILRACE_URL || "http://127.0.0.1:8000").replace(/\/+$/, ""),
  token: env.TAILRACE_TOKEN || "",
  worldName: env.TAILRACE_WORLD_NAME || "",
  exact: flag(env.TAILRACE_EXACT, development),
  payloads: flag(env.TAILRACE_PAYLOADS, false),
  quiet: flag(env.TAILRACE_QUIET, false),
};

const FLUSH_AFTER_MS = 50;
// The first record after a pause goes out at once; under a steady load requests are what costs the app most.
const FLUSH_SPACING_MS = 500;
const SIGN_OF_LIFE_MS = 15_000;
const REQUEST_TIMEOUT_MS = 10_000;
const LAST_WORDS_MS = 1_500;
const LAST_WORDS_BYTES = 4_000_000;
const BACKOFF_MS = { first: 250, longest: 5_000, asked: 60_000 };
const BATCH = { records: 500, bytes: 1_000_000 };
const MEMORY = { records: 20_000, bytes: 8_000_000 };
const PAYLOAD_BYTES = { chunk: 64 * 1024, call: 512 * 1024 };
const MAX_TEXT = 2_000;
const MAX_SPANS = 20;
const SPAN_GAP_MS = 1_000;

// --- Care, clock and ids -----------------------------------------------------------------------------------

const promiseThen = Promise.prototype.then;

/** Takes a note; whatever goes wrong with that stays here. */
function attempt(note) {
  try {
    return note();
  } catch {
    return undefined;
  }
}

/** For what runs on timers: a fault of ours must not become an uncaught exception of the app's. */
const guarded = (work) => () => attempt(work);

/** One line on the terminal, by the console as it was before this file replaced its methods. */
const warn = console.warn.bind(console);
const say = (line) => settings.quiet || warn(line);
const short = (text) => (text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text);

// Tests of an app may stop its clocks; ours go on.
const monotonic = performance.now.bind(performance);
const systemTime = Date.now;

// The process's clock, finer than a millisecond. The monotonic clock stands still while a laptop sleeps and does
// not follow corrections of the system's clock, so it is laid on that again before each batch.
let clockBase = performance.timeOrigin;
const now = () => clockBase + monotonic();
const rounded = (ms) => Math.round(ms * 1000) / 1000;

function followSystemClock() {
  const drift = systemTime() - now();
  if (Math.abs(drift) > 50) clockBase += drift;
}

const BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

function newProcessId() {
  let id = "";
  for (let time = systemTime(), left = 10; left > 0; left--, time = Math.floor(time / 32)) {
    id = BASE32[time % 32] + id;
  }
  for (const byte of crypto.randomBytes(16)) id += BASE32[byte % 32];
  return isMainThread ? id : `${id}-w${threadId}`;
}

const processId = newProcessId();
let lastNumber = 0;
/** The number of a call or a record, in the order in which the calls were made. */
const nextNumber = () => ++lastNumber;

// --- Outbox: what waits to be sent, bounded ----------------------------------------------------------------

const outbox = { open: [], openBytes: 0, sealed: [], records: 0, bytes: 0, busy: false };
const dropped = { batches: 0, records: 0, spans: [] };

/** `bytes` is a guess of its JSON, good enough to keep a batch well under the 2 MB that are allowed. */
function enqueue(record, bytes) {
  if (sender.stopped) return;
  outbox.open.push(record);
  outbox.openBytes += bytes;
  if (outbox.open.length >= BATCH.records || outbox.openBytes >= BATCH.bytes) {
    seal();
    if (!sender.waiting) flushIn(0);
  } else {
    flushIn(FLUSH_AFTER_MS);
  }
}

/** Makes a batch of the open records: as text, since that is smaller and is needed anyway. */
function seal() {
  const records = outbox.open;
  const body = JSON.stringify(records);
  const [from, to] = [timeOf(records[0]), timeOf(records.at(-1))];
  const batch = { number: 0, body, records: records.length, from, to };
  outbox.open = [];
  outbox.openBytes = 0;
  outbox.sealed.push(batch);
  outbox.records += batch.records;
  outbox.bytes += body.length;
  while (outbox.records > MEMORY.records || outbox.bytes > MEMORY.bytes) {
    // The first one may be on its way; taking it out from under the request would count it as lost.
    const oldest = outbox.sealed[outbox.busy ? 1 : 0];
    if (!oldest) break;
    drop(oldest);
  }
}

function timeOf(record) {
  return record ? (record.called ?? record.at) : rounded(now());
}

function remove(batch) {
  outbox.sealed.splice(outbox.sealed.indexOf(batch), 1);
  outbox.records -= batch.records;
  outbox.bytes -= batch.body.length;
}

function drop(batch) {
  remove(batch);
  if (!batch.records) return;
  dropped.batches += 1;
  dropped.records += batch.records;
  const last = dropped.spans.at(-1);
  if (last && batch.from - last.to <= SPAN_GAP_MS) {
    last.to = Math.max(last.to, batch.to);
    last.records += batch.records;
  } else {
    dropped.spans.push({ from: batch.from, to: batch.to, records: batch.records });
    if (dropped.spans.length > MAX_SPANS) dropped.spans.shift();
  }
}

function bodyOf(batch, ending) {
  batch.number ||= ++sender.batches;
  const head = {
    v: 1,
    process: processId,
    number: batch.number,
    sent: rounded(now()),
    clock: bestClock(),
    world: settings.token ? undefined : settings.worldName || undefined,
    app: sender.app,
    dropped: dropped.batches ? dropped : undefined,
    ending,
  };
  return `${JSON.stringify(head).slice(0, -1)},"records":${batch.body}}`;
}

// --- Sender: one request at a time, in the background ------------------------------------------------------

const sender = {
  app: undefined,
  target: undefined,
  batches: 0,
  stopped: false,
  waiting: false, // for the server to come back
  timer: null,
  due: 0,
  failures: 0,
  lastSent: -Infinity,
  clocks: [],
};
// The sender's own timers and sockets belong to no step and no trace of the app, whoever caused them.
const outside = new AsyncResource("TAILRACE_PROBE", { requireManualDestroy: true });

function startSender(app) {
  sender.app = app;
  try {
    sender.target = targetOf(new URL(`${settings.url}/api/v1/probe`));
  } catch (error) {
    stopSending(`TAILRACE_URL=${settings.url} is not an address: ${error.message}`);
    return;
  }
  outside.runInAsyncScope(() => {
    setInterval(guarded(signOfLife), SIGN_OF_LIFE_MS / 3).unref();
    setTimeout(guarded(signOfLife), 0).unref();
  });
}

function targetOf(url) {
  const secure = url.protocol === "https:";
  if (!secure && url.protocol !== "http:") throw new TypeError(`${url.protocol} is neither http: nor https:`);
  // TLS takes a while to load, and most need none.
  const { Agent } = secure ? require("node:https") : http;
  const headers = { "Content-Type": "application/json", "User-Agent": `tailrace-probe/${VERSION}` };
  if (settings.token) headers.Authorization = `Bearer ${settings.token}`;
  return {
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (secure ? 443 : 80),
    path: url.pathname,
    method: "POST",
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
    headers,
  };
}

function stopSending(why) {
  sender.stopped = true;
  clearTimeout(sender.timer);
  Object.assign(outbox, { open: [], openBytes: 0, sealed: [], records: 0, bytes: 0 });
  say(`[tailrace] the probe reports nothing more: ${why}`);
}

function signOfLife() {
  if (outbox.busy || sender.waiting || outbox.sealed.length || outbox.open.length) return;
  if (monotonic() - sender.lastSent >= SIGN_OF_LIFE_MS) flush(true);
}

/** Sees to it that the outbox is sent in `ms` at the latest, with some room between requests. */
function flushIn(ms) {
  if (outbox.busy || sender.waiting || sender.stopped) return;
  // A timer that is set was set for an earlier record, and will do for this one.
  if (ms && sender.timer) return;
  const at = monotonic() + ms;
  const due = ms ? Math.max(at, sender.lastSent + FLUSH_SPACING_MS) : at;
  if (sender.timer && sender.due <= due) return;
  wakeAt(due);
}

function wakeAt(due) {
  clearTimeout(sender.timer);
  sender.due = due;
  outside.runInAsyncScope(() => {
    sender.timer = setTimeout(guarded(flush), Math.max(0, due - monotonic())).unref();
  });
}

function flush(evenIfEmpty = false) {
  clearTimeout(sender.timer);
  sender.timer = null;
  sender.waiting = false;
  if (outbox.busy || sender.stopped) return;
  if (outbox.open.length || (evenIfEmpty && !outbox.sealed.length)) seal();
  const batch = outbox.sealed[0];
  if (!batch) return;
  outbox.busy = true;
  followSystemClock();
  sender.lastSent = monotonic();
  const sent = now();
  post(bodyOf(batch, false), guardedAnswer(batch, sent));
}

function guardedAnswer(batch, sent) {
  let answered = false;
  return (answer) => {
    if (answered) return;
    answered = true;
    outbox.busy = false;
    guarded(() => handleAnswer(batch, sent, answer))();
  };
}

function handleAnswer(batch, sent, { status, text, retryAfter }) {
  if (sender.stopped) return;
  if (status === 401 || status === 403) {
    stopSending(`${settings.url} answered ${status} ${reasonIn(text)}(see its Connect page about tokens)`);
    return;
  }
  const refused = status === 400 || status === 413 || status === 415;
  if (status !== 202 && !refused) {
    tryAgainLater(retryAfter);
    return;
  }
  sender.failures = 0;
  if (refused) drop(batch);
  else remove(batch);
  if (status === 202) readClock(sent, now(), text);
  if (outbox.sealed.length) flushIn(0);
  else if (outbox.open.length) flushIn(FLUSH_AFTER_MS);
}

function reasonIn(text) {
  try {
    return `"${short(String(JSON.parse(text).error))}" `;
  } catch {
    return "";
  }
}

function tryAgainLater(retryAfter) {
  const backoff = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** Math.min(sender.failures, 10));
  sender.failures += 1;
  const asked = Number(retryAfter) * 1000;
  sender.waiting = true;
  wakeAt(monotonic() + (asked > 0 ? Math.min(asked, BACKOFF_MS.asked) : backoff));
}

/** `done` gets the status (0: none came), the text and Retry-After of the answer. */
function post(body, done) {
  outside.runInAsyncScope(() => {
    const failed = () => done({ status: 0, text: "", retryAfter: undefined });
    try {
      const headers = { ...sender.target.headers, "Content-Length": Buffer.byteLength(body) };
      // Not http.request(): that is the function which tracing and mocking libraries replace.
      const request = new http.ClientRequest({ ...sender.target, headers }, (answer) => readAnswer(answer, done));
      const timeout = setTimeout(() => request.destroy(), REQUEST_TIMEOUT_MS).unref();
      request.on("socket", (socket) => socket.unref());
      request.on("error", failed);
      request.on("close", () => {
        clearTimeout(timeout);
        failed();
      });
      request.end(body);
    } catch {
      failed();
    }
  });
}

function readAnswer(response, done) {
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (part) => {
    if (text.length < 100_000) text += part;
  });
  response.on("end", () => {
    done({ status: response.statusCode, text, retryAfter: response.headers["retry-after"] });
  });
}

/** Offset and round trip by the rule of NTP; of the last eight exchanges the quickest says most. */
function readClock(sent, back, text) {
  let received, answered;
  try {
    ({ received, answered } = JSON.parse(text));
  } catch {
    return;
  }
  if (!Number.isFinite(received) || !Number.isFinite(answered)) return;
  const offset = (received - sent + (answered - back)) / 2;
  const rtt = Math.max(0, back - sent - (answered - received));
  sender.clocks.push({ offset: rounded(offset), rtt: rounded(rtt) });
  if (sender.clocks.length > 8) sender.clocks.shift();
}

function bestClock() {
  let best;
  for (const clock of sender.clocks) if (!best || clock.rtt < best.rtt) best = clock;
  return best;
}

// --- Last words: what is unsent when the process ends ------------------------------------------------------

/** Runs in a process of its own, since nothing asynchronous happens any more in ours. */
function postFromStdin() {
  const { bodies, target, secure } = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const { request, Agent } = require(secure ? "https" : "http");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const next = () => {
    const body = bodies.shift();
    if (body === undefined) process.exit(0);
    const headers = { ...target.headers, "Content-Length": Buffer.byteLength(body) };
    const sent = request({ ...target, agent, headers }, (answer) => answer.resume().on("end", next));
    sent.on("error", () => process.exit(1)).end(body);
  };
  next();
}

// Which certificates the app trusts.
const TRUST = ["NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED", "SSL_CERT_FILE"];
const envOf = (names) => Object.fromEntries(names.filter((name) => name in env).map((name) => [name, env[name]]));

function lastWords() {
  if (sender.stopped || !sender.target) return;
  reportPendingCalls();
  reportUnsentAtExit();
  if (outbox.open.length) seal();
  const waiting = outbox.sealed.filter((batch) => batch.records);
  if (!waiting.length) return;
  while (waiting.length > 1 && outbox.bytes > LAST_WORDS_BYTES) drop(waiting.shift());
  const bodies = waiting.map((batch, at) => bodyOf(batch, at === waiting.length - 1));
  const { agent, ...target } = sender.target;
  const input = JSON.stringify({ bodies, target, secure: target.protocol === "https:" });
  sender.stopped = true;
  require("node:child_process").spawnSync(process.execPath, ["-e", `(${postFromStdin})()`], {
    input,
    timeout: LAST_WORDS_MS,
    stdio: ["pipe", "ignore", "ignore"],
    windowsHide: true,
    // Not the app's NODE_OPTIONS: what it preloads there is none of this child's business.
    env: { ELECTRON_RUN_AS_NODE: "1", ...envOf(["PATH", "SystemRoot", ...TRUST]) },
  });
}

// --- Steps: who is writing ---------------------------------------------------------------------------------

const STEP_CONTEXT = Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE");
const knownContexts = new WeakMap();

/** What the SDK says about the step that runs here, or undefined outside one. Made once for each context. */
function currentContext() {
  const store = globalThis[STEP_CONTEXT]?.getStore?.();
  if (!store) return undefined;
  let context = knownContexts.get(store);
  if (!context) {
    context = readContext(store);
    knownContexts.set(store, context);
  }
  return context;
}

function readContext(store) {
  const { stepId: id, stepName: name, attempt } = store.stepMetadata ?? {};
  const { workflowRunId: run, workflowName: workflow } = store.workflowMetadata ?? {};
  const step = id ? { id, name, attempt, known: "context" } : undefined;
  return { store, run, workflow, step, exact: step && { ...step, known: "exact" } };
}

/** How often the step has acquired a writable: 5.x keeps them by name, 4.x pushes one operation for each. */
function acquisitions(context) {
  const { writables, ops } = context.store;
  if (writables instanceof Map) return writables.size;
  return Array.isArray(ops) ? ops.length : undefined;
}

// By this process's own events: run -> step -> what is known of its running attempt.
const running = new Map();
const MAX_RUNS = 10_000;
const STEP_ENDS = new Set(["step_completed", "step_failed", "step_retrying"]);
const RUN_ENDS = new Set(["run_completed", "run_failed", "run_cancelled"]);

function followSteps(event, run, id, name, attempt) {
  if (event === "step_started" && id) {
    if (!running.has(run)) running.set(run, new Map());
    if (running.size > MAX_RUNS) running.delete(running.keys().next().value);
    running.get(run)?.set(id, { id, name, attempt, known: "inferred" });
  } else if (STEP_ENDS.has(event)) {
    running.get(run)?.delete(id);
  } else if (RUN_ENDS.has(event)) {
    running.delete(run);
  }
}

function onlyRunningStep(run) {
  const steps = running.get(run);
  return steps?.size === 1 ? steps.values().next().value : undefined;
}

// A stream that is a value (returned by a step) goes on being written while later steps run, and after its
// first chunks without any context: it stays with the step that wrote it first.
const sourceOfStream = new Map();
const isValue = (stream) => runOfStream(stream) === undefined;

function inferredStep(run, stream) {
  if (!isValue(stream)) return onlyRunningStep(run);
  if (!sourceOfStream.has(stream)) return onlyRunningStep(run);
  const step = sourceOfStream.get(stream);
  return step && { ...step, known: "inferred" };
}

function rememberSource(stream, step) {
  if (!isValue(stream) || sourceOfStream.has(stream)) return;
  if (sourceOfStream.size >= MAX_RUNS) sourceOfStream.delete(sourceOfStream.keys().next().value);
  sourceOfStream.set(stream, step);
}

// --- Exact attribution: from writer.write() to the world ---------------------------------------------------
//
// The SDK makes one TransformStream for each writable that a step acquires, reads its frames and hands the
// very same Uint8Arrays to the world. So a frame is followed by its identity: writer.write() -> transform ->
// read() -> world. 5.x hands out another writable, which feeds the transform: a front. Only the prototypes of
// streams are patched, and only to take notes. A native pipeTo() writes past them: then the writable is known,
// but not the order.

const pairOfTransform = new WeakMap();
const pairOfWritable = new WeakMap();
const pairOfReadable = new WeakMap();
const notesOfReader = new WeakMap();
const frontOfWritable = new WeakMap();
const holdOfWriter = new WeakMap();
const intentOfFrame = new WeakMap();
const unfinishedPairs = new Set();
const closingPairs = new Set();
const loneFronts = new Set(); // written to, and their pair not known yet
const STREAM_NAME = Symbol.for("WORKFLOW_STREAM_NAME");
const STREAM_RUN = Symbol.for("WORKFLOW_STREAM_SERVER_RUN_ID");
// Reads of one TransformStream that never reach a world: then it is a stream of the app's own.
const FOREIGN_AFTER = 4_096;
const MAX_CLOSING = 1_000;
const UNSENT_AFTER_MS = 100;
let pairs = 0;
let orders = 0;
let entering = null; // the front whose write() is on the stack

/** What the app meant to write: one call of writer.write(). */
const newIntent = (context) => ({ pair: undefined, order: ++orders, called: now(), context });

/** A writable of 5.x that feeds a transform chunk by chunk; `queue` has not been fed yet. */
class Front {
  pair = undefined;
  queue = [];
  firstChunk = undefined;

  constructor(writable) {
    this.stream = writable[STREAM_NAME];
    this.run = writable[STREAM_RUN];
  }

  wrote(chunk, context) {
    if (!this.pair && !this.queue.length) {
      this.firstChunk = chunk;
      loneFronts.add(this);
    }
    this.queue.push(newIntent(context));
    this.pair?.watch();
  }
}

/** The front that feeds this very chunk: while its write() is on the stack, or else by the chunk itself. */
function frontFeeding(chunk) {
  if (entering) return entering;
  for (const front of loneFronts) if (front.firstChunk === chunk) return front;
  return undefined;
}

/** One TransformStream, which is one acquired writable. */
class Pair {
  number = ++pairs;
  context = currentContext();
  stream = undefined;
  run = undefined;
  front = undefined;
  queue = []; // written, not read
  waiting = new Set(); // written, not handed to the world
  reads = 0;
  foreign = false;
  broken = false;
  closing = undefined;

  /** A chunk enters. `lives`: the stream has not failed, so the chunk will be read. */
  wrote(chunk, context, lives) {
    if (this.foreign) return;
    if (!this.front && (entering || loneFronts.size)) this.feedFrom(frontFeeding(chunk));
    const intent = this.front?.queue.shift() ?? newIntent(context);
    intent.pair = this;
    intent.context ??= this.context;
    if (lives) this.queue.push(intent);
    this.waiting.add(intent);
    this.watch();
  }

  feedFrom(front) {
    if (!front || front.pair) return;
    loneFronts.delete(front);
    front.firstChunk = undefined;
    this.front = front;
    front.pair = this;
    this.belongsTo(front.stream, front.run);
  }

  belongsTo(stream, run) {
    this.stream ??= stream;
    this.run ??= run;
  }

  /** The frame made of the oldest chunk leaves. */
  read(frame) {
    const intent = this.queue.shift() ?? { pair: this, order: undefined, context: this.context };
    if (typeof frame !== "object" || frame === null) return;
    intentOfFrame.set(frame, intent);
    this.reads += 1;
    if (this.reads > FOREIGN_AFTER && !this.stream) this.forget();
  }

  forget() {
    this.foreign = true;
    this.queue = [];
    this.waiting.clear();
  }

  handOver(intent, stream, run) {
    this.belongsTo(stream, run);
    this.waiting.delete(intent);
    this.watch();
  }

  unsent() {
    return this.front ? [...this.waiting, ...this.front.queue] : [...this.waiting];
  }

  watch() {
    if (!this.waiting.size && !this.front?.queue.length) {
      unfinishedPairs.delete(this);
    } else if (this.stream) {
      unfinishedPairs.add(this);
      if (this.broken) reportUnsentSoon();
    }
  }

  /** The world rejected a chunk: the SDK sends nothing more through this writable. */
  breakOff() {
    this.broken = true;
    this.watch();
  }

  takeUnsent() {
    const intents = this.unsent();
    this.waiting.clear();
    this.queue = [];
    if (this.front) this.front.queue = [];
    unfinishedPairs.delete(this);
    return intents;
  }
}

function pairOf(transform) {
  let pair = pairOfTransform.get(transform);
  if (!pair) {
    pair = new Pair();
    pairOfTransform.set(transform, pair);
  }
  return pair;
}

/** Replaces a method by one that looks like it. These run often and mostly cold, so they are kept plain. */
function patchMethod(prototype, name, make) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  const original = descriptor.value;
  const value = make(original)[name];
  for (const key of ["name", "length"]) {
    Object.defineProperty(value, key, Object.getOwnPropertyDescriptor(original, key));
  }
  Object.defineProperty(prototype, name, { ...descriptor, value });
}

function patchGetter(prototype, name, note) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  const get = function () {
    const value = descriptor.get.call(this);
    attempt(() => note(this, value));
    return value;
  };
  Object.defineProperty(get, "name", { value: `get ${name}`, configurable: true });
  Object.defineProperty(prototype, name, { ...descriptor, get });
}

function followFrames() {
  const { TransformStream, WritableStream, WritableStreamDefaultWriter } = globalThis;
  patchGetter(TransformStream.prototype, "readable", (transform, readable) => {
    pairOfReadable.set(readable, pairOf(transform));
  });
  patchGetter(TransformStream.prototype, "writable", (transform, writable) => {
    pairOfWritable.set(writable, pairOf(transform));
  });
  patchMethod(WritableStream.prototype, "getWriter", (original) => ({
    getWriter() {
      const writer = original.call(this);
      attempt(() => noteWriter(this, writer));
      return writer;
    },
  }));
  patchMethod(WritableStream.prototype, "close", (original) => ({
    close() {
      attempt(() => noteClose(pairOfWritable.get(this)));
      return original.call(this);
    },
  }));
  followWriters(WritableStreamDefaultWriter.prototype);
  followReaders(globalThis.ReadableStream.prototype, globalThis.ReadableStreamDefaultReader.prototype);
}

function followWriters(prototype) {
  patchMethod(prototype, "write", (original) => ({
    write(chunk) {
      const hold = holdOfWriter.get(this);
      if (!hold) return original.call(this, chunk);
      const before = entering;
      entering = enter(this, hold, chunk);
      try {
        return original.call(this, chunk);
      } finally {
        entering = before;
      }
    },
  }));
  patchMethod(prototype, "close", (original) => ({
    close() {
      attempt(() => noteClose(holdOfWriter.get(this)?.pair));
      return original.call(this);
    },
  }));
}

function enter(writer, hold, chunk) {
  try {
    return noteWrite(writer, hold, chunk);
  } catch {
    return null;
  }
}

function followReaders(streams, readers) {
  patchMethod(streams, "getReader", (original) => ({
    getReader(...options) {
      const reader = original.apply(this, options);
      const pair = pairOfReadable.get(this);
      if (pair) notesOfReader.set(reader, noteOfRead(pair));
      return reader;
    },
  }));
  patchMethod(readers, "read", (original) => ({
    read() {
      const note = notesOfReader.get(this);
      return note ? promiseThen.call(original.call(this), note) : original.call(this);
    },
  }));
}

/** What is done with each result of a reader; as in `follow`, the app's promise settles right after ours. */
function noteOfRead(pair) {
  return (result) => {
    if (!result.done && !pair.foreign) attempt(() => pair.read(result.value));
    return result;
  };
}

function noteWriter(stream, writer) {
  const pair = pairOfWritable.get(stream);
  const named = typeof stream[STREAM_NAME] === "string";
  if (pair && named) pair.belongsTo(stream[STREAM_NAME], stream[STREAM_RUN]);
  if (!pair && !named) return;
  const front = pair ? undefined : frontOf(stream);
  holdOfWriter.set(writer, { pair, front, context: currentContext() });
}

function frontOf(writable) {
  let front = frontOfWritable.get(writable);
  if (!front) {
    front = new Front(writable);
    frontOfWritable.set(writable, front);
  }
  return front;
}

/** Notes a write; the answer is the front that it goes through, or null. */
function noteWrite(writer, { pair, front, context }, chunk) {
  // A symbol is the SDK's own mark between writes and goes nowhere.
  if (typeof chunk === "symbol") return null;
  // Throws where the lock was released: such a write reaches nothing. Null: the stream has failed already, and
  // the write is refused at once.
  const lives = writer.desiredSize !== null;
  const here = currentContext() ?? context;
  if (pair) {
    pair.wrote(chunk, here, lives);
    return null;
  }
  front.wrote(chunk, here);
  return front;
}

function noteClose(pair) {
  if (!pair || pair.foreign) return;
  pair.closing = currentContext() ?? pair.context;
  closingPairs.add(pair);
  if (closingPairs.size > MAX_CLOSING) closingPairs.delete(closingPairs.values().next().value);
}

/** The writable whose close reaches the world as this call: the only one that it can be, or none. */
function takeClosing(stream, context) {
  const here = [...closingPairs].filter((pair) => !context || pair.closing === context);
  const ofStream = here.filter((pair) => pair.stream === stream);
  // Without a name it can only be told by its step.
  const candidates = ofStream.length || !context ? ofStream : here.filter((pair) => !pair.stream);
  if (candidates.length !== 1) return undefined;
  closingPairs.delete(candidates[0]);
  return candidates[0];
}

let unsentTimer = null;

/** A little later, so that the writes which follow right away are in the same record. */
function reportUnsentSoon() {
  if (unsentTimer) return;
  outside.runInAsyncScope(() => {
    unsentTimer = setTimeout(guarded(reportUnsentOfBroken), UNSENT_AFTER_MS).unref();
  });
}

function reportUnsentOfBroken() {
  unsentTimer = null;
  for (const pair of unfinishedPairs) {
    if (pair.broken) reportUnsent(pair, "an earlier write of this writable was rejected");
  }
}

function reportUnsentAtExit() {
  reportUnsentOfBroken();
  for (const pair of unfinishedPairs) reportUnsent(pair, "the process ended before it was sent");
}

function reportUnsent(pair, why) {
  const intents = pair.takeUnsent().slice(0, BATCH.records);
  const context = intents.at(-1)?.context;
  const number = pair.number;
  const chunks = intents.map(({ order, called }) => ({ pair: number, order, called: rounded(called) }));
  const run = pair.run ?? context?.run ?? runOfStream(pair.stream);
  const record = { type: "unsent", n: nextNumber(), stream: pair.stream, run, at: rounded(now()), chunks };
  enqueue(Object.assign(record, { step: context?.exact, why }), 300 + 70 * chunks.length);
}

// --- Calls of the world ------------------------------------------------------------------------------------

// For the overlap rule: step attempt and stream -> the calls that have not come back.
const inFlight = new Map();
const MAX_OVERLAPS = 100;
const pendingCalls = new Set();
const callOfError = new WeakMap();
const hashHex = crypto.hash
  ? (bytes) => crypto.hash("sha256", bytes, "hex").slice(0, 16)
  : (bytes) => crypto.createHash("sha256").update(bytes).digest("hex").slice(0, 16);

/** One write or close that the world was called for, from its beginning. */
class Call {
  constructor(op, stream, run, chunks, extra) {
    this.n = nextNumber();
    this.op = op;
    this.stream = stream;
    this.called = now();
    const context = currentContext();
    const intents = settings.exact ? chunks.map(intentOf) : undefined;
    this.run = this.runOf(run, context, intents);
    this.chunks = describeChunks(chunks, intents);
    this.step = stepOf(intents, context) ?? inferredStep(this.run, this.stream);
    rememberSource(this.stream, this.step);
    this.pairs = settings.exact ? this.pairsOf(intents, context) : [];
    this.acquired = context && acquisitions(context);
    this.workflow = context?.workflow;
    this.extra = extra;
    this.overlaps = this.enter();
    pendingCalls.add(this);
  }

  /** In some versions the run id is a promise. It is left alone where anything else tells the run. */
  runOf(run, context, intents) {
    if (typeof run === "string") return run;
    const found = context?.run ?? intents?.find((intent) => intent?.context)?.context.run;
    return found ?? runOfStream(this.stream) ?? this.askRun(run);
  }

  askRun(run) {
    if (!types.isPromise(run)) return undefined;
    // The world waits for it as well, so whether its rejection counts as handled does not change.
    run.then(
      (id) => (this.run = id),
      () => {},
    );
    return undefined;
  }

  pairsOf(intents, context) {
    const pairs = new Set();
    for (const intent of intents) {
      if (!intent) continue;
      pairs.add(intent.pair);
      intent.pair.handOver(intent, this.stream, this.run);
    }
    const closing = this.op === "close" ? takeClosing(this.stream, context) : undefined;
    if (closing) {
      pairs.add(closing);
      this.step = closing.closing?.exact ?? this.step;
    }
    return [...pairs];
  }

  /** Lists the calls of this step attempt on this stream that are still out: one writable never makes two. */
  enter() {
    const { step } = this;
    if (!step || step.known === "inferred") return undefined;
    this.key = `${step.id} ${step.attempt} ${this.run} ${this.stream}`;
    const others = inFlight.get(this.key);
    if (!others) {
      inFlight.set(this.key, new Set([this]));
      return undefined;
    }
    const overlaps = [];
    for (const other of others) if (!this.sharesPair(other)) overlaps.push(other.n);
    others.add(this);
    return overlaps.length ? overlaps.slice(-MAX_OVERLAPS) : undefined;
  }

  sharesPair(other) {
    return this.pairs.some((pair) => other.pairs.includes(pair));
  }

  leave() {
    pendingCalls.delete(this);
    const others = inFlight.get(this.key);
    if (!others) return;
    others.delete(this);
    if (!others.size) inFlight.delete(this.key);
  }

  settled(error, failed) {
    const took = rounded(now() - this.called);
    this.leave();
    if (failed) {
      if (typeof error === "object" && error !== null) callOfError.set(error, this);
      for (const pair of this.pairs) pair.breakOff();
    }
    this.report(!failed, took, failed ? describeError(error) : undefined);
  }

  report(ok, took, error) {
    const { n, op, stream, run, chunks, step, overlaps, acquired } = this;
    const called = rounded(this.called);
    const pair = op === "close" ? this.pairs[0]?.number : undefined;
    const record = { type: "write", n, op, stream, run, called, took, ok, chunks: chunks.list, step, pair };
    enqueue(Object.assign(record, { overlaps, acquired, error }, this.extra), 400 + chunks.bytes);
  }
}

function intentOf(chunk) {
  return typeof chunk === "object" && chunk !== null ? intentOfFrame.get(chunk) : undefined;
}

function stepOf(intents, context) {
  if (intents) {
    for (const intent of intents) if (intent?.context?.exact) return intent.context.exact;
  }
  return context?.step;
}

/** Size and hash of the bytes as the world gets them, with what is known of each one's way. */
function describeChunks(chunks, intents) {
  const list = [];
  let payload = 0;
  for (let at = 0; at < chunks.length; at++) {
    const bytes = bytesOf(chunks[at]);
    const size = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.byteLength;
    const chunk = { size, hash: hashHex(bytes) };
    const intent = intents?.[at];
    if (intent) {
      chunk.pair = intent.pair.number;
      chunk.order = intent.order;
    }
    if (settings.payloads && size <= PAYLOAD_BYTES.chunk && payload + size <= PAYLOAD_BYTES.call) {
      chunk.data = Buffer.from(bytes).toString("base64");
      payload += size;
    }
    list.push(chunk);
  }
  return { list, bytes: list.length * 90 + payload * 1.4 };
}

function bytesOf(chunk) {
  if (typeof chunk === "string" || ArrayBuffer.isView(chunk)) return chunk;
  if (types.isAnyArrayBuffer(chunk)) return new Uint8Array(chunk);
  // The world will refuse it; the call is reported all the same.
  return "";
}

function describeError(error) {
  const message = short(String(error?.message ?? error));
  const name = String(error?.name ?? typeof error);
  const status = error?.status ?? error?.statusCode ?? Number(/\bHTTP (\d{3})\b/.exec(message)?.[1]);
  return { name, message, status: Number.isInteger(status) ? status : undefined };
}

const RUN_STREAM = /^strm_([0-9A-Z]{26})_user/;

function runOfStream(stream) {
  const found = RUN_STREAM.exec(stream);
  return found ? `wrun_${found[1]}` : undefined;
}

function reportPendingCalls() {
  for (const call of pendingCalls) call.report(null, undefined, undefined);
  pendingCalls.clear();
}

/** An observer of one write or close: the beginning is now, the end is reported. */
function watchCall(op, stream, run, chunks, extra) {
  const call = new Call(op, stream, run, Array.isArray(chunks) ? chunks : [], extra);
  if (call.overlaps) warnOfRace(call);
  return (error, value, failed) => call.settled(error, failed);
}

function watchEvent(run, request) {
  const n = nextNumber();
  const called = now();
  return (error, result, failed) => reportEvent({ n, called, run, request, error, result, failed });
}

function reportEvent({ n, called, run, request, error, result, failed }) {
  const { eventType: event, correlationId: id, eventData: data } = request;
  const runId = run ?? result?.run?.runId ?? result?.event?.runId ?? undefined;
  const stepName = data?.stepName ?? result?.step?.stepName;
  const attemptNumber = result?.step?.attempt ?? data?.attempt;
  if (!failed) followSteps(event, runId, id, stepName, attemptNumber);
  const record = {
    type: "event",
    n,
    event,
    run: runId,
    id,
    called: rounded(called),
    took: rounded(now() - called),
    ok: !failed,
    workflow: data?.workflowName ?? result?.run?.workflowName,
    step_name: stepName,
    attempt: attemptNumber,
    error: failed ? describeError(error) : undefined,
  };
  enqueue(record, 400);
}

/** 5.x may send several events in one call; each has its own outcome. */
function watchEvents(run, requests) {
  const watches = [...requests].map((request) => watchEvent(run, request?.event ?? request?.data ?? request));
  return (error, value, failed) => {
    watches.forEach((watch, at) => {
      const result = value?.results?.[at];
      const rejected = failed || (typeof result?.status === "number" && result.status >= 400);
      watch(error ?? result, result, rejected);
    });
  };
}

// --- The warning in the terminal ---------------------------------------------------------------------------

const warned = new Set();
const lastName = (name) => String(name ?? "").split("//").at(-1);

/** Once for each step function and stream of it: the same code races in every run. */
function warnOfRace({ step, stream, workflow }) {
  if (!development) return;
  const key = `${step.name ?? step.id} ${stream.replace(RUN_STREAM, "")}`;
  if (warned.has(key)) return;
  warned.add(key);
  const where = workflow ? ` (workflow "${lastName(workflow)}")` : "";
  say(
    `[tailrace] step "${lastName(step.name) || step.id}"${where} has several writers racing for stream ` +
      `${stream}: its chunks can be stored in another order than they were written. Call getWritable() once ` +
      "per step and keep its writer for all writes, or update to workflow 5.x (vercel/workflow#2058).",
  );
}

// --- Errors of the process ---------------------------------------------------------------------------------

const STREAM_FAILURE = /\bStream [a-z_ ]+ failed\b|Background flush of step stream ops failed/i;
const SDK_LOG = /^\[workflow(-sdk)?\]/i;
const KINDS = {
  unhandledRejection: "unhandled_rejection",
  uncaughtExceptionMonitor: "unhandled_rejection",
  warning: "warning",
};
const reportedErrors = new WeakSet();

/** Through process.emit rather than by listeners: one for unhandledRejection would keep Node from ending. */
function watchProcess() {
  const original = process.emit;
  const emit = function (name, ...args) {
    if (name === "exit") attempt(lastWords);
    else if (Object.hasOwn(KINDS, name)) attempt(() => noteError(name, args));
    return Reflect.apply(original, this, [name, ...args]);
  };
  Object.defineProperty(process, "emit", { value: emit, writable: true, configurable: true });
}

function noteError(event, [error, origin]) {
  // The monitor also sees rejections that strict mode never emits; other exceptions are none of ours.
  if (event === "uncaughtExceptionMonitor" && origin !== "unhandledRejection") return;
  // Node's own warning of a rejection that has been reported.
  if (event === "warning" && error?.name === "UnhandledPromiseRejectionWarning") return;
  const call = callBehind(error);
  const text = String(error?.message ?? error);
  if (!call && !STREAM_FAILURE.test(text)) return;
  if (typeof error === "object" && error !== null) {
    if (reportedErrors.has(error)) return;
    reportedErrors.add(error);
  }
  reportError(KINDS[event], String(error?.name ?? "Error"), text, call);
}

/** The call that failed with this very error, or with the one that it was made from. */
function callBehind(error) {
  for (let depth = 0; depth < 4 && typeof error === "object" && error !== null; depth++, error = error.cause) {
    const call = callOfError.get(error);
    if (call) return call;
  }
  return undefined;
}

function reportError(kind, name, text, call, fields = {}) {
  const run = call?.run ?? fields.workflowRunId ?? /wrun_[0-9A-Z]{26}/.exec(text)?.[0];
  const stepId = fields.stepId ?? /step_[0-9A-Z]{26}/.exec(text)?.[0];
  const step = call?.step ?? (stepId ? { id: stepId } : undefined);
  const at = rounded(now());
  enqueue({ type: "error", kind, at, name, message: short(text), run, step, write: call?.n }, 300 + MAX_TEXT);
}

/** The SDK logs what a background flush failed with and goes on; this line is all there is of it. */
function watchLog() {
  for (const method of ["warn", "error"]) {
    const original = console[method];
    console[method] = function (...args) {
      attempt(() => noteLog(method, args));
      return Reflect.apply(original, this, args);
    };
    Object.defineProperty(console[method], "name", { value: method, configurable: true });
  }
}

function noteLog(method, [line, fields]) {
  if (typeof line !== "string" || !SDK_LOG.test(line)) return;
  const detail = fields && typeof fields === "object" ? (fields.error ?? fields.errorMessage) : undefined;
  const text = typeof detail === "string" ? `${line}: ${detail}` : line;
  if (!STREAM_FAILURE.test(text)) return;
  const plain = text.replace(/\u001b\[[0-9;]*m/g, "");
  reportError("log", method, plain, undefined, fields && typeof fields === "object" ? fields : {});
}

// --- Wrapping ----------------------------------------------------------------------------------------------

// What each method is called with. A hook returns what to do when the call has come back.
const WORLD_HOOKS = {
  writeToStream: ([name, run, chunk]) => watchCall("write", name, run, [chunk]),
  writeToStreamMulti: ([name, run, chunks]) => watchCall("write", name, run, chunks),
  closeStream: ([name, run]) => watchCall("close", name, run, []),
};
const STREAMS_HOOKS = {
  write: ([run, name, chunk]) => watchCall("write", name, run, [chunk]),
  writeMulti: ([run, name, chunks]) => watchCall("write", name, run, chunks),
  close: ([run, name]) => watchCall("close", name, run, []),
};
const EVENTS_HOOKS = {
  create: ([run, request]) => watchEvent(run, request),
  createBatch: ([run, requests]) => watchEvents(run, requests),
};
const STREAMS_RESULTS = {
  createWriteSession: (session, [run, name, options]) => {
    return wrapped(session, sessionHooks(run, name, options?.writerId));
  },
};
const WORLD_PARTS = {
  streams: (streams) => wrapped(streams, STREAMS_HOOKS, STREAMS_RESULTS),
  events: (events) => wrapped(events, EVENTS_HOOKS),
};

function sessionHooks(run, name, writer) {
  return {
    write: ([group, chunks]) => watchCall("write", name, run, chunks, { writer, group }),
    close: () => watchCall("close", name, run, [], { writer }),
  };
}

/**
 * The result with an observer: `done(error, value, failed)` once it is there.
 *
 * A promise is answered with one that settles right after it, in the same turn. Observing the original on the
 * side and returning that would mark it as handled, and a rejection that the app forgot would no longer show.
 * Other thenables are left alone: to ask one may be to start it.
 */
function follow(result, done) {
  if (!types.isPromise(result)) {
    attempt(() => done(undefined, result, false));
    return result;
  }
  return then(result, [
    (value) => {
      attempt(() => done(undefined, value, false));
      return value;
    },
    (error) => {
      attempt(() => done(error, undefined, true));
      throw error;
    },
  ]);
}

const then = (promise, reactions) => Reflect.apply(promiseThen, promise, reactions);

function observed(method, self, args, hook) {
  const done = hook && !sender.stopped ? attempt(() => hook(args)) : undefined;
  if (!done) return Reflect.apply(method, self, args);
  let result;
  try {
    result = Reflect.apply(method, self, args);
  } catch (error) {
    attempt(() => done(error, undefined, true));
    throw error;
  }
  return follow(result, done);
}

function withResult(result, change) {
  if (types.isPromise(result)) return then(result, [(value) => withResult(value, change)]);
  return (typeof result === "object" && result !== null && attempt(() => change(result))) || result;
}

const own = (table, key) => (Object.hasOwn(table, key) ? table[key] : undefined);

// By hooks, then by what is wrapped: one object may be both a world and its streams.
const wrappers = new WeakMap();

/**
 * Stands for `inner`: everything is read from it and written to it, and its methods run with it as `this`, so
 * classes with private fields work. The proxy's own target is an empty object, because a proxy must not answer
 * for a frozen target with anything but that target's own functions.
 */
function wrapped(inner, hooks, results = {}, parts = {}) {
  const known = wrappers.get(hooks)?.get(inner);
  if (known) return known;
  const methods = new Map();
  const view = (key, value) => {
    if (typeof value === "function") return methodOf(key, value);
    const part = typeof value === "object" && value !== null ? own(parts, key) : undefined;
    return part ? part(value) : value;
  };
  const methodOf = (key, method) => {
    const made = methods.get(key);
    if (made?.method === method) return made.proxy;
    const hook = own(hooks, key);
    const change = own(results, key);
    const apply = (target, self, args) => {
      const result = observed(method, self === proxy ? inner : self, args, hook);
      return change ? withResult(result, (value) => change(value, args)) : result;
    };
    const fresh = { method, proxy: new Proxy(method, { apply }) };
    methods.set(key, fresh);
    return fresh.proxy;
  };
  const proxy = new Proxy(shadowOf(inner), trapsFor(inner, view));
  if (!wrappers.has(hooks)) wrappers.set(hooks, new WeakMap());
  wrappers.get(hooks).set(inner, proxy);
  return proxy;
}

/** An object to hang a proxy on; printed, it shows what it stands for. */
function shadowOf(inner) {
  const shadow = {};
  Object.defineProperty(shadow, inspect.custom, { value: () => inner, configurable: true });
  return shadow;
}

function trapsFor(inner, view) {
  return {
    get: (shadow, key) => view(key, Reflect.get(inner, key, inner)),
    set: (shadow, key, value) => Reflect.set(inner, key, value, inner),
    has: (shadow, key) => Reflect.has(inner, key),
    deleteProperty: (shadow, key) => Reflect.deleteProperty(inner, key),
    defineProperty: (shadow, key, descriptor) => Reflect.defineProperty(inner, key, descriptor),
    ownKeys: () => Reflect.ownKeys(inner),
    getPrototypeOf: () => Reflect.getPrototypeOf(inner),
    setPrototypeOf: (shadow, prototype) => Reflect.setPrototypeOf(inner, prototype),
    getOwnPropertyDescriptor(shadow, key) {
      const found = Reflect.getOwnPropertyDescriptor(inner, key);
      if (!found) return undefined;
      if ("value" in found) found.value = view(key, found.value);
      // The shadow has no such property, and only what it has may be called fixed.
      return { ...found, configurable: true };
    },
  };
}

// --- Loading the world -------------------------------------------------------------------------------------

const BUILT_IN = {
  local: {
    name: "@workflow/world-local",
    make: (module) => (module.createLocalWorld ?? module.createWorld)({ dataDir: env.WORKFLOW_LOCAL_DATA_DIR }),
  },
  vercel: {
    name: "@workflow/world-vercel",
    make: (module) => (module.createVercelWorld ?? module.createWorld)(),
  },
};
const ALIASES = { "@workflow/world-local": "local", "@workflow/world-vercel": "vercel" };

/** The folder of a package as seen from a file, found without asking its `exports`. */
function packageFolder(from, name) {
  for (const folder of from.resolve.paths(name) ?? []) {
    if (fs.existsSync(path.join(folder, name, "package.json"))) return fs.realpathSync(path.join(folder, name));
  }
  // Without node_modules (Yarn's Plug'n'Play) only resolving tells.
  return attempt(() => path.dirname(from.resolve(name)));
}

function requireIn(folder) {
  return folder ? createRequire(path.join(folder, "index.js")) : undefined;
}

/** Where the app, `workflow` and `@workflow/core` require from: with pnpm each sees only its own. */
function places() {
  const app = requireIn(process.cwd());
  const workflow = packageFolder(app, "workflow");
  const name = "@workflow/core";
  const core = packageFolder(requireIn(workflow) ?? app, name) ?? packageFolder(app, name);
  const sdk = versionIn(workflow) || versionIn(core);
  return { app, workflow: requireIn(workflow), core: requireIn(core), sdk };
}

function versionIn(folder) {
  const file = folder && path.join(folder, "package.json");
  return (file && attempt(() => JSON.parse(fs.readFileSync(file, "utf8")).version)) || "";
}

function requireFirst(requires, name) {
  let first;
  for (const require of requires.filter(Boolean)) {
    try {
      return require(name);
    } catch (error) {
      // Not there: somewhere else, perhaps. There and broken: that is what the SDK would say as well.
      first ??= error;
      if (error?.code !== "MODULE_NOT_FOUND" && error?.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw error;
    }
  }
  throw first;
}

function loadWorld({ app, workflow, core, sdk }) {
  const name = ALIASES[settings.world] ?? settings.world;
  // The SDK imports its own worlds from where its core is, and only others from where the app is.
  if (Object.hasOwn(BUILT_IN, name)) {
    const builtIn = BUILT_IN[name];
    return builtIn.make(requireFirst([core, workflow, app], builtIn.name));
  }
  const isVersion4 = sdk.startsWith("4.");
  try {
    return makeFrom(requireFirst([app, workflow, core], name), isVersion4);
  } catch (error) {
    const needsImport = error?.code === "ERR_REQUIRE_ASYNC_MODULE" || error?.code === "ERR_REQUIRE_ESM";
    // 4.x needs a world at once; 5.x waits for one.
    if (!needsImport || isVersion4) throw error;
    return import(pathToFileURL(app.resolve(name)).href).then((module) => makeFrom(module, false));
  }
}

/** As the SDK does it itself; 4.x and 5.x look in another order. */
function makeFrom(module, isVersion4) {
  if (module === createWorld || module?.createWorld === createWorld) {
    throw new Error("TAILRACE_WORLD names the probe itself; it is for the world behind it");
  }
  const order = isVersion4 ? ["default", "createWorld"] : ["createWorld", "default"];
  if (typeof module === "function") return module();
  for (const name of order) if (typeof module[name] === "function") return module[name]();
  if (!isVersion4 && typeof module.default === "object" && module.default) return module.default;
  throw new Error(
    `Invalid target world module: ${settings.world}, must export a createWorld function or a default ` +
      "function that returns a World instance.",
  );
}

/** The same error that the SDK would give, with what to do about it. */
function explain(error) {
  const advice =
    `[tailrace] the probe could not load the world that it is to wrap (TAILRACE_WORLD=${settings.world}, ` +
    `from ${process.cwd()}). Set TAILRACE_WORLD to local, vercel or the module that WORKFLOW_TARGET_WORLD named ` +
    "before, and start the app in the directory where `workflow` is installed.";
  attempt(() => {
    error.message = `${error.message}\n${advice}`;
  });
  return error;
}

// --- Start -------------------------------------------------------------------------------------------------

let started = false;

function startOnce(sdk) {
  if (started) return;
  started = true;
  for (const part of [watchProcess, watchLog]) attempt(part);
  if (settings.exact) attempt(followFrames);
  startSender(describeApp(sdk));
}

function describeApp(sdk) {
  const runtime = process.versions.bun ? `bun ${process.versions.bun}` : `node ${process.version}`;
  return {
    probe: VERSION,
    language: "js",
    runtime,
    sdk,
    pid: process.pid,
    host: os.hostname(),
    world: settings.world,
    location: attempt(locationOfWorld),
    exact: settings.exact,
    env: env.NODE_ENV || "development",
  };
}

/** Where the wrapped world keeps its data, without any secret in it. */
function locationOfWorld() {
  const name = ALIASES[settings.world] ?? settings.world;
  if (name === "local") return path.resolve(env.WORKFLOW_LOCAL_DATA_DIR || ".workflow-data");
  if (name === "vercel") return env.VERCEL_PROJECT_ID || env.VERCEL_DEPLOYMENT_ID;
  if (!name.includes("postgres") || !env.WORKFLOW_POSTGRES_URL) return undefined;
  const { protocol, host, pathname } = new URL(env.WORKFLOW_POSTGRES_URL);
  return `${protocol}//${host}${pathname}`;
}

/** The world that TAILRACE_WORLD names, watched. */
function createWorld() {
  let world, where;
  try {
    where = places();
    world = loadWorld(where);
  } catch (error) {
    throw explain(error);
  }
  if (settings.off) return world;
  attempt(() => startOnce(where.sdk));
  const watch = (inner) => wrapped(inner, WORLD_HOOKS, {}, WORLD_PARTS);
  return types.isPromise(world) ? world.then(watch) : watch(world);
}

globalThis[SHARED] ??= createWorld;
module.exports = globalThis[SHARED];
module.exports.createWorld = module.exports;
module.exports.default = module.exports;
