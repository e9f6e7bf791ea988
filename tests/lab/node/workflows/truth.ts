// What all scenarios share: the log of what they mean to write, and the parts of a chat message.
import { getStepMetadata, getWorkflowMetadata } from 'workflow';

export type Part =
  | { type: 'start'; messageId: string }
  | { type: 'text-start'; id: string }
  | { type: 'text-delta'; id: string; delta: string }
  | { type: 'text-end'; id: string }
  | { type: 'data-status'; data: unknown }
  | { type: 'finish'; finishReason: string };

export const CLOSE = '<<close>>';

export const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/**
 * Logs to LAB_TRUTH, before it is written, what this step writes next to `stream` (a namespace, or 'default'):
 * the order that the user's code meant, to compare with what was stored.
 */
export async function intend(value: unknown, stream = 'default') {
  const file = process.env.LAB_TRUTH;
  if (!file) return;
  const { appendFileSync } = await import('node:fs');
  const { stepId, attempt } = getStepMetadata();
  const { workflowRunId } = getWorkflowMetadata();
  const line = { t: Date.now(), runId: workflowRunId, stepId, attempt, stream, value };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

export function message(deltas: string[]): Part[] {
  return [
    { type: 'start', messageId: 'msg-t1' },
    { type: 'text-start', id: 't1' },
    ...deltas.map((delta) => ({ type: 'text-delta' as const, id: 't1', delta })),
    { type: 'text-end', id: 't1' },
    { type: 'finish', finishReason: 'stop' },
  ];
}
