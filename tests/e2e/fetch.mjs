// Node's fetch, as tests.e2e.clients drives it: [[method, url, headers, base64 body, chunked], ...] on standard input,
// [[status, headers, base64 body], ...] on standard output.

import { text } from "node:stream/consumers";

const answers = [];
for (const [method, url, headers, encoded, chunked] of JSON.parse(await text(process.stdin))) {
  const bytes = encoded === null ? undefined : Buffer.from(encoded, "base64");
  const body = chunked ? new Blob([bytes]).stream() : bytes;
  const response = await fetch(url, { method, headers, body, redirect: "manual", duplex: "half" });
  const received = Buffer.from(await response.arrayBuffer());
  answers.push([response.status, [...response.headers], received.toString("base64")]);
}
process.stdout.write(JSON.stringify(answers));
