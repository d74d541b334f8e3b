// BullMQ on Node: the same commands as driver.py, one worker process.
//
// The client is ioredis, BullMQ's own default; attempts, backoff and retention are the
// specification's. addBulk takes a thousand jobs a call. Node cannot map the ledger into memory,
// so the worker keeps it in arrays and writes it out when all jobs have run and when it stops;
// for `ping`, where each start is awaited, it writes each through.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const require = createRequire(path.join(process.env.BENCH_NODE, 'package.json'));
const { Queue, Worker } = require('bullmq');

const CHUNK = 1000;
const WARM_UP = 200;
const FILL = 10_000;
const SLEEP_MS = 50;
const NAMES = { noop: 'bench.noop.v1', sleep: 'bench.sleep.v1' };
const OPTIONS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 2000 },
  removeOnComplete: { count: 100 },
  removeOnFail: { count: 50 },
};
const url = new URL(process.env.BENCH_REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };

function job(index) {
  const number = String(index).padStart(8, '0');
  return {
    txId: `tx-${number}`,
    amount: '1249.90',
    currency: 'EUR',
    paymentMethod: 'credit_card',
    merchantId: 'merchant-0456',
    metadata: {
      correlationId: `settlement-${number}`,
      user: {
        sub: '6f1c0a52-93d7-4be2-a9de-1f5f5d0c7d11',
        tenant: 'org-north',
        roles: ['customer', 'premium'],
        displayName: 'Ada Example',
        email: 'ada@example.com',
      },
      source: 'transaction-service',
      timestamp: '2026-01-01T12:00:00.000001Z',
      businessContext: { transactionType: 'payment', riskLevel: 'low' },
    },
  };
}

class Ledger {
  constructor() {
    this.jobs = Number(process.env.BENCH_JOBS);
    this.file = fs.openSync(process.env.BENCH_LEDGER, 'r+');
    this.bytes = Buffer.alloc(17 * this.jobs);
    this.starts = new BigUint64Array(this.bytes.buffer, this.bytes.byteOffset, this.jobs);
    this.ends = new BigUint64Array(this.bytes.buffer, this.bytes.byteOffset + 8 * this.jobs, this.jobs);
    this.runs = new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + 16 * this.jobs, this.jobs);
    this.ran = 0;
    this.through = process.env.BENCH_WRITE_THROUGH === '1';
  }
  start(index) {
    this.starts[index] = process.hrtime.bigint();
  }
  end(index) {
    this.ends[index] = process.hrtime.bigint();
    this.runs[index] += 1;
    this.ran += 1;
    if (this.through) this.write(index);
    else if (this.ran === this.jobs) this.flush();
  }
  write(index) {
    const { file, bytes, jobs } = this;
    fs.writeSync(file, bytes, 8 * index, 8, 8 * index);
    fs.writeSync(file, bytes, 8 * (jobs + index), 8, 8 * (jobs + index));
    fs.writeSync(file, bytes, 16 * jobs + index, 1, 16 * jobs + index);
  }
  flush() {
    fs.writeSync(this.file, this.bytes, 0, this.bytes.length, 0);
  }
}

function contents(low, high) {
  return Array.from({ length: high - low }, (_, at) => job(low + at));
}

async function addEach(queue, kind, contents) {
  for (const content of contents) await queue.add(NAMES[kind], content, OPTIONS);
}

async function addBulk(queue, kind, contents) {
  for (let low = 0; low < contents.length; low += CHUNK) {
    const chunk = contents.slice(low, low + CHUNK);
    await queue.addBulk(chunk.map((data) => ({ name: NAMES[kind], data, opts: OPTIONS })));
  }
}

async function timed(queue, add, jobs) {
  await add(queue, 'noop', contents(0, WARM_UP));
  const all = contents(WARM_UP, WARM_UP + jobs);
  const began = process.hrtime.bigint();
  await add(queue, 'noop', all);
  return { jobs, seconds: Number(process.hrtime.bigint() - began) / 1e9 };
}

async function fill(queue, kind, low, high) {
  for (let start = low; start < high; start += FILL) {
    await addBulk(queue, kind, contents(start, Math.min(start + FILL, high)));
  }
  return {};
}

async function ping(queue, jobs) {
  const file = fs.openSync(process.env.BENCH_LEDGER, 'r');
  const run = Buffer.alloc(1);
  const sent = [];
  for (let index = 0; index < jobs; index += 1) {
    await pause(5 + Math.random() * 10);
    const content = job(index);
    sent.push(Number(process.hrtime.bigint()));
    await queue.add(NAMES.noop, content, OPTIONS);
    const deadline = Date.now() + 30_000;
    for (run[0] = 0; run[0] === 0; fs.readSync(file, run, 0, 1, 16 * jobs + index)) {
      if (Date.now() > deadline) throw new Error(`job ${index} did not start within 30 seconds`);
      await pause(1);
    }
  }
  return { jobs, sent };
}

async function work(concurrency) {
  const ledger = new Ledger();
  const run = async (queued) => {
    const index = Number(queued.data.txId.slice(3));
    ledger.start(index);
    if (queued.name === NAMES.sleep) await pause(SLEEP_MS);
    ledger.end(index);
  };
  const worker = new Worker('bench', run, { connection, concurrency });
  worker.on('error', (error) => console.error(error));
  await new Promise((resolve) => process.once('SIGTERM', resolve));
  await worker.close();
  ledger.flush();
}

async function main(command, ...words) {
  if (command === 'work') return work(Number(words[0]));
  const queue = new Queue('bench', { connection });
  const jobs = Number(words.at(-1));
  let figures;
  if (command === 'add') {
    figures = await timed(queue, addEach, jobs);
  } else if (command === 'bulk') {
    figures = await timed(queue, addBulk, jobs);
  } else if (command === 'fill') {
    figures = await fill(queue, words[0], Number(words[1]), jobs);
  } else if (command === 'ping') {
    figures = await ping(queue, jobs);
  } else {
    throw new Error(`There is no command ${command}.`);
  }
  console.log(JSON.stringify(figures));
  await queue.close();
}

await main(...process.argv.slice(2));
