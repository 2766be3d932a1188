//! The broker's records in a database: a log that a snapshot makes short again. A thread writes, so that nobody waits for
//! the disk but those whose acknowledgement it is.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use sansio_mqtt::{Broker, BrokerOptions, BrokerRecord, Instant};

type Error = Box<dyn std::error::Error + Send + Sync>;

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// Bytes of records before a snapshot takes their place, if they are more than it has.
const LONG: usize = 64 << 20;

/// What the thread is to write.
struct Write {
    /// Of the last record.
    number: u64,
    bytes: Vec<u8>,
    /// Whether it takes the place of all before.
    is_snapshot: bool,
}

pub(crate) struct Store {
    writes: Sender<Write>,
    thread: JoinHandle<()>,
    /// Of the log, and of its snapshot.
    bytes: usize,
    snapshot_bytes: usize,
    records: Vec<BrokerRecord>,
}

impl Store {
    /// The broker that the database has, or an empty one. `stored` is told of each number of a record up to which all are
    /// safe, or of what went wrong.
    pub(crate) fn open(
        directory: &Path,
        now: Instant,
        options: BrokerOptions,
        stored: impl Fn(Result<u64, String>) + Send + 'static,
    ) -> Result<(Self, Broker), Error> {
        std::fs::create_dir_all(directory)?;
        let database = Database::create(directory.join("broker.redb"))?;
        let (mut records, mut bytes, mut next) = (Vec::new(), 0, 0);
        match database.begin_read()?.open_table(LOG) {
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            table => {
                for row in table?.iter()? {
                    let (key, value) = row?;
                    let mut input = value.value();
                    bytes += input.len();
                    next = key.value() + 1;
                    while let Some(record) = BrokerRecord::decode(&mut input)? {
                        records.push(record);
                    }
                }
            }
        }
        let broker = Broker::restore(now, options, records)?;
        let (writes, incoming) = mpsc::channel::<Write>();
        let thread = thread::spawn(move || {
            while let Ok(first) = incoming.recv() {
                // What has come meanwhile shares the commit.
                let all: Vec<Write> = [first].into_iter().chain(incoming.try_iter()).collect();
                let number = all.iter().map(|write| write.number).max();
                let result = write(&database, &all, &mut next).map(|()| number.unwrap_or(0));
                stored(result.map_err(|error| error.to_string()));
            }
        });
        let store = Self {
            writes,
            thread,
            bytes,
            snapshot_bytes: bytes,
            records: Vec::new(),
        };
        Ok((store, broker))
    }

    /// Hands over what the broker has recorded. False: there was nothing.
    pub(crate) fn save(&mut self, broker: &mut Broker) -> bool {
        let number = broker.take_records(&mut self.records);
        if self.records.is_empty() {
            return false;
        }
        let (mut bytes, mut is_snapshot) = (Vec::new(), false);
        if self.bytes > LONG.max(2 * self.snapshot_bytes) {
            is_snapshot = true;
            broker.snapshot(|record| record.encode(&mut bytes));
            (self.bytes, self.snapshot_bytes) = (0, bytes.len());
        } else {
            self.records
                .iter()
                .for_each(|record| record.encode(&mut bytes));
        }
        self.records.clear();
        self.bytes += bytes.len();
        // Without the thread nothing is acknowledged any more; it has said why it is gone.
        let _ = self.writes.send(Write {
            number,
            bytes,
            is_snapshot,
        });
        true
    }

    /// Waits until everything is written.
    pub(crate) fn close(self) {
        drop(self.writes);
        let _ = self.thread.join();
    }
}

fn write(database: &Database, all: &[Write], next: &mut u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let last_snapshot = all.iter().rposition(|write| write.is_snapshot);
    if last_snapshot.is_some() {
        transaction.delete_table(LOG)?;
    }
    {
        let mut table = transaction.open_table(LOG)?;
        for write in &all[last_snapshot.unwrap_or(0)..] {
            table.insert(*next, &*write.bytes)?;
            *next += 1;
        }
    }
    transaction.commit()?;
    Ok(())
}
