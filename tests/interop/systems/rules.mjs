// MQTT.js against a broker: what newcomers learn first, over every transport and in both versions.
//
//   node rules.mjs CA_FILE URL...

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { rules } from './rules-shared.mjs';

const mqtt = createRequire(process.cwd() + '/')('mqtt');
const [caFile, ...urls] = process.argv.slice(2);
const ca = fs.readFileSync(caFile);
let failed = 0;
for (const url of urls) {
  for (const protocolVersion of [4, 5]) {
    const label = `MQTT.js, ${new URL(url).protocol}//, ${protocolVersion === 5 ? '5.0' : '3.1.1'}`;
    for (const [name, error] of await rules(mqtt, url, { protocolVersion, ca })) {
      console.log(error ? `FAILED  ${label}: ${name}: ${error}` : `ok      ${label}: ${name}`);
      failed += error ? 1 : 0;
    }
  }
}
process.exit(failed ? 1 : 0);
