// What a reader of a stream gets, as plain JSON.

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** JSON has no word for many of the values that a stream can carry: each becomes an object of one key. */
export function plain(value) {
  return JSON.parse(JSON.stringify(value ?? null, (_, item) => {
    if (typeof item === 'bigint') return { bigint: String(item) };
    if (item instanceof Error) return { error: item.name, message: item.message };
    if (item instanceof Map || item instanceof Set) return { [item.constructor.name]: [...item] };
    if (ArrayBuffer.isView(item)) return { bytes: Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString('base64') };
    return item;
  }));
}

/**
 * Reads until the stream is closed, or until nothing came for `idle` ms after `over()`: a stream that nobody
 * closes never ends by itself. `after` is undefined or a promise: the time counts from then on.
 */
export async function read(run, namespace, { idle, over }) {
  const items = [];
  let ended = 'closed';
  let error = null;
  try {
    const reader = (await run).getReadable({ namespace }).getReader();
    let next = reader.read();
    for (let quiet = 0; ; ) {
      const got = await Promise.race([next, pause(100).then(() => 'nothing')]);
      if (got === 'nothing') {
        quiet = over() ? quiet + 100 : 0;
        if (quiet < idle) continue;
        ended = 'open';
        reader.cancel().catch(() => {});
        break;
      }
      if (got.done) break;
      quiet = 0;
      items.push(plain(got.value));
      next = reader.read();
    }
  } catch (thrown) {
    ended = 'error';
    error = String(thrown?.message ?? thrown);
  }
  const text = items.map((item) => (item?.type === 'text-delta' ? item.delta : '')).join('');
  return { namespace: namespace ?? 'default', ended, error, text, items };
}
