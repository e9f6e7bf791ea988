// What the tests let a real Workflow SDK do. Each workflow is one way of writing a stream; its name in
// drive.mjs says which. Steps log what they are about to write to LAB_TRUTH, one JSON line each, before
// they write it: that is the order the user's code meant, to compare with what was stored.
import { getStepMetadata, getWorkflowMetadata, getWritable } from 'workflow';

type Part =
  | { type: 'start'; messageId: string }
  | { type: 'text-start'; id: string }
  | { type: 'text-delta'; id: string; delta: string }
  | { type: 'text-end'; id: string }
  | { type: 'data-status'; data: unknown }
  | { type: 'finish'; finishReason: string };

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

async function intend(value: unknown) {
  const file = process.env.LAB_TRUTH;
  if (!file) return;
  const { appendFileSync } = await import('node:fs');
  const { stepId, attempt } = getStepMetadata();
  const { workflowRunId } = getWorkflowMetadata();
  const line = { t: Date.now(), runId: workflowRunId, stepId, attempt, stream: 'default', value };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

function message(deltas: string[]): Part[] {
  return [
    { type: 'start', messageId: 'msg-t1' },
    { type: 'text-start', id: 't1' },
    ...deltas.map((delta) => ({ type: 'text-delta' as const, id: 't1', delta })),
    { type: 'text-end', id: 't1' },
    { type: 'finish', finishReason: 'stop' },
  ];
}

async function writeAll(parts: Part[], gap: number) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  for (const part of parts) {
    await intend(part);
    await writer.write(part);
    if (gap) await pause(gap);
  }
  writer.releaseLock();
}

async function closeStream() {
  'use step';
  await intend('<<close>>');
  await getWritable<Part>().close();
}

// --- clean: one writer, then one close ---------------------------------------------------------
export async function clean(deltas: string[], gap: number) {
  'use workflow';
  await writeAll(message(deltas), gap);
  await closeStream();
  return deltas.length;
}

// --- reacquire: a new writer for every part (upstream issue 2058) ---------------------------------
async function writeEachAnew(parts: Part[]) {
  'use step';
  for (const part of parts) {
    const writer = getWritable<Part>().getWriter();
    try {
      await intend(part);
      await writer.write(part);
    } finally {
      writer.releaseLock();
    }
  }
}

export async function reacquire(deltas: string[]) {
  'use workflow';
  await writeEachAnew(message(deltas));
  await closeStream();
  return deltas.length;
}

// --- eagerClose: closed half-way, written to and closed again (upstream issue 1949) -----------------
async function writeOne(part: Part) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  await intend(part);
  await writer.write(part);
  writer.releaseLock();
}

export async function eagerClose(deltas: string[]) {
  'use workflow';
  try {
    await writeAll(message(deltas), 0);
    await closeStream();
    await writeOne({ type: 'data-status', data: { persisted: true } });
    await Promise.allSettled(
      [1, 2, 3].map((n) => writeOne({ type: 'data-status', data: { postFinish: n } })),
    );
  } finally {
    await writeOne({ type: 'finish', finishReason: 'stop' });
    await closeStream();
  }
}

// --- many: as many small chunks as asked for -------------------------------------------------------
async function writeMany(count: number) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  for (let n = 0; n < count; n++) {
    await writer.write({ type: 'text-delta', id: 't1', delta: `${n} ` });
  }
  writer.releaseLock();
}

export async function many(count: number) {
  'use workflow';
  await writeMany(count);
  await closeStream();
  return count;
}
