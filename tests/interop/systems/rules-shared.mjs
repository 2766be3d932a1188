// Also runs in a browser, so it needs nothing but the library that it is given.

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Returns [name, error or null] for each rule. */
export async function rules(mqtt, url, options) {
  const clients = [];
  const prefix = `rules/${Math.random().toString(16).slice(2)}`;
  const connect = async (more = {}) => {
    const client = mqtt.connect(url, {
      clientId: `js-${Math.random().toString(16).slice(2)}`,
      reconnectPeriod: 0,
      connectTimeout: 5000,
      ...options,
      ...more,
    });
    client.received = [];
    client.on('message', (topic, payload, packet) => {
      client.received.push([topic.slice(prefix.length + 1), payload.toString(), packet.qos, packet.retain]);
    });
    clients.push(client);
    await new Promise((done, fail) => {
      client.once('connect', done);
      client.once('error', fail);
      client.once('close', () => fail(new Error('closed')));
    });
    return client;
  };
  const subscribe = (client, filter, more = {}) =>
    client.subscribeAsync(`${prefix}/${filter}`, { qos: 2, ...more });
  const publish = (client, topic, payload, more = {}) =>
    client.publishAsync(`${prefix}/${topic}`, payload, { qos: 2, ...more });
  const expect = async (client, wanted) => {
    for (let i = 0; i < 100 && client.received.length < wanted.length; i++) await wait(20);
    // What should not come would be here by now: all of it is behind what has come.
    await wait(50);
    const seen = JSON.stringify(client.received);
    if (seen !== JSON.stringify(wanted)) throw new Error(`${seen} instead of ${JSON.stringify(wanted)}`);
    client.received.length = 0;
  };

  const all = {
    '+ is one level': async () => {
      const [a, b] = [await connect(), await connect()];
      await subscribe(a, 'home/+/light');
      for (const topic of ['home/a/light', 'home/light', 'home/a/b/light', 'home/b/light']) await publish(b, topic, 'x');
      await expect(a, [['home/a/light', 'x', 2, false], ['home/b/light', 'x', 2, false]]);
    },
    '# is the rest': async () => {
      const [a, b] = [await connect(), await connect()];
      await subscribe(a, 'all/#');
      for (const topic of ['all', 'all/a', 'all/a/b/c', 'other']) await publish(b, topic, 'x');
      await expect(a, ['all', 'all/a', 'all/a/b/c'].map((topic) => [topic, 'x', 2, false]));
    },
    'the lower QoS of both': async () => {
      const b = await connect();
      const wanted = [];
      for (const granted of [0, 1, 2]) {
        const a = await connect();
        await subscribe(a, `qos${granted}`, { qos: granted });
        for (const qos of [0, 1, 2]) await publish(b, `qos${granted}`, `${qos}`, { qos });
        await expect(a, [0, 1, 2].map((qos) => [`qos${granted}`, `${qos}`, Math.min(qos, granted), false]));
      }
    },
    'retained for late subscribers': async () => {
      const b = await connect();
      await publish(b, 'kept', 'old', { retain: true });
      await publish(b, 'kept', 'new', { retain: true });
      await publish(b, 'kept/not', 'x');
      const a = await connect();
      await subscribe(a, 'kept/#');
      await expect(a, [['kept', 'new', 2, true]]);
      await publish(b, 'kept', '', { retain: true });
      await expect(a, [['kept', '', 2, false]]);
      const c = await connect();
      await subscribe(c, 'kept/#');
      await expect(c, []);
    },
    'a session waits': async () => {
      const clientId = `js-${Math.random().toString(16).slice(2)}`;
      const lasting = { clientId, clean: false, properties: { sessionExpiryInterval: 60 } };
      if (options.protocolVersion !== 5) delete lasting.properties;
      const [a, b] = [await connect(lasting), await connect()];
      await subscribe(a, 'away', { qos: 1 });
      await a.endAsync();
      for (const n of [1, 2, 3]) await publish(b, 'away', `${n}`, { qos: 1 });
      const again = await connect(lasting);
      await expect(again, [1, 2, 3].map((n) => ['away', `${n}`, 1, false]));
    },
    'a will': async () => {
      const a = await connect();
      await subscribe(a, 'will');
      const b = await connect({ will: { topic: `${prefix}/will`, payload: 'gone', qos: 1, retain: false } });
      b.stream.destroy();
      await expect(a, [['will', 'gone', 1, false]]);
    },
    'large payloads': async () => {
      const [a, b] = [await connect(), await connect()];
      await subscribe(a, 'large');
      const text = 'abcdefgh'.repeat(32 * 1024);
      await publish(b, 'large', text, { qos: 1 });
      for (let i = 0; i < 100 && a.received.length < 1; i++) await wait(20);
      if (a.received[0]?.[1] !== text) throw new Error('another payload');
    },
  };
  if (options.protocolVersion === 5) {
    all['properties, and a shared subscription'] = async () => {
      const [a, b, c] = [await connect(), await connect(), await connect()];
      const packets = [];
      a.on('message', (topic, payload, packet) => packets.push(packet.properties));
      await subscribe(a, 'properties', { properties: { subscriptionIdentifier: 7 } });
      await publish(b, 'properties', 'x', {
        properties: { userProperties: { a: 'b' }, contentType: 'text/plain', responseTopic: 'r', messageExpiryInterval: 60 },
      });
      await expect(a, [['properties', 'x', 2, false]]);
      const { userProperties, contentType, responseTopic, subscriptionIdentifier } = packets[0];
      const seen = JSON.stringify([userProperties.a, contentType, responseTopic, subscriptionIdentifier]);
      if (seen !== '["b","text/plain","r",7]') throw new Error(seen);
      for (const one of [b, c]) await one.subscribeAsync(`$share/group/${prefix}/shared`, { qos: 1 });
      for (let n = 0; n < 10; n++) await publish(a, 'shared', `${n}`, { qos: 1 });
      for (let i = 0; i < 100 && b.received.length + c.received.length < 10; i++) await wait(20);
      const got = [...b.received, ...c.received].map((one) => one[1]).sort().join('');
      if (got !== '0123456789') throw new Error(`shared: ${got}`);
    };
  }

  const results = [];
  for (const [name, rule] of Object.entries(all)) {
    const limit = wait(15000).then(() => { throw new Error('15 s have passed'); });
    const result = await Promise.race([rule(), limit]).then(() => null, (error) => String(error));
    results.push([name, result]);
    for (const client of clients.splice(0)) client.end(true);
  }
  return results;
}
