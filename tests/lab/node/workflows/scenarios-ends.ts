// Steps that fail, are tried again or cancelled, and workflows that wait.
import { createHook, createWebhook, FatalError, getStepMetadata, getWritable, RetryableError, sleep } from 'workflow';
import { closeStream, writeOne } from './steps';
import { intend, type Part } from './truth';

// --- retries: two attempts fail half-way, the third writes it all --------------------------------------
async function failTwice(id: string) {
  'use step';
  const { attempt } = getStepMetadata();
  const writer = getWritable<Part>().getWriter();
  const parts: Part[] = [
    { type: 'text-start', id },
    { type: 'text-delta', id, delta: 'Hello ' },
    { type: 'text-delta', id, delta: 'world' },
    { type: 'text-end', id },
  ];
  for (const part of parts.slice(0, attempt < 3 ? attempt + 1 : parts.length)) {
    await intend(part);
    await writer.write(part);
  }
  writer.releaseLock();
  if (attempt === 1) throw new Error('transient failure');
  if (attempt === 2) throw new RetryableError('rate limited', { retryAfter: 1000 });
  return attempt >= 3;
}

export async function retries() {
  'use workflow';
  const isThird = await failTwice('t1');
  await closeStream();
  return isThird;
}

// --- fatal, caught, throws: failures that end the run, or do not -----------------------------------------
async function writeAndDie() {
  'use step';
  const writer = getWritable<Part>().getWriter();
  const part: Part = { type: 'text-start', id: 't1' };
  await intend(part);
  await writer.write(part);
  writer.releaseLock();
  throw new FatalError('cannot continue: invalid api key');
}

export async function fatal() {
  'use workflow';
  await writeAndDie();
  return 'unreachable';
}

async function alwaysFails() {
  'use step';
  throw new Error('quota exceeded');
}
alwaysFails.maxRetries = 1;

export async function caught() {
  'use workflow';
  try {
    await alwaysFails();
    return 'unreachable';
  } catch (error) {
    return String((error as Error).message);
  }
}

export async function throws() {
  'use workflow';
  const nothing: any = undefined;
  return nothing.at.all;
}

// --- cancel: cancelled by the driver while it writes a part at a time --------------------------------------
export async function cancel(count: number) {
  'use workflow';
  for (let n = 0; n < count; n++) await writeOne({ type: 'text-delta', id: 't1', delta: `part${n} ` }, 250);
  await closeStream();
  return 'unreachable if cancelled';
}

// --- sleeps, hook, webhook: waiting for time, for a resume, for a request ---------------------------------
async function note(value: unknown) {
  'use step';
  return value;
}

export async function sleeps() {
  'use workflow';
  await note('before');
  await sleep('1s');
  return await note('after');
}

export async function hook(token: string) {
  'use workflow';
  const resumed = await createHook<{ approved: boolean }>({ token });
  return await note(resumed);
}

async function publish(token: string) {
  'use step';
  await intend(token, 'webhook token');
}

async function readBody(request: Request) {
  'use step';
  return await request.text();
}

export async function webhook() {
  'use workflow';
  const hook = createWebhook();
  await publish(hook.token);
  const request = await hook;
  return { method: request.method, body: await readBody(request) };
}
