//! What the broker counts, in the text format of Prometheus.

use std::sync::mpsc;

use sansio_mqtt::Counters;

use crate::serve::{Mail, MailBox};

pub(crate) fn text(counters: &Counters, connections: u64) -> String {
    let rows = [
        ("connections", "gauge", counters.connections as u64),
        ("clients_connected", "gauge", counters.connected as u64),
        ("sessions", "gauge", counters.sessions as u64),
        ("subscriptions", "gauge", counters.subscriptions as u64),
        (
            "retained_messages",
            "gauge",
            counters.retained_messages as u64,
        ),
        ("retained_bytes", "gauge", counters.retained_bytes as u64),
        ("connections_total", "counter", connections),
        ("received_bytes_total", "counter", counters.bytes_received),
        ("sent_bytes_total", "counter", counters.bytes_sent),
        (
            "messages_received_total",
            "counter",
            counters.messages_received,
        ),
        ("messages_queued_total", "counter", counters.messages_queued),
        (
            "messages_dropped_total",
            "counter",
            counters.messages_dropped,
        ),
        (
            "messages_not_retained_total",
            "counter",
            counters.messages_not_retained,
        ),
    ];
    let row = |(name, kind, value)| {
        format!("# TYPE mqtt_broker_{name} {kind}\nmqtt_broker_{name} {value}\n")
    };
    rows.map(row).concat()
}

pub(crate) fn serve(http: &tiny_http::Server, mailbox: &MailBox) {
    for request in http.incoming_requests() {
        let (reply, metrics) = mpsc::channel();
        mailbox.send(Mail::Metrics(reply));
        if let Ok(text) = metrics.recv() {
            let _ = request.respond(tiny_http::Response::from_string(text));
        }
    }
}
