// The same rules in headless Chromium, with the library's bundle for browsers, as a dashboard has it.
//
//   node browser.mjs URL

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
const { chromium } = require('playwright-core');
const library = path.join(path.dirname(require.resolve('mqtt/package.json')), 'dist/mqtt.min.js');
const files = {
  '/': ['text/html', '<!doctype html><title>rules</title><script src="/mqtt.js"></script>'],
  '/mqtt.js': ['text/javascript', fs.readFileSync(library)],
  '/rules.mjs': ['text/javascript', fs.readFileSync(new URL('rules-shared.mjs', import.meta.url))],
};
const server = http.createServer((request, response) => {
  const [type, body] = files[request.url] ?? ['text/plain', ''];
  response.writeHead(200, { 'content-type': type }).end(body);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let failed = 0;
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  for (const protocolVersion of [4, 5]) {
    const results = await page.evaluate(async ([url, protocolVersion]) => {
      const { rules } = await import('/rules.mjs');
      return rules(window.mqtt, url, { protocolVersion });
    }, [process.argv[2], protocolVersion]);
    for (const [name, error] of results) {
      const label = `Chromium, ${protocolVersion === 5 ? '5.0' : '3.1.1'}`;
      console.log(error ? `FAILED  ${label}: ${name}: ${error}` : `ok      ${label}: ${name}`);
      failed += error ? 1 : 0;
    }
  }
} finally {
  await browser.close();
  server.close();
}
process.exit(failed ? 1 : 0);
