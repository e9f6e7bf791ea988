"use strict";
// The way of a chunk through the SDK in small: a TransformStream for each writable that is acquired, whose
// frames a pump hands to the world. 5.x puts another writable in front of it.
const { AsyncLocalStorage } = require("node:async_hooks");

const KEY = Symbol.for("WORKFLOW_STEP_CONTEXT_STORAGE");
const storage = (globalThis[KEY] ??= new AsyncLocalStorage());
const RUN = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z";
const STREAM = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user";

function step(id, body, { attempt = 1, name = `step//./workflows/chat//${id}` } = {}) {
  const context = {
    stepMetadata: { stepId: `step_${id}`, stepName: name, attempt },
    workflowMetadata: { workflowRunId: RUN, workflowName: "workflow//./workflows/chat//chatTurn" },
    ops: [],
  };
  return storage.run(context, body);
}

class ServerWritable extends WritableStream {
  constructor(world, stream) {
    super({
      write: (frame) =>
        world.streams ? world.streams.write(RUN, stream, frame) : world.writeToStream(stream, RUN, frame),
      close: () => (world.streams ? world.streams.close(RUN, stream) : world.closeStream(stream, RUN)),
    });
  }
}

async function pump(source, sink) {
  const reader = source.getReader();
  const writer = sink.getWriter();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return await writer.close();
      await writer.write(value);
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** What getWritable() of 4.x answers, and of 5.x with `front`. */
function getWritable(world, stream = STREAM, { front = false } = {}) {
  const encoder = new TextEncoder();
  const serialize = new TransformStream({
    transform: (chunk, controller) => controller.enqueue(encoder.encode(JSON.stringify(chunk))),
  });
  const flushed = pump(serialize.readable, new ServerWritable(world, stream));
  flushed.catch(() => {});
  storage.getStore()?.ops.push(flushed);
  const writable = front ? inFrontOf(serialize.writable) : serialize.writable;
  Object.defineProperty(writable, Symbol.for("WORKFLOW_STREAM_NAME"), { value: stream });
  return Object.assign(writable, { flushed });
}

function inFrontOf(inner) {
  const writer = inner.getWriter();
  writer.closed.catch(() => {});
  return new WritableStream({
    write: async (chunk) => writer.write(chunk),
    close: () => writer.close(),
  });
}

module.exports = { step, getWritable, storage, RUN, STREAM };
