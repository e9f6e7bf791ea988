"use strict";
// Worlds that do nothing but what a stream's name says, to see what a wrapper changes. FAKE_WORLD chooses one.
// Names: "reject..." and "throw..." fail, "value..." answers at once, "slow..." takes SLOW_MS, others one turn.
const slowness = Number(process.env.SLOW_MS ?? 30);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

class StreamError extends Error {
  constructor(name) {
    super(`Stream write failed: HTTP 409: {"error":"conflict"} (${name})`);
    this.name = "StreamError";
  }
}

// What was really called, with the very arguments, errors and answers, for tests to compare by identity.
const seen = { calls: [], errors: [], answers: [] };

function behave(name, method, args) {
  seen.calls.push({ method, args });
  if (/^(reject|throw)/.test(name)) {
    const error = new StreamError(name);
    seen.errors.push(error);
    if (name.startsWith("throw")) throw error;
    return pause(1).then(() => {
      throw error;
    });
  }
  const answer = { method, name };
  seen.answers.push(answer);
  if (name.startsWith("value")) return answer;
  return pause(name.startsWith("slow") ? slowness : 0).then(() => answer);
}

const flat = () => ({
  specVersion: 3,
  events: { create: async (run, data) => ({ event: { eventId: "evnt_1" }, step: data.step, run: data.run }) },
  writeToStream: (name, ...rest) => behave(name, "writeToStream", [name, ...rest]),
  writeToStreamMulti: (name, ...rest) => behave(name, "writeToStreamMulti", [name, ...rest]),
  closeStream: (name, ...rest) => behave(name, "closeStream", [name, ...rest]),
  listStreamsByRunId: async () => ["a"],
});

// Private fields: a method called with anything else as `this` throws.
class FlatWorld {
  #written = 0;
  own = "own";
  get written() {
    return this.#written;
  }
  set written(value) {
    this.#written = value;
  }
  get events() {
    return { create: async () => ({ written: this.#written }) };
  }
  async writeToStream(name, run, chunk) {
    this.#written += 1;
    return behave(name, "writeToStream", [name, run, chunk]);
  }
  closeStream(name, run) {
    this.#written += 1;
    return behave(name, "closeStream", [name, run]);
  }
  count() {
    return this.#written;
  }
}

const streams = (more = {}) => ({
  specVersion: 7,
  streamFlushIntervalMs: 0,
  events: { create: async () => ({}) },
  streams: {
    write: (run, name, chunk) => behave(name, "write", [run, name, chunk]),
    writeMulti: (run, name, chunks) => behave(name, "writeMulti", [run, name, chunks]),
    close: (run, name) => behave(name, "close", [run, name]),
    list: async () => ["a"],
    ...more,
  },
});

const session = () =>
  streams({
    createWriteSession: (run, name, options) => ({
      options,
      write: (group, chunks) => behave(name, "session.write", [group, chunks]),
      close: () => behave(name, "session.close", []),
      dispose() {
        return this.options.writerId;
      },
    }),
  });

const kinds = {
  flat,
  class: () => new FlatWorld(),
  frozen: () => Object.freeze({ ...flat(), events: Object.freeze(flat().events) }),
  streams,
  session,
};

module.exports = function createWorld() {
  return kinds[process.env.FAKE_WORLD ?? "flat"]();
};
module.exports.seen = seen;
module.exports.FlatWorld = FlatWorld;
