//! Who may connect, publish and subscribe: the password and ACL files of mosquitto.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sansio_mqtt::{TopicFilter, TopicName, Version};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Lines of `user:$7$iterations$salt$hash` (PBKDF2 with SHA-512) or `user:$6$salt$hash` (SHA-512), as `mosquitto_passwd`
/// writes them.
#[derive(Clone)]
pub(crate) struct Passwords(HashMap<String, Hash>);

#[derive(Clone)]
struct Hash {
    /// `None`: one round of plain SHA-512.
    iterations: Option<u32>,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Passwords {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut users = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) = parse_user(line)
                .ok_or_else(|| format!("{}:{}: no password", path.display(), number + 1))?;
            users.insert(user, hash);
        }
        Ok(Self(users))
    }

    /// Takes its time, as it should.
    pub(crate) fn check(&self, user: &str, password: &[u8]) -> bool {
        let Some(user) = self.0.get(user) else {
            return false;
        };
        let mut hash = vec![0; user.hash.len()];
        match user.iterations {
            Some(iterations) => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password, &user.salt, iterations, &mut hash);
            }
            None => {
                hash = Sha512::new()
                    .chain_update(password)
                    .chain_update(&user.salt)
                    .finalize()
                    .to_vec();
            }
        }
        hash.ct_eq(&user.hash).into()
    }
}

fn parse_user(line: &str) -> Option<(String, Hash)> {
    let (user, rest) = line.split_once(':')?;
    let mut parts = rest.strip_prefix('$')?.split('$');
    let iterations = match parts.next()? {
        "6" => None,
        "7" => Some(parts.next()?.parse().ok().filter(|&rounds| rounds > 0)?),
        _ => return None,
    };
    let salt = STANDARD.decode(parts.next()?).ok()?;
    let hash = STANDARD
        .decode(parts.next()?)
        .ok()
        .filter(|hash| hash.len() == 64)?;
    let hash = Hash {
        iterations,
        salt,
        hash,
    };
    Some((user.to_owned(), hash))
}

/// Lines of `topic [read|write|readwrite|deny] FILTER`, for clients without a user name or, below `user NAME`, for that
/// one; and of `pattern …` for all, in which `%u` stands for the user name and `%c` for the Client Identifier. What no line
/// allows is forbidden.
pub(crate) struct Acl(Vec<Rule>);

struct Rule {
    who: Who,
    read: bool,
    write: bool,
    deny: bool,
    filter: String,
}

enum Who {
    Anonymous,
    User(String),
    /// The filter is a pattern.
    All,
}

impl Acl {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (mut rules, mut user) = (Vec::new(), None);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "user" => user = Some(rest.trim().to_owned()),
                "topic" | "pattern" => {
                    let who = match &user {
                        _ if word == "pattern" => Who::All,
                        None => Who::Anonymous,
                        Some(user) => Who::User(user.clone()),
                    };
                    rules.push(Rule::new(who, rest.trim()));
                }
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => return Err(format!("{}:{}: no rule", path.display(), number + 1).into()),
            }
        }
        Ok(Self(rules))
    }

    pub(crate) fn may_publish(&self, client: &str, user: Option<&str>, topic: &str) -> bool {
        let Ok(topic) = TopicName::new(topic) else {
            return false;
        };
        self.decide(client, user, |rule, filter| {
            let filter = TopicFilter::new(Version::V5, filter);
            rule.write && filter.is_ok_and(|filter| filter.matches(&topic))
        })
    }

    /// Every message that the filter can match has to be allowed.
    pub(crate) fn may_subscribe(&self, client: &str, user: Option<&str>, filter: &str) -> bool {
        let wanted = match filter.strip_prefix("$share/") {
            Some(rest) => rest.split_once('/').map_or("", |(_, filter)| filter),
            None => filter,
        };
        self.decide(client, user, |rule, filter| {
            rule.read
                && match rule.deny {
                    true => overlaps(filter, wanted),
                    false => covers(filter, wanted),
                }
        })
    }

    fn decide(
        &self,
        client: &str,
        user: Option<&str>,
        applies: impl Fn(&Rule, &str) -> bool,
    ) -> bool {
        let mut allowed = false;
        for rule in &self.0 {
            let filter = match &rule.who {
                Who::Anonymous if user.is_some() => continue,
                Who::User(one) if user != Some(&**one) => continue,
                Who::Anonymous | Who::User(_) => rule.filter.clone(),
                // A name with a wildcard or a separator in it would be more than one level.
                Who::All if rule.is_unfit(client, user) && rule.deny => return false,
                Who::All if rule.is_unfit(client, user) => continue,
                Who::All if rule.filter.contains("%u") && user.is_none() => continue,
                Who::All => rule
                    .filter
                    .replace("%u", user.unwrap_or(""))
                    .replace("%c", client),
            };
            if applies(rule, &filter) {
                if rule.deny {
                    return false;
                }
                allowed = true;
            }
        }
        allowed
    }
}

impl Rule {
    fn new(who: Who, text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or(("", text));
        let (read, write, deny, filter) = match word {
            "read" => (true, false, false, rest),
            "write" => (false, true, false, rest),
            "readwrite" => (true, true, false, rest),
            "deny" => (true, true, true, rest),
            _ => (true, true, false, text),
        };
        Self {
            who,
            read,
            write,
            deny,
            filter: filter.trim().to_owned(),
        }
    }

    fn is_unfit(&self, client: &str, user: Option<&str>) -> bool {
        let is_wild = |name: &str| name.contains(['+', '#', '/']);
        (self.filter.contains("%c") && is_wild(client))
            || (self.filter.contains("%u") && user.is_some_and(is_wild))
    }
}

/// Whether `filter` matches all that `wanted` matches.
fn covers(filter: &str, wanted: &str) -> bool {
    if wanted.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut wanted) = (filter.split('/'), wanted.split('/'));
    loop {
        match (filter.next(), wanted.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(a), Some(b)) if a == b && b != "#" => {}
            _ => return false,
        }
    }
}

/// Whether there is a topic that both match.
fn overlaps(one: &str, other: &str) -> bool {
    let is_wild = |text: &str| text.starts_with(['+', '#']);
    if (one.starts_with('$') && is_wild(other)) || (other.starts_with('$') && is_wild(one)) {
        return false;
    }
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == "+" || b == "+" || a == b => {}
            _ => return false,
        }
    }
}
