use super::*;
use alloc::collections::BTreeMap;

fn against_a_map<const K: usize, const W: usize>(keys: u64, steps: u32, seed: u64) {
    let mut store = Store::new();
    let mut map = BTreeMap::new();
    let mut run = 0;
    let mut random = seed;
    let mut draw = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % bound
    };
    for step in 0..steps {
        let growing = step / (steps / 4) % 2 == 0;
        let number = draw(keys);
        let key = if K == 1 {
            number
        } else {
            ((number / 50) << 32) | (number % 50)
        };
        let mut entry = [step; W];
        if K == 1 {
            entry[0] = key as u32;
        } else {
            (entry[0], entry[1]) = ((key >> 32) as u32, key as u32);
        }
        let found = store.find::<K>(run, key).filter(|_| run != 0);
        assert_eq!(
            found.map(|place| store.read(place, W - 1)),
            map.get(&key).copied()
        );
        let value = entry[W - 1];
        match found {
            None if growing || draw(10) == 0 => {
                run = if run == 0 {
                    store.new_run(77, entry)
                } else {
                    store.insert::<K, W>(run, entry)
                };
                map.insert(key, value);
            }
            Some(place) if growing && K < W => {
                store.write(place, W - 1, value);
                map.insert(key, value);
            }
            Some(_) if !growing => {
                run = store.remove::<K, W>(run, key);
                map.remove(&key);
                assert_eq!(run == 0, map.is_empty());
            }
            _ => {}
        }
        if run != 0 {
            assert_eq!(store.tag(run), 77);
            assert_eq!(store.len(run), map.len());
        }
        if step % 1000 == 0 && run != 0 {
            assert!(store.keys::<K>(run).into_iter().eq(map.keys().copied()));
        }
    }
    for key in map.into_keys() {
        run = store.remove::<K, W>(run, key);
    }
    assert_eq!(run, 0);
    assert_eq!(store.heap_bytes(), 0);
}

#[test]
fn runs_are_maps() {
    for keys in [1, 3, 40, 150, 500, 20_000] {
        for seed in 0..3 {
            against_a_map::<1, 2>(keys, 40_000, seed);
            against_a_map::<1, 3>(keys, 40_000, seed);
            against_a_map::<2, 2>(keys, 40_000, seed);
        }
    }
}

#[test]
fn what_comes_in_order_fills_its_pages() {
    let mut store = Store::new();
    let mut run = store.new_run(0, [0, 0]);
    for key in 1..100_000 {
        run = store.insert::<1, 2>(run, [key, key]);
    }
    assert!(store.heap_bytes() < 100_000 * 9);
}
