'use strict';
// The local world as if it were far away: what `WORKFLOW_TARGET_WORLD` (or the probe's `TAILRACE_WORLD`) loads.
//
// LAB_LATENCY=50-100       ms before a stream's write or close reaches the world
// LAB_EVENT_LATENCY=30-80  ms before an event does
// LAB_SEED=1               the n-th call on the m-th stream of the k-th run waits the same in every process
// LAB_REJECT=1             a write or close that arrives after its run has ended is refused, as Vercel's server does
// LAB_LOSE=3               the third chunk written to each stream is acknowledged and not stored
// LAB_ARRIVALS=file        one JSON line for each call that arrived: what really became of it
const fs = require('node:fs');
const path = require('node:path');
const { createHash } = require('node:crypto');
const { createRequire } = require('node:module');

// The SDK makes more than one world in a process.
const state = (globalThis[Symbol.for('tailrace.lab.latency')] ??= { runs: new Map(), ended: new Map() });
const env = process.env;
const range = (text) => (text ? text.split('-').map(Number) : null);
const streamLatency = range(env.LAB_LATENCY);
const eventLatency = range(env.LAB_EVENT_LATENCY);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function between([low, high], ...about) {
  const digest = createHash('sha256').update([env.LAB_SEED ?? 1, ...about].join(':')).digest();
  return low + (digest.readUInt32BE(0) / 2 ** 32) * (high - low);
}

/** The numbers by which a call is known in every process that does the same: of its run, its stream, its own. */
function place(runId, stream) {
  const run = state.runs.get(runId) ?? { number: state.runs.size, streams: new Map(), events: 0 };
  state.runs.set(runId, run);
  const known = run.streams.get(stream) ?? { number: run.streams.size, calls: 0, written: 0 };
  run.streams.set(stream, known);
  return [run.number, known.number, known.calls++];
}

function tell(line) {
  if (env.LAB_ARRIVALS) fs.appendFileSync(env.LAB_ARRIVALS, `${JSON.stringify(line)}\n`);
}

function step() {
  const context = globalThis[Symbol.for('WORKFLOW_STEP_CONTEXT_STORAGE')]?.getStore?.();
  return context ? { id: context.stepMetadata?.stepId, attempt: context.stepMetadata?.attempt } : null;
}

function refusal(op, runId) {
  const body = { success: false, error: 'conflict', message: `Run "${runId}" is already ${state.ended.get(runId)}` };
  return new Error(`Stream ${op} failed: HTTP 409: ${JSON.stringify(body)}`);
}

const text = (chunk) => (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('base64'));

/** The chunks of a call without the one that is to be lost, and that one. */
function without(runId, stream, chunks) {
  const known = state.runs.get(runId).streams.get(stream);
  const at = Number(env.LAB_LOSE ?? 0) - 1 - known.written;
  known.written += chunks.length;
  const lost = at >= 0 ? chunks.slice(at, at + 1) : [];
  return { kept: lost.length ? chunks.toSpliced(at, 1) : chunks, lost };
}

/** `store(chunks)` is the real call; `chunks` is null for a close. */
async function arrive(op, runIdGiven, stream, chunks, store) {
  const context = step();
  const early = typeof runIdGiven === 'string' ? place(runIdGiven, stream) : null;
  const runId = await runIdGiven;
  const about = early ?? place(runId, stream);
  if (streamLatency) await pause(between(streamLatency, ...about));
  const line = { t: Date.now(), runId, stream, op, step: context };
  if (env.LAB_REJECT === '1' && state.ended.has(runId)) {
    tell({ ...line, outcome: 'rejected', chunks: (chunks ?? []).map(text) });
    throw refusal(op, runId);
  }
  const { kept, lost } = without(runId, stream, chunks ?? []);
  if (lost.length) tell({ ...line, outcome: 'lost', chunks: lost.map(text) });
  if (chunks && !kept.length) return undefined;
  const answer = await store(kept);
  tell({ ...line, outcome: 'stored', chunks: kept.map(text) });
  return answer;
}

function events(inner) {
  return {
    ...inner.events,
    create: async (runId, event, params) => {
      const run = state.runs.get(runId);
      if (eventLatency) await pause(between(eventLatency, 'event', run ? run.number : 0, run ? run.events++ : 0));
      const answer = await inner.events.create(runId, event, params);
      const ended = /^run_(completed|failed|cancelled)$/.exec(event.eventType);
      if (ended) state.ended.set(runId, ended[1]);
      return answer;
    },
  };
}

// 4.x: (stream, run, …); 5.x: world.streams, with the run first.
function flat(inner) {
  const writeMulti = inner.writeToStreamMulti && {
    writeToStreamMulti: (stream, runId, chunks) =>
      arrive('write', runId, stream, chunks, (kept) => inner.writeToStreamMulti(stream, runId, kept)),
  };
  return {
    writeToStream: (stream, runId, chunk) =>
      arrive('write', runId, stream, [chunk], ([kept]) => inner.writeToStream(stream, runId, kept)),
    ...writeMulti,
    closeStream: (stream, runId) => arrive('close', runId, stream, null, () => inner.closeStream(stream, runId)),
  };
}

function nested({ streams }) {
  const writeMulti = streams.writeMulti && {
    writeMulti: (runId, stream, chunks) =>
      arrive('write', runId, stream, chunks, (kept) => streams.writeMulti(runId, stream, kept)),
  };
  return {
    ...streams,
    write: (runId, stream, chunk) => arrive('write', runId, stream, [chunk], ([kept]) => streams.write(runId, stream, kept)),
    ...writeMulti,
    close: (runId, stream) => arrive('close', runId, stream, null, () => streams.close(runId, stream)),
  };
}

function createWorld() {
  const local = createRequire(path.join(process.cwd(), 'index.js'))('@workflow/world-local');
  const inner = (local.createLocalWorld ?? local.createWorld)({ dataDir: env.WORKFLOW_LOCAL_DATA_DIR });
  const world = { ...inner, events: events(inner) };
  if (typeof inner.writeToStream === 'function') Object.assign(world, flat(inner));
  if (inner.streams) world.streams = nested(inner);
  return world;
}

module.exports = createWorld;
module.exports.createWorld = createWorld;
module.exports.default = createWorld;
