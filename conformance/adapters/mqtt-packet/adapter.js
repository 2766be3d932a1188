// The parser of mqtt-packet behind lines of JSON: `npm install` here, then
//   mqtt-conformance vectors --adapter 'node adapters/mqtt-packet/adapter.js'
'use strict'
const mqtt = require('mqtt-packet')
const readline = require('readline')

const LEVELS = { 3.1: 3, '3.1.1': 4, '5.0': 5 }
const VERSIONS = { 3: '3.1', 4: '3.1.1', 5: '5.0' }
// Its names where they are not ours in camel case.
const NAMES = {
  maximumQoS: 'maximum_qos',
  wildcardSubscriptionAvailable: 'wildcard_subscription_available',
  subscriptionIdentifiersAvailable: 'subscription_identifier_available',
  subscriptionIdentifier: 'subscription_identifiers'
}

const code = byte => byte === undefined ? null : '0x' + byte.toString(16).padStart(2, '0')
const hex = bytes => Buffer.from(bytes ?? []).toString('hex')
const snake = name => NAMES[name] ?? name.replace(/[A-Z]/g, letter => '_' + letter.toLowerCase())

function properties (given) {
  const out = {}
  for (const [name, value] of Object.entries(given ?? {})) {
    if (name === 'userProperties') {
      out.user_properties = Object.entries(value)
        .flatMap(([key, values]) => [values].flat().map(one => [key, one]))
    } else if (name === 'subscriptionIdentifier') {
      out.subscription_identifiers = [value].flat()
    } else if (Buffer.isBuffer(value)) {
      out[snake(name)] = hex(value)
    } else {
      out[snake(name)] = typeof value === 'boolean' ? Number(value) : value
    }
  }
  return out
}

function shown (p, version) {
  const isFive = version === '5.0'
  const out = { type: p.cmd.toUpperCase() }
  const withProperties = () => { if (isFive) out.properties = properties(p.properties) }
  switch (p.cmd) {
    case 'connect': {
      const own = VERSIONS[p.protocolVersion]
      Object.assign(out, { version: own, clean_start: p.clean, keep_alive: p.keepalive, client_id: p.clientId })
      if (p.will) {
        out.will = { qos: p.will.qos, retain: p.will.retain, topic: p.will.topic, payload: hex(p.will.payload) }
        if (own === '5.0') out.will.properties = properties(p.will.properties)
      }
      if (p.username !== undefined) out.user_name = p.username
      if (p.password !== undefined) out.password = hex(p.password)
      if (own === '5.0') out.properties = properties(p.properties)
      break
    }
    case 'connack':
      out.session_present = p.sessionPresent
      out.reason = code(isFive ? p.reasonCode : p.returnCode)
      withProperties()
      break
    case 'publish':
      Object.assign(out, { dup: p.dup, qos: p.qos, retain: p.retain, topic: p.topic })
      if (p.qos > 0) out.packet_id = p.messageId
      withProperties()
      out.payload = hex(p.payload)
      break
    case 'puback': case 'pubrec': case 'pubrel': case 'pubcomp':
      out.packet_id = p.messageId
      if (isFive) out.reason = code(p.reasonCode)
      withProperties()
      break
    case 'subscribe':
      out.packet_id = p.messageId
      out.subscriptions = p.subscriptions.map(one => isFive
        ? { filter: one.topic, qos: one.qos, no_local: one.nl, retain_as_published: one.rap, retain_handling: one.rh }
        : { filter: one.topic, qos: one.qos })
      withProperties()
      break
    case 'suback':
      out.packet_id = p.messageId
      out.reasons = p.granted.map(code)
      withProperties()
      break
    case 'unsubscribe':
      out.packet_id = p.messageId
      out.filters = p.unsubscriptions
      withProperties()
      break
    case 'unsuback':
      out.packet_id = p.messageId
      if (isFive) out.reasons = p.granted.map(code)
      withProperties()
      break
    case 'disconnect': case 'auth':
      if (isFive) out.reason = code(p.reasonCode)
      withProperties()
      break
  }
  return out
}

// The length of the first packet, its fixed header included.
function size (bytes, remaining) {
  let at = 1
  while (bytes[at] & 0x80) at++
  return at + 1 + remaining
}

function decode (ask) {
  const bytes = Buffer.from(ask.hex, 'hex')
  const parser = mqtt.parser({ protocolVersion: LEVELS[ask.version] })
  let first
  parser.on('packet', packet => { first ??= { packet } })
  parser.on('error', error => { first ??= { error } })
  try {
    parser.parse(bytes)
  } catch (error) {
    first ??= { error }
  }
  if (first === undefined) return { result: 'incomplete' }
  if (first.error) return { result: 'malformed' }
  const packet = first.packet
  if (packet.cmd === 'connect' && packet.protocolVersion === 3 && ask.version !== '3.1') {
    // Which versions are served is said by the code behind the parser.
    return { result: 'protocol-error' }
  }
  const rest = bytes.length - size(bytes, packet.length)
  const answer = { result: 'ok', packet: shown(packet, ask.version) }
  return rest > 0 ? { ...answer, rest } : answer
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', line => {
  let ask = null
  let answer
  try {
    ask = JSON.parse(line)
    const op = ask.op ?? 'decode'
    if (op !== 'decode') answer = { error: `unknown op ${op}` }
    else if (!(ask.version in LEVELS)) answer = { error: `unknown version ${ask.version}` }
    else answer = decode(ask)
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify({ id: ask?.id ?? null, ...answer }) + '\n')
})
