'use strict';
// The real Vercel client, set up by hand: only with a `projectConfig` do all versions of it let
// WORKFLOW_VERCEL_BACKEND_URL name another server.
const path = require('node:path');
const { createRequire } = require('node:module');

function createWorld() {
  const vercel = createRequire(path.join(process.cwd(), 'index.js'))('@workflow/world-vercel');
  const projectConfig = { projectId: 'prj_lab', teamId: 'team_lab', environment: 'production' };
  const world = (vercel.createVercelWorld ?? vercel.createWorld)({ token: process.env.LAB_VERCEL_TOKEN, projectConfig });
  // Keys come from a fixed host that is not there in a test: without this method nothing is encrypted.
  world.getEncryptionKeyForRun = undefined;
  return world;
}

module.exports = createWorld;
module.exports.createWorld = createWorld;
module.exports.default = createWorld;
