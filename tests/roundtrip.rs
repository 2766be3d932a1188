//! Any packet that is encoded decodes to itself, and any bytes that decode have one canonical form.

#[path = "support/change.rs"]
mod change;
#[path = "support/check.rs"]
mod check;
#[path = "support/generate.rs"]
mod generate;

use std::collections::BTreeMap;

use change::{apply, change, mend_length};
use check::{check_encode, check_stream};
use generate::with_packet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// The canonical bytes of the packet that `data` describes, if it is legal.
fn encoded(data: &[u8]) -> Option<Vec<u8>> {
    with_packet(data, check_encode)?
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_packet_is_refused_or_decodes_to_itself(data in vec(any::<u8>(), 0..600)) {
        encoded(&data);
    }

    #[test]
    fn canonical_bytes_stay_as_they_are(data in vec(any::<u8>(), 0..600)) {
        if let Some(bytes) = encoded(&data) {
            prop_assert!(check_stream(&bytes) > 0);
        }
    }

    #[test]
    fn changed_bytes_are_refused_or_have_a_canonical_form(
        data in vec(any::<u8>(), 0..600),
        changes in vec(change(), 1..4),
        mended in any::<bool>(),
    ) {
        if let Some(mut bytes) = encoded(&data) {
            for change in &changes {
                apply(&mut bytes, change);
            }
            if mended {
                mend_length(&mut bytes);
            }
            check_stream(&bytes);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_have_a_canonical_form(
        first in any::<u8>(),
        mut bytes in vec(any::<u8>(), 0..40),
    ) {
        bytes.splice(0..0, [first, 0]);
        mend_length(&mut bytes);
        check_stream(&bytes);
    }
}

/// The tests above would prove nothing if few packets were legal, or few illegal.
#[test]
fn the_generator_makes_every_packet_legal_and_illegal() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut counts = BTreeMap::<_, [u32; 2]>::new();
    for _ in 0..30_000 {
        let mut data = [0; 600];
        rng.fill_bytes(&mut data);
        with_packet(&data, |version, packet| {
            let key = (version.protocol_level(), packet.packet_type().as_u8());
            let refused = packet.encode(version, &mut Vec::new()).is_err();
            counts.entry(key).or_default()[usize::from(refused)] += 1;
        });
    }
    for level in [3, 4, 5] {
        for packet_type in 1..=15 {
            let [legal, illegal] = counts[&(level, packet_type)];
            let both = !matches!((level, packet_type), (_, 12 | 13) | (3 | 4, 15));
            let message =
                format!("level {level}, type {packet_type}: {legal} legal, {illegal} illegal");
            println!("{message}");
            assert!(legal > 50 || level < 5 && packet_type == 15, "{message}");
            assert!(illegal > 3 || !both, "{message}");
        }
    }
}
