//! What is put in and asked for. The same at every run and on every machine.

/// `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }
}

/// The filter at position `n` is that of subscriber `n`.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) filters: Vec<String>,
    pub(crate) topics: Vec<String>,
}

/// Of W1 and W2.
const TOPICS: usize = 200_000;

const METRICS: [&str; 10] = [
    "temperature",
    "humidity",
    "pressure",
    "voltage",
    "current",
    "rssi",
    "battery",
    "status",
    "cmd",
    "state",
];

fn device(tenant: u64, site: u64, device: u64) -> String {
    let seed = tenant * 1_000_003 + site * 10_007 + device + 77;
    format!("{:08x}", Random::new(seed).next() as u32)
}

/// `size` exact filters, 10,000 to a tenant; nine topics of ten are those of a filter.
pub(crate) fn w1(size: usize) -> Workload {
    let tenants = (size as u64 / 10_000).max(1);
    let sites = (size as u64 / 100).min(100);
    let mut filters = Vec::with_capacity(size);
    for tenant in 0..tenants {
        for site in 0..sites {
            for number in 0..20 {
                let device = device(tenant, site, number);
                for metric in &METRICS[..5] {
                    filters.push(format!(
                        "tenant/{tenant}/site/{site}/device/{device}/{metric}"
                    ));
                }
            }
        }
    }
    let mut random = Random::new(1);
    random.shuffle(&mut filters);
    let topics = (0..TOPICS).map(|_| {
        if random.below(10) < 9 {
            filters[random.index(filters.len())].clone()
        } else {
            let (tenant, site) = (random.below(tenants), random.below(sites));
            let device = random.next() as u32;
            let metric = METRICS[random.index(5)];
            format!("tenant/{tenant}/site/{site}/device/{device:08x}/{metric}")
        }
    });
    Workload {
        name: "W1",
        what: "exact filters",
        topics: topics.collect(),
        filters,
    }
}

/// 70 % exact, 20 % with one `+`, 5 % with several, 5 % with `#`; half of the topics are those of an exact filter. At any
/// size a topic meets about as many.
pub(crate) fn w2(size: usize) -> Workload {
    let tenants = (size as u64 / 1000).max(1);
    let sites = 100;
    let devices = (size as u64 / 10_000).max(100);
    let metrics = METRICS.len();
    let of = |tenant: &str, site: &str, device: &str, metric: &str| {
        format!("tenant/{tenant}/site/{site}/device/{device}/{metric}")
    };
    let mut random = Random::new(2);
    let mut filters: Vec<String> = (0..size)
        .map(|i| {
            let t = &random.below(tenants).to_string();
            let s = &random.below(sites).to_string();
            let d = &format!("d{:05}", random.below(devices));
            let m = METRICS[random.index(metrics)];
            match i % 100 {
                0..70 => of(t, s, d, m),
                70..90 => match random.below(4) {
                    0 => of("+", s, d, m),
                    1 => of(t, "+", d, m),
                    2 => of(t, s, "+", m),
                    _ => of(t, s, d, "+"),
                },
                90..95 => match random.below(4) {
                    0 => of(t, "+", "+", m),
                    1 => of(t, s, "+", "+"),
                    2 => of(t, "+", d, "+"),
                    _ => of("+", s, d, "+"),
                },
                _ => match random.below(25) {
                    0 => format!("tenant/{t}/#"),
                    1..=12 => format!("tenant/{t}/site/{s}/#"),
                    _ => format!("tenant/{t}/site/{s}/device/{d}/#"),
                },
            }
        })
        .collect();
    random.shuffle(&mut filters);
    let exact: Vec<&String> = filters
        .iter()
        .filter(|filter| !filter.contains(['+', '#']))
        .collect();
    let topics = (0..TOPICS).map(|_| {
        if random.below(2) == 0 {
            exact[random.index(exact.len())].clone()
        } else {
            format!(
                "tenant/{}/site/{}/device/d{:05}/{}",
                random.below(tenants),
                random.below(sites),
                random.below(devices),
                METRICS[random.index(metrics)]
            )
        }
    });
    Workload {
        name: "W2",
        what: "mixed filters",
        topics: topics.collect(),
        filters,
    }
}

/// 100,000 filters of `a` and `+`, sixteen levels deep, and the topic of sixteen `a`: all match (a), none does because of
/// a last level that they share (b), or that is one of a thousand (c).
pub(crate) fn w3() -> [Workload; 3] {
    const SIZE: usize = 100_000;
    let levels = |bits: u64, count: u32| {
        let level = |i| if bits >> i & 1 == 1 { "+" } else { "a" };
        (0..count).map(level).collect::<Vec<_>>().join("/")
    };
    let topics = || vec![levels(0, 16)];
    let mut random = Random::new(3);
    let mut workload = |name, what, filter: &dyn Fn(&mut Random) -> String| Workload {
        name,
        what,
        filters: (0..SIZE).map(|_| filter(&mut random)).collect(),
        topics: topics(),
    };
    [
        workload("W3a", "all match", &|random| levels(random.next(), 16)),
        workload("W3b", "none matches, one last level", &|random| {
            format!("{}/zz", levels(random.next(), 15))
        }),
        workload("W3c", "none matches, a thousand last levels", &|random| {
            let bits = random.next();
            format!("{}/z{}", levels(bits, 15), random.below(1000))
        }),
    ]
}

/// 10,000 on one filter, and a thousand neighbours.
pub(crate) fn w4() -> Workload {
    let topic = "plant/1/line/2/alarm".to_owned();
    let neighbours = (0..1000).map(|i| format!("plant/1/line/{}/alarm", i + 10));
    Workload {
        name: "W4",
        what: "10,000 on one filter",
        filters: std::iter::repeat_n(topic.clone(), 10_000)
            .chain(neighbours)
            .collect(),
        topics: vec![topic],
    }
}

/// The topics of W1's filters, retained, and what is searched for: here the filters are in `topics`.
pub(crate) fn w5(size: usize) -> Workload {
    let filters = w1(size).filters;
    let exact = filters[0].clone();
    let device = filters[1].split('/').nth(5).unwrap_or_default();
    let topics = vec![
        exact,
        "tenant/5/site/3/device/+/temperature".to_owned(),
        "tenant/5/site/3/#".to_owned(),
        "tenant/+/site/3/#".to_owned(),
        "tenant/+/site/+/device/zzzz/#".to_owned(),
        format!("+/+/+/+/+/{device}/#"),
        "+/+/+/+/+/+/pressure".to_owned(),
        "#".to_owned(),
    ];
    Workload {
        name: "W5",
        what: "retained topics",
        topics,
        filters,
    }
}

/// The one filter that all of W6 subscribe to.
pub(crate) const W6_FILTER: &str = "plant/1/line/2/alarm";
