//! Stores that lie: records that are cut, altered, lost, doubled or out of order. No broker has to come of them, but no panic
//! either, and what comes of them serves.

use proptest::prelude::*;
use sansio_mqtt::*;

use crate::replay::{Step, World, steps};

/// Those that some history leaves.
fn records(steps: &[Step]) -> (World, Vec<BrokerRecord>) {
    let mut world = World::new(true, 6);
    world.run(steps);
    let records = std::mem::take(&mut world.records);
    (world, records)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_read_is_what_was_written(steps in steps(1..60)) {
        for record in records(&steps).1 {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            // Not to its end: nothing is taken.
            for end in 0..bytes.len() {
                let mut input = &bytes[..end];
                prop_assert!(matches!(BrokerRecord::decode(&mut input), Ok(None)));
                prop_assert_eq!(input.len(), end);
            }
            // Another one is behind it.
            let length = bytes.len();
            bytes.extend_from_within(..);
            let mut input = &bytes[..];
            let read = BrokerRecord::decode(&mut input).unwrap().unwrap();
            prop_assert_eq!(input.len(), length);
            let mut again = Vec::new();
            read.encode(&mut again);
            prop_assert_eq!(&again[..], input);
        }
    }

    /// One way to write each, so what is read from bytes that were altered is written as those bytes.
    #[test]
    fn bytes_that_were_altered_are_refused_or_another_record(
        steps in steps(1..60),
        at in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let records = records(&steps).1;
        prop_assume!(!records.is_empty());
        let mut bytes = Vec::new();
        at.get(&records).encode(&mut bytes);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let mut input = &bytes[..];
        if let Ok(Some(record)) = BrokerRecord::decode(&mut input) {
            let taken = bytes.len() - input.len();
            let mut again = Vec::new();
            record.encode(&mut again);
            prop_assert_eq!(&again[..], &bytes[..taken]);
        }
    }

    #[test]
    fn records_that_do_not_follow_are_refused_or_make_a_broker(
        before in steps(1..100),
        after in steps(1..40),
        harm in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
    ) {
        let (mut world, mut records) = records(&before);
        for (kind, one, other) in harm {
            if records.is_empty() {
                break;
            }
            let (one, other) = (one.index(records.len()), other.index(records.len()));
            match kind % 3 {
                0 => drop(records.remove(one)),
                1 => records.insert(one, records[other].clone()),
                _ => records.swap(one, other),
            }
        }
        if world.restore(&records).is_ok() {
            world.run(&after);
        }
    }
}
