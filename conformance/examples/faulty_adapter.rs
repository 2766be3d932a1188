//! The crate's adapter with a fault, for the tests of the runner: `faulty_adapter FAULT [TEXT]`. The fault shows at each
//! question that has the text in it, and without a text at each.

#[path = "../../examples/adapter.rs"]
#[allow(dead_code)]
mod adapter;

use std::io::{self, BufRead, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let fault = arguments.next().unwrap_or_default();
    let text = arguments.next().unwrap_or_default();
    let mut out = io::stdout().lock();
    let mut held: Option<Value> = None;
    if fault == "ends" {
        eprintln!("nothing to do");
        return Ok(());
    }
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut next = None;
    while let Some(line) = next.take().or_else(|| lines.recv().ok()) {
        let mut line = line?;
        if fault == "swaps"
            && let Ok(later) = lines.recv_timeout(Duration::from_millis(20))
        {
            next = Some(Ok(std::mem::replace(&mut line, later?)));
        }
        let mut answer = Vec::new();
        adapter::serve(1 << 24, &mut line.as_bytes(), &mut answer)?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        let question: Value = serde_json::from_str(&line)?;
        if line.contains(&text) {
            match &fault[..] {
                "dies" => std::process::exit(7),
                "hangs" => thread::sleep(Duration::from_secs(3600)),
                "garbage" => {
                    writeln!(out, "not JSON")?;
                    out.flush()?;
                    continue;
                }
                "other-id" => answer["id"] = json!("another"),
                "floods" => loop {
                    out.write_all(&[b'x'; 4096])?;
                },
                // Says nothing until two are there.
                "unordered" if held.is_none() && question["hex"] != "c000" => {
                    held = Some(answer);
                    continue;
                }
                "wrong" => {
                    answer = json!({"id": answer["id"], "result": "incomplete"});
                }
                "other-word" => {
                    answer["result"] = match answer["result"].as_str() {
                        Some("malformed") => "protocol-error".into(),
                        Some("protocol-error") => "malformed".into(),
                        _ => answer["result"].take(),
                    };
                }
                "other-code" if answer["reason"].is_string() => answer["reason"] = "0x97".into(),
                "other-statement" if answer["statement"].is_string() => {
                    answer["statement"] = "MQTT-9.9.9-9".into();
                }
                "other-rest" => answer["rest"] = 1.into(),
                "error" => answer = json!({"id": answer["id"], "error": "something is wrong"}),
                "unsupported" => {
                    answer = json!({"id": answer["id"], "error": "unsupported: this packet"});
                }
                "decodes-only" if question["op"] != "decode" => {
                    answer = json!({"id": answer["id"], "error": "what is that?"});
                }
                _ => {}
            }
        }
        writeln!(out, "{answer}")?;
        if let Some(held) = held.take() {
            writeln!(out, "{held}")?;
        }
        out.flush()?;
    }
    Ok(())
}
