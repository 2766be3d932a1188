// Topics and filters read from bytes, so that a fuzzer and a property make the same ones.

pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, below a bound; 0 at the end.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        u32::from(byte) % bound
    }

    fn level(&mut self, wildcard: bool) -> String {
        match self.below(if wildcard { 10 } else { 8 }) {
            0 => String::new(),
            1 | 2 => "a".into(),
            3 => "b".into(),
            4 => "$x".into(),
            5 => "été".into(),
            6 => format!("w{}", self.below(200)),
            7 => "long".repeat(self.below(200) as usize),
            _ => "+".into(),
        }
    }

    /// A topic, or a filter, perhaps of a Shared Subscription.
    pub(crate) fn text(&mut self, wildcard: bool) -> String {
        let count = self.below(5) + 1;
        let mut levels: Vec<String> = (0..count).map(|_| self.level(wildcard)).collect();
        if wildcard && self.below(4) == 0 {
            if self.below(4) == 0 {
                levels.clear();
            }
            levels.push("#".into());
        }
        let text = levels.join("/");
        let text = if text.is_empty() { "/".into() } else { text };
        match self.below(8) {
            group @ 0..=2 if wildcard => format!("$share/g{group}/{text}"),
            _ => text,
        }
    }
}
