// Several streams of one run, several steps at one stream, and what values a stream can carry.
import { getWritable } from 'workflow';
import { closeStream } from './steps';
import { intend, type Part, pause } from './truth';

const asTruth = (bytes: Uint8Array) => ({ bytes: Buffer.from(bytes).toString('base64') });

// --- multi: four streams of one step, one of them never closed; streams that steps return -------------
async function writeFour(count: number) {
  'use step';
  const parts = getWritable<Part>().getWriter();
  const lines = getWritable<string>({ namespace: 'logs' }).getWriter();
  const figures = getWritable<{ n: number; ms: number }>({ namespace: 'metrics/é:1' }).getWriter();
  const bytes = getWritable<Uint8Array>({ namespace: 'bytes' }).getWriter();
  for (let n = 0; n < count; n++) {
    const part: Part = { type: 'text-delta', id: 't1', delta: `d${n} ` };
    await intend(part);
    await parts.write(part);
    await intend(`line ${n}\n`, 'logs');
    await lines.write(`line ${n}\n`);
    const figure = { n, ms: n * 1.5 };
    await intend(figure, 'metrics/é:1');
    await figures.write(figure);
    const raw = new Uint8Array([0, n, 255, 10]);
    await intend(asTruth(raw), 'bytes');
    await bytes.write(raw);
  }
  for (const writer of [parts, lines, figures, bytes]) writer.releaseLock();
}

async function returnBytes() {
  'use step';
  let n = 0;
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      await pause(10);
      if (n >= 5) return controller.close();
      controller.enqueue(new TextEncoder().encode(`piece-${n++};`));
    },
  });
}

async function returnObjects() {
  'use step';
  return new ReadableStream<{ n: number; at: Date }>({
    async start(controller) {
      for (let n = 0; n < 4; n++) {
        controller.enqueue({ n, at: new Date(Date.UTC(2026, 0, 1 + n)) });
        await pause(5);
      }
      controller.close();
    },
  });
}

async function readBoth(bytes: ReadableStream<Uint8Array>, objects: ReadableStream<{ n: number }>) {
  'use step';
  let text = '';
  for await (const piece of bytes as any) text += new TextDecoder().decode(piece);
  const seen: number[] = [];
  for await (const { n } of objects as any) seen.push(n);
  return { text, seen };
}

export async function multi(count: number) {
  'use workflow';
  await writeFour(count);
  await closeStream('logs');
  await closeStream('bytes');
  await closeStream();
  return await readBoth(await returnBytes(), await returnObjects());
}

// --- parallel: three steps at once, each its own text; parallelSameId: two steps at one text ------------
async function writeText(id: string, count: number, gap: number) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  const deltas = Array.from({ length: count }, (_, n): Part => ({ type: 'text-delta', id, delta: `${id}:${n} ` }));
  for (const part of [{ type: 'text-start', id } as Part, ...deltas, { type: 'text-end', id } as Part]) {
    await intend(part);
    await writer.write(part);
    await pause(gap);
  }
  writer.releaseLock();
  return id;
}

export async function parallel(count: number) {
  'use workflow';
  const ids = await Promise.all([writeText('A', count, 3), writeText('B', count, 5), writeText('C', count, 7)]);
  await closeStream();
  return ids;
}

export async function parallelSameId(count: number) {
  'use workflow';
  const ids = await Promise.all([writeText('t1', count, 3), writeText('t1', count, 4)]);
  await closeStream();
  return ids;
}

// --- values: one chunk for every kind of value that the SDK can serialize ---------------------------------
async function writeValues(input: unknown) {
  'use step';
  const values: Record<string, unknown> = {
    date: new Date('2026-01-02T03:04:05.678Z'),
    map: new Map<unknown, unknown>([['a', 1], [{ k: 1 }, new Set([1, 'two', 3n])]]),
    set: new Set(['x', 'y']),
    big: 12345678901234567890n,
    error: new TypeError('bad type'),
    bytes: new Uint8Array([1, 2, 3, 254, 255]),
    floats: new Float64Array([1.5, -0, Infinity]),
    undefined: undefined,
    null: null,
    nan: NaN,
    minusZero: -0,
    regexp: /ab+c/gi,
    url: new URL('https://example.com/a?b=c#d'),
    headers: new Headers({ 'x-a': '1' }),
    nested: { a: [{ b: { c: [new Date(0), undefined, [1n]] } }], 'key with space': 'é😀\u0000\n' },
    sparse: [1, , 3],
    input,
  };
  const writer = getWritable<unknown>({ namespace: 'values' }).getWriter();
  for (const [name, value] of Object.entries(values)) {
    await intend({ name }, 'values');
    await writer.write({ name, value });
  }
  writer.releaseLock();
  return values;
}

export async function values(input: unknown) {
  'use workflow';
  const written = await writeValues(input);
  await closeStream('values');
  return written;
}
