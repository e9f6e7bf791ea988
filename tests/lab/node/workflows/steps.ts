// Steps that several scenarios use. What a step is about to write it first says to `intend`.
import { getWritable } from 'workflow';
import { CLOSE, intend, type Part, pause } from './truth';

export async function writeAll(parts: Part[], gap: number) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  for (const part of parts) {
    await intend(part);
    await writer.write(part);
    if (gap) await pause(gap);
  }
  writer.releaseLock();
}

export async function writeOne(part: Part, stay = 0) {
  'use step';
  const writer = getWritable<Part>().getWriter();
  await intend(part);
  await writer.write(part);
  writer.releaseLock();
  if (stay) await pause(stay);
}

export async function closeStream(namespace?: string) {
  'use step';
  await intend(CLOSE, namespace ?? 'default');
  await getWritable<Part>({ namespace }).close();
}
