//! The adapter as a process: lines out, lines in, each wait with a bound.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::trace::is_interrupted;

/// Of a longer wait, until a signal is noticed.
const SLICE: Duration = Duration::from_millis(100);
/// How much of what the adapter writes to standard error is kept.
const ERRORS: usize = 2048;

pub(super) struct Process {
    child: Child,
    /// To the thread that writes; none when standard input is closed.
    requests: Sender<Vec<u8>>,
    answers: Receiver<Got>,
    errors: Arc<Mutex<Vec<u8>>>,
}

enum Got {
    Line(Vec<u8>),
    TooLong(usize),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Ended,
    TooLong(usize),
    Late,
}

impl Process {
    /// `limit` is that of an answer in bytes.
    pub(super) fn start(command: &str, limit: usize) -> Result<Self, String> {
        let mut shell = shell(command);
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = shell.spawn().map_err(|error| error.to_string())?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the adapter has no pipes".into());
        };
        let (requests, to_write) = channel::<Vec<u8>>();
        thread::spawn(move || {
            for line in to_write {
                if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        let (sender, answers) = sync_channel(4);
        thread::spawn(move || read(BufReader::new(stdout), limit, &sender));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&errors);
        thread::spawn(move || keep(stderr, &kept));
        Ok(Self {
            child,
            requests,
            answers,
            errors,
        })
    }

    /// Does not wait. What cannot be written shows in the answers.
    pub(super) fn send(&self, line: Vec<u8>) {
        let _ = self.requests.send(line);
    }

    pub(super) fn line(&self, deadline: Instant) -> Result<Vec<u8>, Silence> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            return match self.answers.recv_timeout(left.min(SLICE)) {
                Ok(Got::Line(line)) => Ok(line),
                Ok(Got::TooLong(limit)) => Err(Silence::TooLong(limit)),
                Err(RecvTimeoutError::Timeout) if !left.is_zero() && !is_interrupted() => continue,
                Err(RecvTimeoutError::Timeout) => Err(Silence::Late),
                Err(RecvTimeoutError::Disconnected) => Err(Silence::Ended),
            };
        }
    }

    /// How it ended and what it said last, after a short wait for both.
    pub(super) fn last_words(&mut self) -> String {
        let until = Instant::now() + Duration::from_millis(500);
        let mut ended: Option<ExitStatus> = None;
        while ended.is_none() && Instant::now() < until {
            ended = self.child.try_wait().ok().flatten();
            thread::sleep(Duration::from_millis(5));
        }
        let mut words = match ended {
            Some(status) => status.to_string(),
            None => "it is still there".to_owned(),
        };
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&errors);
        if !said.trim().is_empty() {
            words = format!("{words}; it said: {}", said.trim());
        }
        words
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    // A group of its own, so that what the shell starts ends with it.
    shell.arg("-c").arg(command).process_group(0);
    shell
}

fn end(child: &mut Child) {
    let group = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn read(mut stdout: impl BufRead, limit: usize, answers: &SyncSender<Got>) {
    loop {
        let mut line = Vec::new();
        let bound = u64::try_from(limit).unwrap_or(u64::MAX);
        let got = match stdout.by_ref().take(bound).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(read) if read == limit && !line.ends_with(b"\n") => Got::TooLong(limit),
            Ok(_) => Got::Line(line),
        };
        let is_last = matches!(got, Got::TooLong(_));
        if answers.send(got).is_err() || is_last {
            return;
        }
    }
}

/// Reads all, keeps the end.
fn keep(mut stderr: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut piece) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&piece[..read]);
        let surplus = kept.len().saturating_sub(ERRORS);
        kept.drain(..surplus);
    }
}
