//! A broker and hostile clients, as the fuzz target `broker` has them, with some random data.

#[path = "support/broker_hostile.rs"]
mod broker_hostile;
#[path = "support/generate.rs"]
mod generate;

#[test]
fn nothing_that_clients_do_breaks_the_broker() {
    let mut state = 1_u64;
    for _ in 0..400 {
        let data: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[1]
        })
        .take(2_000)
        .collect();
        broker_hostile::run(&data);
    }
}
