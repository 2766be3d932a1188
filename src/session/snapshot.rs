//! A session as bytes: a header, the records that rebuild it, and the changes that came after.

use alloc::vec::Vec;

use super::record::{self, Bytes, Framed, MAXIMUM_HANDLE, Record, Stored};
use super::{Change, DropReason, Dropped, Entry, PublishHandle, Queued, Session, Standing, State};
use crate::types::{PacketId, QoS};

const MAGIC: &[u8; 4] = b"MQTS";
const VERSION: u8 = 1;

/// Bytes that are no stored session.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("stored session, byte {offset}: {kind}")]
pub struct SnapshotError {
    /// Where the record begins that is wrong or cut: everything before it is whole. 0 where the snapshot itself is cut.
    pub offset: usize,
    /// What is wrong.
    pub kind: SnapshotErrorKind,
}

/// What is wrong with a stored session.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SnapshotErrorKind {
    /// It does not begin as a snapshot does.
    #[error("no snapshot of a session")]
    NotASnapshot,
    /// Its format is of a version that is not known here.
    #[error("format of version {0}")]
    Version(u8),
    /// The bytes end before the snapshot or the record does.
    #[error("cut short")]
    Truncated,
    /// A record or the header cannot be read, or has a value that does not exist.
    #[error("malformed record")]
    Malformed,
    /// A record does not fit what stands before it, such as an answer to a message that was not sent.
    #[error("record that does not follow from those before")]
    Inconsistent,
}

use SnapshotErrorKind::{Inconsistent, Malformed, NotASnapshot, Truncated, Version};

impl Session {
    /// Appends a snapshot to `out`: all of the session, as it would come out of its connection now.
    ///
    /// Records that [`poll_change`](Self::poll_change) has still to give are in it already: take them first, and append
    /// to the snapshot only those that come later. See [the format](Self#format).
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        self.snapshot_of(out, QoS::AtMostOnce);
    }

    /// The same without messages of a lower QoS that wait, and without what is to be reported if there is such a QoS.
    pub(crate) fn snapshot_of(&self, out: &mut Vec<u8>, lowest: QoS) {
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        let length_at = out.len();
        out.extend_from_slice(&[0; 8]);
        let start = out.len();
        out.push(record::standing(
            self.restart.established,
            self.restart.ended,
        ));
        out.extend_from_slice(&self.in_flight.next().to_be_bytes());
        out.extend_from_slice(&self.next_handle.to_be_bytes());
        let mut in_flight: Vec<&Entry> = self.in_flight.iter().collect();
        in_flight.sort_unstable_by_key(|entry| entry.handle);
        for entry in in_flight {
            let record = match &entry.state {
                State::Publish { message, since } => {
                    Record::InFlight(entry.handle, entry.id, since.as_millis(), message)
                }
                State::Release => Record::Release(entry.handle, entry.id, entry.reported),
                // They end with their connection.
                State::Subscribe(_) | State::Unsubscribe(_) => continue,
            };
            record::write(out, &record);
        }
        let all = self.queue.iter();
        for queued in all.filter(|queued| queued.message.qos() >= lowest) {
            let since = queued.since.as_millis();
            let record = Record::Queued(queued.handle, since, &queued.message);
            record::write(out, &record);
        }
        let all = self.dropped.iter();
        for dropped in all.filter(|_| lowest == QoS::AtMostOnce) {
            record::write(out, &Record::Unreported(dropped));
        }
        let received: Vec<u16> = self.received.iter().collect();
        if !received.is_empty() {
            record::write(out, &Record::AllReceived(&received));
        }
        let length = (out.len() - start) as u64;
        if let Some(place) = out.get_mut(length_at..start) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// The session of a snapshot and the changes behind it.
    ///
    /// The memory that it takes is in proportion to the bytes.
    ///
    /// # Errors
    ///
    /// The bytes are no snapshot with changes of this session behind it. A log whose last record was not written to its
    /// end gives [`Truncated`](SnapshotErrorKind::Truncated): cut it off at [`offset`](SnapshotError::offset), if that is
    /// not 0, and restore the rest. Whether bytes were altered is for the store to know; there is no checksum.
    ///
    /// ```
    /// use sansio_mqtt::{Session, SnapshotErrorKind};
    ///
    /// let mut bytes = Vec::new();
    /// Session::established().snapshot(&mut bytes);
    /// assert!(Session::restore(&bytes)?.is_established());
    /// let error = Session::restore(&bytes[..7]).unwrap_err();
    /// assert_eq!((error.offset, error.kind), (0, SnapshotErrorKind::Truncated));
    /// # Ok::<(), sansio_mqtt::SnapshotError>(())
    /// ```
    pub fn restore(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut rest = Bytes(bytes);
        let body = snapshot_body(&mut rest).map_err(|kind| SnapshotError { offset: 0, kind })?;
        let length = bytes.len() - rest.0.len();
        let mut session = Self::from_snapshot(body).map_err(|mut error| {
            error.offset += length - body.len();
            error
        })?;
        while !rest.0.is_empty() {
            let offset = bytes.len() - rest.0.len();
            let applied = match rest.framed() {
                Framed::Truncated => Err(Truncated),
                Framed::Malformed => Err(Malformed),
                Framed::Whole(body) => match body.record() {
                    Some(Stored::Change(change)) => session.apply(change),
                    _ => Err(Malformed),
                },
            };
            applied.map_err(|kind| SnapshotError { offset, kind })?;
        }
        Ok(session)
    }

    fn from_snapshot(body: &[u8]) -> Result<Self, SnapshotError> {
        let mut rest = Bytes(body);
        let fail = |offset, kind| SnapshotError { offset, kind };
        let header = rest.u8().and_then(record::standing_of);
        let (Some(standing), Some(next_id), Some(next_handle)) =
            (header, rest.array(), rest.array())
        else {
            return Err(fail(0, Malformed));
        };
        let mut parts = Parts::new(u64::from_be_bytes(next_handle));
        while !rest.0.is_empty() {
            let offset = body.len() - rest.0.len();
            let Framed::Whole(record) = rest.framed() else {
                return Err(fail(offset, Malformed));
            };
            let added = match record.record() {
                Some(Stored::InFlight(entry)) => parts.in_flight(entry),
                Some(Stored::Change(Change::Queued {
                    handle,
                    message,
                    since,
                })) => parts.queued(Queued {
                    handle: handle.0,
                    message,
                    since,
                }),
                Some(Stored::Unreported(dropped)) => parts.unreported(dropped),
                Some(Stored::AllReceived(ids)) => parts.received(&ids),
                _ => Err(Malformed),
            };
            added.map_err(|kind| fail(offset, kind))?;
        }
        let (established, ended) = standing;
        parts
            .finish(established, ended, u16::from_be_bytes(next_id))
            .map_err(|kind| fail(0, kind))
    }

    /// Does what `change` says happened: for a store that keeps sessions rather than logs.
    ///
    /// # Errors
    ///
    /// It does not follow from what is in the session: it is of another one, is applied twice or out of order. Nothing
    /// is changed.
    pub fn apply(&mut self, change: Change) -> Result<(), SnapshotErrorKind> {
        match change {
            Change::Queued {
                handle,
                message,
                since,
            } => {
                if !(self.next_handle + 1..=MAXIMUM_HANDLE).contains(&handle.0) {
                    return Err(Inconsistent);
                }
                self.next_handle = handle.0;
                self.queue.push(Queued {
                    handle: handle.0,
                    message,
                    since,
                });
            }
            Change::Sent { handle, packet_id } => return self.apply_sent(handle, packet_id),
            Change::Released { packet_id } => match self.in_flight.get(packet_id) {
                Some(entry) if entry.is_publish(QoS::ExactlyOnce) => {
                    self.in_flight.release(packet_id);
                }
                _ => return Err(Inconsistent),
            },
            Change::Settled { packet_id } => {
                self.in_flight.settle(packet_id).ok_or(Inconsistent)?;
            }
            Change::Dropped {
                handle,
                packet_id: None,
                reason,
            } => {
                let queued = self.queue.remove(handle.0).ok_or(Inconsistent)?;
                self.dropped.push_queued(queued, reason);
            }
            Change::Dropped {
                handle,
                packet_id: Some(id),
                reason,
            } => {
                self.check_in_flight(id, handle)?;
                // Only what waits makes room.
                if reason == DropReason::QueueFull {
                    return Err(Inconsistent);
                }
                let message = self.take_back(handle, Some(id));
                self.dropped.push(handle.0, message, reason);
            }
            Change::Discarded { handle, packet_id } => {
                if let Some(id) = packet_id {
                    self.check_in_flight(id, handle)?;
                }
                self.take_back(handle, packet_id).ok_or(Inconsistent)?;
            }
            Change::Reported { handle } => {
                let oldest = self.dropped.iter().next().map(|dropped| dropped.handle);
                if oldest != Some(handle) {
                    return Err(Inconsistent);
                }
                self.dropped.pop();
            }
            Change::Received { packet_id } => {
                if !self.received.insert(packet_id) {
                    return Err(Inconsistent);
                }
            }
            Change::Forgotten { packet_id } => {
                if !self.received.remove(packet_id) {
                    return Err(Inconsistent);
                }
            }
            Change::Begun => {
                self.lose();
                self.restart = Standing {
                    established: true,
                    ended: false,
                };
                self.take_standing();
            }
            Change::Standing { established, ended } => {
                self.restart = Standing { established, ended };
                self.take_standing();
            }
        }
        Ok(())
    }

    /// Whether it is a message that was sent and not answered.
    fn check_in_flight(
        &self,
        id: PacketId,
        handle: PublishHandle,
    ) -> Result<(), SnapshotErrorKind> {
        let entry = self.in_flight.get(id).ok_or(Inconsistent)?;
        match &entry.state {
            State::Publish { .. } if entry.handle == handle.0 => Ok(()),
            _ => Err(Inconsistent),
        }
    }

    fn apply_sent(
        &mut self,
        handle: PublishHandle,
        packet_id: Option<PacketId>,
    ) -> Result<(), SnapshotErrorKind> {
        let front = self
            .queue
            .front()
            .filter(|queued| queued.handle == handle.0);
        let qos = front.ok_or(Inconsistent)?.message.qos();
        if packet_id.is_none() != (qos == QoS::AtMostOnce)
            || packet_id.is_some_and(|id| self.in_flight.get(id).is_some())
        {
            return Err(Inconsistent);
        }
        let queued = self.queue.pop();
        if let (Some(id), Some(queued)) = (packet_id, queued) {
            self.in_flight.restore(Entry {
                id,
                counted: false,
                reported: false,
                handle: queued.handle,
                state: State::Publish {
                    message: queued.message,
                    since: queued.since,
                },
            });
        }
        Ok(())
    }
}

/// The parts of a snapshot behind its length.
fn snapshot_body<'a>(rest: &mut Bytes<'a>) -> Result<&'a [u8], SnapshotErrorKind> {
    let magic: Option<[u8; 4]> = rest.array();
    match magic {
        None if MAGIC.starts_with(rest.0) => return Err(Truncated),
        Some(magic) if magic == *MAGIC => {}
        _ => return Err(NotASnapshot),
    }
    match rest.u8().ok_or(Truncated)? {
        VERSION => {}
        other => return Err(Version(other)),
    }
    let length = u64::from_be_bytes(rest.array().ok_or(Truncated)?);
    let length = usize::try_from(length).map_err(|_| Truncated)?;
    let (body, behind) = rest.0.split_at_checked(length).ok_or(Truncated)?;
    rest.0 = behind;
    Ok(body)
}

/// A session that is being put together: in flight, queued, dropped, received, in this order.
pub(crate) struct Parts {
    session: Session,
    /// No handle of what follows is below this one.
    last: u64,
    /// What must not come any more.
    passed: Part,
}

#[derive(Copy, Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Part {
    InFlight,
    Queued,
    Unreported,
    Received,
}

impl Parts {
    pub(crate) fn new(next_handle: u64) -> Self {
        let mut session = Session::new();
        session.next_handle = next_handle;
        Self {
            session,
            last: 0,
            passed: Part::InFlight,
        }
    }

    /// Handles rise from the first in flight to the last in the queue: that is the order of the calls.
    fn follow(&mut self, part: Part, handle: u64) -> Result<(), SnapshotErrorKind> {
        if part < self.passed || !(1..=self.session.next_handle).contains(&handle) {
            return Err(Inconsistent);
        }
        self.passed = part;
        if part <= Part::Queued {
            if handle <= self.last {
                return Err(Inconsistent);
            }
            self.last = handle;
        }
        Ok(())
    }

    pub(crate) fn in_flight(&mut self, entry: Entry) -> Result<(), SnapshotErrorKind> {
        self.follow(Part::InFlight, entry.handle)?;
        let is_one = match &entry.state {
            State::Publish { message, .. } => message.qos() != QoS::AtMostOnce && !entry.reported,
            State::Release => true,
            State::Subscribe(_) | State::Unsubscribe(_) => false,
        };
        if is_one && self.session.in_flight.restore(entry) {
            Ok(())
        } else {
            Err(Inconsistent)
        }
    }

    pub(crate) fn queued(&mut self, queued: Queued) -> Result<(), SnapshotErrorKind> {
        self.follow(Part::Queued, queued.handle)?;
        self.session.queue.push(queued);
        Ok(())
    }

    pub(crate) fn unreported(&mut self, dropped: Dropped) -> Result<(), SnapshotErrorKind> {
        self.follow(Part::Unreported, dropped.handle.0)?;
        if dropped.reason == DropReason::QueueFull && dropped.message.is_some() {
            return Err(Inconsistent);
        }
        self.session
            .dropped
            .push(dropped.handle.0, dropped.message, dropped.reason);
        Ok(())
    }

    pub(crate) fn received(&mut self, ids: &[PacketId]) -> Result<(), SnapshotErrorKind> {
        let first = self.passed < Part::Received;
        if !first || ids.is_empty() || !ids.windows(2).all(|pair| pair.first() < pair.last()) {
            return Err(Inconsistent);
        }
        self.passed = Part::Received;
        for &id in ids {
            self.session.received.insert(id);
        }
        Ok(())
    }

    pub(crate) fn finish(
        self,
        established: bool,
        ended: bool,
        next_id: u16,
    ) -> Result<Session, SnapshotErrorKind> {
        let mut session = self.session;
        if session.next_handle > MAXIMUM_HANDLE || !session.unreported_are_unique() {
            return Err(Inconsistent);
        }
        session.in_flight.set_next(next_id);
        session.restart = Standing { established, ended };
        session.take_standing();
        Ok(session)
    }
}

impl Session {
    /// Whether each message that is dropped is so once, and not also waiting or sent.
    fn unreported_are_unique(&self) -> bool {
        let mut handles: Vec<u64> = self
            .dropped
            .iter()
            .map(|dropped| dropped.handle.0)
            .collect();
        handles.sort_unstable();
        let live = self.in_flight.iter().filter(|entry| !entry.reported);
        let mut live = live
            .map(|entry| entry.handle)
            .chain(self.queue.iter().map(|queued| queued.handle));
        handles.windows(2).all(|pair| pair.first() != pair.last())
            && !live.any(|handle| handles.binary_search(&handle).is_ok())
    }
}
