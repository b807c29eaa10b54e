#!/usr/bin/env node
// Writes the trees that the npm package @openzeppelin/merkle-tree makes, as the reference of tests/merkle_distributor.rs:
//
//   contracts/golden.mjs FOLDER
//
// One file per tree: its dump, its root, and the proof of each claim by index. The same bytes each time.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import tools from './tools.cjs';

const { StandardMerkleTree } = tools.load('@openzeppelin/merkle-tree');
const { keccak256 } = tools.load('ethereum-cryptography/keccak');

const ENCODING = ['uint256', 'address', 'uint256', 'bytes32', 'uint256', 'address'];
const LARGEST = 2n ** 127n - 1n;
const hash = (text) => createHash('sha256').update(text).digest('hex');

// A made-up address with its ERC-55 checksum.
function address(name) {
  const digits = hash(name).slice(0, 40);
  const nibbles = Buffer.from(keccak256(Buffer.from(digits))).toString('hex');
  return `0x${[...digits].map((digit, i) => (nibbles[i] >= '8' ? digit.toUpperCase() : digit)).join('')}`;
}

// Amounts of all sizes whose sum is at most 2^127 - 1; the first is as large as that leaves room for.
function amounts(count) {
  const amount = (i) => (BigInt(`0x${hash(`amount ${count} ${i}`)}`) >> BigInt(139 + (((i - 1) * 7) % 116))) + 1n;
  const rest = Array.from({ length: count - 1 }, (_, i) => amount(i + 1));
  return [rest.reduce((left, amount) => left - amount, LARGEST), ...rest];
}

const folder = process.argv[2];
if (folder === undefined) throw new Error('expected the folder to write to');
fs.mkdirSync(folder, { recursive: true });
const chains = { 1: 1n, 2: 137n, 7: 8453n, 64: 10n, 100: 2n ** 64n - 1n };
for (const [leaves, chain] of Object.entries(chains)) {
  const count = Number(leaves);
  const drop = [`0x${hash(`period ${count}`)}`, String(chain), address(`distributor ${count}`)];
  const values = amounts(count).map((amount, i) => [String(i), address(`account ${count} ${i}`), String(amount), ...drop]);
  const tree = StandardMerkleTree.of(values, ENCODING);
  tree.validate();
  const proofs = values.map((_, i) => tree.getProof(i));
  const text = JSON.stringify({ dump: tree.dump(), root: tree.root, proofs });
  fs.writeFileSync(path.join(folder, `merkle_distributor_${count}.json`), `${text}\n`);
}
