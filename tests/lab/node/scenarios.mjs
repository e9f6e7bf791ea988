// What can be asked of drive.mjs, by name: the workflow, its arguments, which streams a reader follows, and
// what is done from outside while it runs.
import fs from 'node:fs';

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const words = (count, size) => Array.from({ length: count }, (_, n) => `word${n} `.padEnd(size, '.'));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const PARTS = ['nov', 'o', ' e', '2', 'e', ' ok'];

/** The hook is there as soon as the workflow has got to it: until then it is tried again. */
async function untilThere(attempt) {
  for (let left = 150; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (!left) throw error;
      await pause(200);
    }
  }
}

async function callWebhook({ runId }) {
  const lines = () => fs.readFileSync(process.env.LAB_TRUTH, 'utf8').trim().split('\n');
  return await untilThere(async () => {
    const token = lines().map((line) => JSON.parse(line)).find((line) => line.runId === runId).value;
    const path = `/.well-known/workflow/v1/webhook/${encodeURIComponent(token)}`;
    const answer = await fetch(`http://127.0.0.1:${process.env.PORT}${path}`, { method: 'POST', body: 'from outside' });
    if (answer.status === 404) throw new Error('no such webhook yet');
    return answer.status;
  });
}

async function resume({ api, tag }) {
  await untilThere(() => api.resumeHook(`token-${tag}`, { approved: true }));
}

async function cancelSoon({ api, runId }) {
  await pause(1800);
  await (await api.getRun(runId)).cancel();
}

const ours = (workflow, args, more = {}) => ({ workflow, args, reads: [undefined], ...more });
const silent = (workflow, args = [], more = {}) => ours(workflow, args, { reads: [], ...more });

export const SCENARIOS = {
  a_clean: ours('clean', [['Hel', 'lo', ', ', 'wor', 'ld', '!'], 5]),
  a_cleanArg: ours('cleanArg', [['via ', 'argu', 'ment']]),
  a_pipeTo: ours('pipe', [['pi', 'pe', 'd']]),
  b_reacquire: ours('reacquire', [PARTS]),
  c_eagerClose: ours('eagerClose', [['eager ', 'close ', 'text']]),
  c_eagerCloseInline: ours('eagerCloseInline', [['inline']]),
  c_lateFlush: ours('lateFlush', [5]),
  d_multi: ours('multi', [6], { reads: [undefined, 'logs', 'metrics/é:1', 'bytes'] }),
  e_retries: ours('retries', []),
  e_fatal: ours('fatal', []),
  e_caught: silent('caught'),
  e_wfThrows: silent('throws'),
  f_sleep: silent('sleeps'),
  f_hookResumed: silent('hook', ({ tag }) => [`token-${tag}`], { act: resume }),
  f_webhook: silent('webhook', [], { act: callWebhook }),
  g_parallel: ours('parallel', [8]),
  g_parallelSameId: ours('parallelSameId', [6]),
  h_cancel: ours('cancel', [40], { act: cancelSoon }),
  j_values: ours('values', [{ when: new Date(0), map: new Map([['k', 1n]]), none: undefined }], { reads: ['values'] }),
  slow: ours('clean', [words(number('LAB_SLOW_COUNT', 40), number('LAB_SLOW_SIZE', 0)), number('LAB_SLOW_PAUSE', 50)]),
  many: silent('many', [number('LAB_MANY', 300)]),
};
