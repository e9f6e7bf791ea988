"use strict";
// The world under test as the SDK would load it: BARE=1 without the probe, else through it.
const path = require("node:path");

const probe = path.resolve(__dirname, "../../../static/probe/tailrace-probe.cjs");
process.env.TAILRACE_WORLD ??= path.join(__dirname, "worlds.cjs");
exports.probe = probe;
exports.load = () => require(process.env.BARE === "1" ? process.env.TAILRACE_WORLD : probe)();
exports.pause = (ms) => new Promise((done) => setTimeout(done, ms));
exports.print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
