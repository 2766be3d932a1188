// MQTT.js behind the client protocol of `mqtt-conformance`: `npm install` here, then
//   mqtt-conformance client --exec 'node clients/mqttjs/client.js'
'use strict'
const mqtt = require('mqtt')
const readline = require('readline')

const isFive = process.env.MQTT_VERSION === '5.0'
const given = JSON.parse(process.env.MQTT_GIVEN)
// Its names where they are not ours in camel case, and what is bytes or true or false.
const NAMES = { subscription_identifiers: 'subscriptionIdentifier' }
const BINARY = ['authentication_data', 'correlation_data']
const BOOLEAN = ['request_problem_information', 'request_response_information', 'payload_format_indicator']

const tell = line => process.stdout.write(JSON.stringify(line) + '\n')
const log = error => process.stderr.write(`${error}\n`)
const unsupported = reason => tell({ unsupported: reason })
const delivered = (topic, payload) => tell({ delivered: { topic, payload: payload.toString('hex') } })
const bytes = hex => Buffer.from(hex ?? '', 'hex')
const camel = name => NAMES[name] ?? name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())

function properties (named) {
  if (!isFive || !named) return undefined
  const out = {}
  for (const [name, value] of Object.entries(named)) {
    if (name === 'user_properties') {
      // An object is all that it takes, with the values of a name in a list.
      out.userProperties = {}
      for (const [key, one] of value) (out.userProperties[key] ??= []).push(one)
    } else if (name === 'subscription_identifiers') {
      out[camel(name)] = value.length === 1 ? value[0] : value
    } else if (BINARY.includes(name)) {
      out[camel(name)] = bytes(value)
    } else {
      out[camel(name)] = BOOLEAN.includes(name) ? value === 1 : value
    }
  }
  return out
}

let client = null
let madeOf = null
// What is kept of a session, for a client that is made anew and goes on with it.
let stores = null

// How to acknowledge each message that waits for it.
const waiting = new Map()

function connect (packet) {
  if (given.manual_ack && !isFive) return unsupported('no acknowledgement by hand before 5.0')
  if (packet.password !== undefined && packet.user_name === undefined) return unsupported('no password without a user name')
  const asked = JSON.stringify(packet)
  if (client !== null && !client.connected && asked === madeOf) {
    // The same again: it goes on with what it has, as when it reconnects by itself.
    client.connect()
    return
  }
  const clean = packet.clean_start ?? true
  if (clean || stores === null) {
    stores = { incomingStore: new mqtt.Store({ clean: false }), outgoingStore: new mqtt.Store({ clean: false }) }
  }
  const options = {
    ...stores,
    protocol: 'mqtt',
    host: process.env.MQTT_HOST,
    port: Number(process.env.MQTT_PORT),
    reconnectPeriod: 0,
    protocolVersion: isFive ? 5 : 4,
    clean,
    clientId: packet.client_id ?? 'trace',
    keepalive: packet.keep_alive ?? 0,
    properties: properties(packet.properties),
    autoAssignTopicAlias: 'topic_aliases' in given
  }
  if (packet.user_name !== undefined) options.username = packet.user_name
  if (packet.password !== undefined) options.password = bytes(packet.password)
  if (packet.will) {
    options.will = { ...packet.will, payload: bytes(packet.will.payload), properties: properties(packet.will.properties) }
  }
  if (given.manual_ack) {
    // Its application has the message then.
    options.customHandleAcks = (topic, payload, message, done) => {
      delivered(topic, payload)
      waiting.set(message.messageId, code => done(null, code))
    }
  }
  client = mqtt.connect(options)
  madeOf = asked
  if (!given.manual_ack) client.on('message', delivered)
  client.on('error', log)
  const answers = [...given.auth?.answers ?? []]
  if (given.auth) {
    client.handleAuth = (auth, done) => {
      if (auth.reasonCode !== 0x18) return done()
      const own = { authenticationMethod: given.auth.method, authenticationData: bytes(answers.shift()) }
      done(null, { cmd: 'auth', reasonCode: 0x18, properties: own })
    }
  }
}

function act (packet) {
  const more = properties(packet.properties)
  const code = parseInt(packet.reason ?? '0x00', 16)
  switch (packet.type) {
    case 'CONNECT':
      return connect(packet)
    case 'PUBLISH': {
      const { qos = 0, retain = false } = packet
      return client.publish(packet.topic, bytes(packet.payload), { qos, retain, properties: more }, error => error && log(error))
    }
    case 'SUBSCRIBE': {
      const filters = Object.fromEntries(packet.subscriptions.map(one => [one.filter, {
        qos: one.qos, nl: one.no_local ?? false, rap: one.retain_as_published ?? false, rh: one.retain_handling ?? 0
      }]))
      return client.subscribe(filters, { properties: more }, error => error && log(error))
    }
    case 'UNSUBSCRIBE':
      return client.unsubscribe(packet.filters, { properties: more }, error => error && log(error))
    case 'PUBACK': case 'PUBREC': {
      const acknowledge = waiting.get(packet.packet_id)
      if (!acknowledge) return unsupported('a message comes when those before it are acknowledged')
      waiting.delete(packet.packet_id)
      return acknowledge(code)
    }
    case 'DISCONNECT':
      // With `force` it would leave without a DISCONNECT.
      if (Object.keys(client.outgoing).length > 0) return unsupported('no DISCONNECT while something is in flight')
      return isFive ? client.end(false, { reasonCode: code, properties: more }) : client.end()
    default:
      return unsupported(`no ${packet.type} that the application asks for`)
  }
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
  // What has come from the server is read first.
  .on('line', line => setImmediate(() => {
    try {
      act(JSON.parse(line).do)
    } catch (error) {
      log(error) // it does not send this
    }
  }))
  .on('close', () => process.exit())
