// Loads the packages that package-lock.json names, by version and hash; installs them outside of the working tree first.
'use strict';

const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
const lists = ['package.json', 'package-lock.json'].map((name) => path.join(__dirname, name));
const sha256 = (data) => createHash('sha256').update(data).digest('hex');

// A folder per lock file: other versions do not meet what is there.
const folder = path.join(cache, 'assay', `contracts-${sha256(fs.readFileSync(lists[1])).slice(0, 16)}`);

function install() {
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  // A folder of our own, moved into place whole: an interrupted install leaves nothing that would be found.
  const part = fs.mkdtempSync(`${folder}.`);
  try {
    for (const list of lists) fs.copyFileSync(list, path.join(part, path.basename(list)));
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['ci', ...options], { cwd: part, stdio: ['ignore', 2, 2] });
    fs.renameSync(part, folder);
  } catch (error) {
    fs.rmSync(part, { recursive: true, force: true });
    // Another process may have been faster; the same lock file gives the same packages.
    if (fs.existsSync(folder)) return;
    throw new Error(`packages of contracts/package-lock.json are not in ${folder}, and npm cannot install them: ${error.message}`);
  }
}

// The package `name`.
function load(name) {
  if (!fs.existsSync(folder)) install();
  return createRequire(path.join(folder, 'package.json'))(name);
}

module.exports = { load, sha256 };
