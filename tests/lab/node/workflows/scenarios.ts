// What the tests let a real Workflow SDK do. Each workflow is one way of writing a stream; its name in
// scenarios.mjs says which.
import { getWritable } from 'workflow';
import { closeStream, writeAll, writeOne } from './steps';
import { CLOSE, intend, message, type Part, pause } from './truth';

// --- clean: one writer, then one close ---------------------------------------------------------
export async function clean(deltas: string[], gap: number) {
  'use workflow';
  await writeAll(message(deltas), gap);
  await closeStream();
  return deltas.length;
}

// --- cleanArg: the same through a writable that the workflow hands to its steps -------------------
async function writeToGiven(writable: WritableStream<Part>, parts: Part[]) {
  'use step';
  const writer = writable.getWriter();
  for (const part of parts) {
    await intend(part);
    await writer.write(part);
  }
  writer.releaseLock();
}

async function closeGiven(writable: WritableStream<Part>) {
  'use step';
  await intend(CLOSE);
  await writable.close();
}

export async function cleanArg(deltas: string[]) {
  'use workflow';
  const writable = getWritable<Part>();
  await writeToGiven(writable, message(deltas));
  await closeGiven(writable);
  return deltas.length;
}

// --- pipe: a model's stream piped into the writable ----------------------------------------------
async function pipeInto(deltas: string[]) {
  'use step';
  const parts = message(deltas);
  for (const part of parts) await intend(part);
  const source = new ReadableStream<Part>({
    async pull(controller) {
      const part = parts.shift();
      if (!part) return controller.close();
      await pause(2);
      controller.enqueue(part);
    },
  });
  await source.pipeTo(getWritable<Part>(), { preventClose: true, preventAbort: true });
}

export async function pipe(deltas: string[]) {
  'use workflow';
  await pipeInto(deltas);
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

// --- eagerCloseInline: the workflow's own body tries to close -------------------------------------
export async function eagerCloseInline(deltas: string[]) {
  'use workflow';
  const writable = getWritable<Part>();
  await writeAll(message(deltas), 0);
  let refused = '';
  try {
    await writable.close();
  } catch (error) {
    refused = String((error as Error)?.message ?? error);
  }
  await writeOne({ type: 'data-status', data: { persisted: true } }, 30);
  return refused;
}

// --- lateFlush: the last step's writes are not waited for ------------------------------------------
async function writeUnawaited(count: number) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  for (let n = 0; n < count; n++) {
    const part: Part = { type: 'data-status', data: { unawaited: n } };
    await intend(part);
    void writer.write(part);
  }
  writer.releaseLock();
}

export async function lateFlush(count: number) {
  'use workflow';
  await writeUnawaited(count);
  return count;
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
